// FaultyKernel: another kernel with faults injected, for tests.
//
// It counts the calls that its filter names. The armed one (the k-th from now) fails: with an error number, by moving
// fewer bytes than asked, or by being interrupted; once, or for good (that call and all later ones). Everything else
// goes through unchanged. A call that is made to fail does not reach the kernel below, except where the real system
// acts all the same: close gives the descriptor back and unmap the addresses even when they fail.
//
//   error      any call. Guarded copies and populating cannot fail in any other way than by a bus error: they answer
//              EFAULT whatever the number.
//   short      pread and pwrite of at least two bytes (others are not counted): half of the bytes are moved.
//   interrupt  calls that a signal can interrupt (others are not counted): EINTR. For good means every other one,
//              since a call that is repeated until it succeeds would otherwise never return.
//
// A failed flush on a simulated disk also does what Linux does: the pages count as clean from then on, so that a
// later flush which succeeds does not cover them.
//
// Lifecycle: the kernel below is not owned and must outlive this one. Threads: any, at any time; the count is exact,
// which of two simultaneous calls is the k-th is not.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>

#include "file/kernel.h"

namespace varve {

class MemoryKernel;

// The calls of Kernel, under their names there.
enum class Call : uint8_t {
  kOpen,
  kClose,
  kPread,
  kPwrite,
  kFtruncate,
  kAllocate,
  kFdatasync,
  kFsync,
  kFstat,
  kStat,
  kRename,
  kUnlink,
  kLink,
  kMkdir,
  kRmdir,
  kList,
  kLock,
  kUnlock,
  kLocked,
  kFileSystem,
  kMap,
  kUnmap,
  kAdvise,
  kMsync,
  kDropCache,
  kStore,
  kLoad,
  kStoreRelease,
  kCount,  // not a call
};

using CallSet = uint32_t;  // bit 1 << call
constexpr CallSet kAllCalls = (CallSet{1} << static_cast<unsigned>(Call::kCount)) - 1;

const char* call_name(Call call);
// "pwrite,fdatasync" to a set, "" to all calls; false when a name is unknown.
bool parse_calls(std::string_view names, CallSet* calls);

enum class FaultKind : uint8_t { kError, kShort, kInterrupt };

struct Fault {
  uint64_t at = 0;  // 1-based count from when it was armed; 0 = never: only count
  FaultKind kind = FaultKind::kError;
  int error_number = 0;  // positive, for kError
  bool for_good = false;
  CallSet calls = kAllCalls;
};

// "short", "interrupt", or the name of an error number such as "EIO"; false when it is none of them.
bool parse_fault_kind(std::string_view name, Fault* fault);

class FaultyKernel : public Kernel {
 public:
  explicit FaultyKernel(Kernel& under) : under_(under) {}
  // Over a simulated disk: failed flushes also lose what they should have saved.
  explicit FaultyKernel(MemoryKernel& disk);

  // Replaces the fault and starts counting from zero.
  void arm(const Fault& fault);
  // Calls that the filter let count since the last arm().
  uint64_t calls() const;
  // How many of them were made to fail.
  uint64_t injected() const;

  int open(const char* path, int flags, int mode) override;
  int close(int fd) override;
  int64_t pread(int fd, void* to, size_t length, uint64_t position) override;
  int64_t pwrite(int fd, const void* from, size_t length, uint64_t position) override;
  int ftruncate(int fd, uint64_t size) override;
  int allocate(int fd, uint64_t position, uint64_t length) override;
  int fdatasync(int fd) override;
  int fsync(int fd) override;
  int fstat(int fd, FileFacts* facts) override;
  int stat(const char* path, FileFacts* facts) override;
  int rename(const char* from, const char* to) override;
  int unlink(const char* path) override;
  int link(const char* from, const char* to) override;
  int mkdir(const char* path, int mode) override;
  int rmdir(const char* path) override;
  int list(const char* path, std::vector<FolderEntry>* entries) override;
  int lock(int fd) override;
  int unlock(int fd) override;
  int locked(int fd) override;
  int file_system(const char* path, std::string* name) override;
  uint64_t free_bytes(const char* path) override;
  int map(int fd, uint64_t position, size_t length, bool writable, bool shared, void** address) override;
  int unmap(void* address, size_t length) override;
  int advise(void* address, size_t length, Advice advice) override;
  int msync(void* address, size_t length) override;
  int drop_cache(int fd, uint64_t position, uint64_t length) override;
  int store(void* to, const void* from, size_t length) override;
  int load(void* to, const void* from, size_t length) override;
  int store_release(void* to, uint32_t value) override;

 private:
  // Counts one call. 0: let it through; kMoveLess: move half; else the -errno to answer.
  static constexpr int kMoveLess = 1;
  int verdict(Call call, size_t length = 0);

  Kernel& under_;
  MemoryKernel* disk_ = nullptr;  // the same as under_, when that is a simulated disk
  mutable std::mutex mutex_;
  Fault fault_;  // guarded by mutex_, like the counts
  uint64_t calls_ = 0;
  uint64_t injected_ = 0;
};

}  // namespace varve
