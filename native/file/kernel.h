// Kernel: the one seam between varve and the operating system.
//
// Every system call on a file, and every store into a mapping of one, goes through a Kernel. There are three:
// - real_kernel() is the operating system;
// - FaultyKernel wraps another one: it counts calls and makes the k-th fail, return short or be interrupted;
// - MemoryKernel is a simulated disk with a volatile cache: it can be crashed, and answers any legal crash state.
// So the code above (File, Mapping, Segment, ...) is the same code in production and under test.
//
// Answers: >= 0 is success, -errno a failure. Nothing here retries or loops: EINTR and short transfers reach the caller
// (File handles them). Threads: every method may be called from any thread. Paths are NUL-terminated and absolute
// or relative to the working folder. Files are opened close-on-exec whatever the flags say.
//
// It deliberately knows nothing of segments, and does not hide flags: it is the system's own vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace varve {

struct FileFacts {
  uint64_t size = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t allocated_bytes = 0;  // blocks really owned
  int64_t modified_ms = 0;
  bool folder = false;
};

struct FolderEntry {
  std::string name;
  bool folder = false;
};

enum class Advice { kPopulateRead, kPopulateWrite, kDropCache, kSequential };

class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual int open(const char* path, int flags, int mode) = 0;
  virtual int close(int fd) = 0;
  virtual int64_t pread(int fd, void* to, size_t length, uint64_t position) = 0;
  virtual int64_t pwrite(int fd, const void* from, size_t length, uint64_t position) = 0;
  virtual int ftruncate(int fd, uint64_t size) = 0;
  // Real blocks for [position, position + length), file size extended to cover them; bytes read as zero.
  virtual int allocate(int fd, uint64_t position, uint64_t length) = 0;
  virtual int fdatasync(int fd) = 0;  // F_FULLFSYNC where that is what reaches the disk
  virtual int fsync(int fd) = 0;
  virtual int fstat(int fd, FileFacts* facts) = 0;
  virtual int stat(const char* path, FileFacts* facts) = 0;
  virtual int rename(const char* from, const char* to) = 0;
  virtual int unlink(const char* path) = 0;
  virtual int link(const char* from, const char* to) = 0;
  virtual int mkdir(const char* path, int mode) = 0;
  virtual int rmdir(const char* path) = 0;
  virtual int list(const char* path, std::vector<FolderEntry>* entries) = 0;
  // An exclusive lock owned by the open file description; -EAGAIN when somebody else holds it.
  virtual int lock(int fd) = 0;
  // Frees it at once. A close alone does so only with the last duplicate of the descriptor, and with the last mapping
  // made of it.
  virtual int unlock(int fd) = 0;
  // 1 when another open file description holds that lock just now, else 0.
  virtual int locked(int fd) = 0;
  // The system's name of the file system that holds `path`, such as "ext4" or "tmpfs"; "unknown" if it has none.
  virtual int file_system(const char* path, std::string* name) = 0;
  // What an ordinary user may still write; kUnknownBytes when the system does not say.
  virtual uint64_t free_bytes(const char* path) = 0;
  static constexpr uint64_t kUnknownBytes = ~uint64_t{0};

  // Maps [position, position + length) of fd. `writable` maps are shared with the file when `shared`, else
  // copy-on-write.
  virtual int map(int fd, uint64_t position, size_t length, bool writable, bool shared, void** address) = 0;
  virtual int unmap(void* address, size_t length) = 0;
  // `address` is a multiple of the page size. Populate answers -EFAULT where touching the page would be a bus error.
  virtual int advise(void* address, size_t length, Advice advice) = 0;
  virtual int msync(void* address, size_t length) = 0;
  // Drops clean cached pages of the file range.
  virtual int drop_cache(int fd, uint64_t position, uint64_t length) = 0;

  // Copies into and out of a mapping, guarded: a bus error becomes -EFAULT instead of the end of the process. The
  // mapping is not to be used after that (see bus_guard.h).
  virtual int store(void* to, const void* from, size_t length) = 0;
  virtual int load(void* to, const void* from, size_t length) = 0;
  // A 32-bit store with release order, for the field that makes a batch visible. `to` need not be aligned; `value` is
  // stored in the machine's byte order.
  virtual int store_release(void* to, uint32_t value) = 0;
  // What an append does: store(), then store_release() of a field inside what was stored; that only if the store was
  // good. The operating system does both under one guard. Everybody else leaves this as it is, and sees two calls.
  virtual int store_and_release(void* to, const void* from, size_t length, void* field, uint32_t value) {
    const int stored = store(to, from, length);
    return stored < 0 ? stored : store_release(field, value);
  }
};

// The operating system itself. Lives for ever.
Kernel& real_kernel();

}  // namespace varve
