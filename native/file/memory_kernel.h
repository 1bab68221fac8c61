// MemoryKernel: a simulated disk with a volatile cache, as a Kernel.
//
// A small file system in memory: folders, files, hard links, rename, unlinked files that stay while they are open or
// mapped, locks between open files, and maps that share their memory with pread and pwrite. Every operation that
// changes the disk is recorded (disk_state.h), and crash() answers a new MemoryKernel with what a power cut may have
// left; which states are legal stands in disk_state.h.
//
// Differences from a real system, all of them on the strict side: a store or load beyond the end of the file is -EFAULT
// even in its last page; a store into a part without blocks on a full disk is -EFAULT, and so is populating it; a
// rename leaves permissions alone since there are none. The root folder exists; relative paths start there too. Times
// stand still unless set_now_ms moves them.
//
// Bounds: one file has at most 1 TiB; the record of operations kMaxRecordedBytes, after which changes answer -ENOSPC
// (forget() empties it). Contents live in one sparse memory file, so they cost what was really written.
//
// Lifecycle: close all descriptors and maps of a kernel before it goes. Threads: any method from any thread; one
// mutex orders them all, so this is no place to measure speed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "file/disk_state.h"
#include "file/kernel.h"

namespace varve {

class MemoryKernel final : public Kernel {
 public:
  static constexpr uint64_t kMaxFileBytes = uint64_t{1} << 40;
  static constexpr uint64_t kMaxRecordedBytes = uint64_t{512} << 20;
  static constexpr uint64_t kDefaultCapacityBytes = uint64_t{64} << 30;

  MemoryKernel();
  // A disk that holds `start`, all of it flushed.
  explicit MemoryKernel(DiskState start);
  ~MemoryKernel() override;
  MemoryKernel(const MemoryKernel&) = delete;
  MemoryKernel& operator=(const MemoryKernel&) = delete;

  // Operations recorded so far: crash() takes 0 to this number.
  size_t operations() const;
  // A new disk with one legal state after a power cut just before operation `at`. This one goes on unchanged.
  std::unique_ptr<MemoryKernel> crash(size_t at, CrashMode mode, uint64_t seed) const;
  // One line about a recorded operation, for the report of a failed test.
  std::string describe(size_t operation) const;
  // Everything so far counts as flushed, and its record is dropped.
  void forget();

  // The disk's size. Below what is used it only means that nothing more fits.
  void set_capacity_bytes(uint64_t bytes);
  uint64_t used_bytes() const;
  // The time that files get when they are changed from now on.
  void set_now_ms(int64_t now_ms);
  // Records that a flush of this file, or of the file mapped here, failed: see disk_state.h.
  void fail_sync(int fd);
  void fail_sync(const void* address);

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
  struct Inode {
    bool folder = false;
    uint64_t size = 0;
    std::shared_ptr<const std::vector<uint8_t>> asleep;  // contents that nobody has opened yet: not in the memory file
    std::vector<bool> allocated;                         // by page
    std::map<std::string, InodeNumber> entries;          // of a folder
    int64_t modified_ms = 0;
    uint32_t links = 0;
    uint32_t opens = 0;
    uint32_t maps = 0;
    int lock_holder = -1;  // descriptor
  };
  struct OpenFile {
    InodeNumber inode = kNoInode;  // kNoInode: free
    bool readable = false;
    bool writable = false;
  };
  struct Map {
    InodeNumber inode = kNoInode;
    uint64_t position = 0;  // in the file
    size_t length = 0;
    bool writable = false;
    bool shared = false;
  };
  // A named place in the tree: the folder, the last part of the path, and what is there (kNoInode: nothing).
  struct Place {
    InodeNumber folder = kNoInode;
    std::string name;
    InodeNumber inode = kNoInode;
  };

  // All of these need mutex_. Those that answer an int answer 0 or -errno.
  int find(const char* path, Place* place) const;
  OpenFile* open_file(int fd);
  int open_file_of(int fd, InodeNumber* inode);
  const Map* map_of(const void* address, size_t length, uint64_t* position) const;
  bool may_record(size_t bytes) const;
  void record(Operation operation);
  void record_write(InodeNumber inode, const void* from, size_t length, uint64_t position);
  InodeNumber make_inode(bool folder);
  void wake(InodeNumber number);
  void release(InodeNumber number);
  void resize(InodeNumber number, uint64_t size);
  uint64_t allocate_pages(Inode* inode, uint64_t position, uint64_t length);
  void free_pages_from(Inode* inode, uint64_t first_page);
  int store_locked(void* to, const void* from, size_t length);
  DiskState current_state();

  mutable std::mutex mutex_;  // guards everything below
  int memory_fd_ = -1;        // one sparse file; inode n has the bytes from n * kMaxFileBytes on
  DiskState start_;           // the disk before the first operation of log_
  OperationLog log_;
  std::map<InodeNumber, Inode> inodes_;
  InodeNumber next_inode_ = kRootInode + 1;
  std::vector<OpenFile> open_files_;  // by descriptor - kFirstDescriptor
  std::map<uintptr_t, Map> maps_;     // by address
  uint64_t capacity_pages_ = kDefaultCapacityBytes / kDiskPageBytes;
  uint64_t used_pages_ = 0;
  int64_t now_ms_ = 0;
};

}  // namespace varve
