// The operating system itself: each method is one system call (or what comes closest), answered as -errno.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/check.h"
#include "file/bus_guard.h"
#include "file/kernel.h"

#if defined(__linux__)
#include <sys/vfs.h>
#elif defined(__APPLE__)
#include <sys/mount.h>
#include <sys/param.h>

#include <map>
#include <mutex>
#include <utility>
#include <vector>
#endif

namespace varve {
namespace {

int answer(int result) { return result < 0 ? -errno : result; }
int64_t answer_length(ssize_t result) { return result < 0 ? -errno : result; }

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

void facts_from(const struct stat& found, FileFacts* facts) {
  facts->size = static_cast<uint64_t>(found.st_size);
  facts->device = static_cast<uint64_t>(found.st_dev);
  facts->inode = static_cast<uint64_t>(found.st_ino);
  facts->allocated_bytes = static_cast<uint64_t>(found.st_blocks) * 512;  // st_blocks counts 512-byte units everywhere
#if defined(__APPLE__)
  const struct timespec& modified = found.st_mtimespec;
#else
  const struct timespec& modified = found.st_mtim;
#endif
  facts->modified_ms = static_cast<int64_t>(modified.tv_sec) * 1000 + modified.tv_nsec / 1'000'000;
  facts->folder = S_ISDIR(found.st_mode);
}

// Touches each page of the range, by a load or by an atomic addition of zero (which leaves a byte that another thread
// stores to meanwhile as that thread wants it).
int touch_pages(void* address, size_t length, bool write) {
  BusGuard guard(address, length);
  volatile uint8_t* bytes = static_cast<uint8_t*>(address);
  for (size_t at = 0; at < length; at += page_bytes()) {
    if (write) {
      __atomic_fetch_add(bytes + at, 0, __ATOMIC_RELAXED);
    } else {
      (void)bytes[at];
    }
    if (guard.faulted()) return -EFAULT;
  }
  return 0;
}

#if defined(__linux__)
constexpr int kMadvPopulateRead = 22;  // Linux 5.14; not in the headers of every libc
constexpr int kMadvPopulateWrite = 23;

// An old kernel answers EINVAL to any use; a fresh anonymous page tells it from a mistake in the real call.
bool has_populate() {
  static const bool has = [] {
    void* probe = ::mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) return false;
    const bool works = ::madvise(probe, page_bytes(), kMadvPopulateWrite) == 0;
    ::munmap(probe, page_bytes());
    return works;
  }();
  return has;
}

struct FileSystemName {
  uint64_t magic;
  const char* name;
};

// statfs(2) and the kernel's linux/magic.h. The name decides whether files are mapped for writing, so what is missing
// here is "unknown" and treated with care.
constexpr FileSystemName kFileSystemNames[] = {
    {0xEF53, "ext4"},         {0x58465342, "xfs"},      {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
    {0x858458F6, "ramfs"},    {0x794C7630, "overlay"},  {0xF2F52010, "f2fs"},  {0x2FC12FC1, "zfs"},
    {0xCA451A4E, "bcachefs"}, {0x6969, "nfs"},          {0xFF534D42, "cifs"},  {0xFE534D42, "smb2"},
    {0x517B, "smb"},          {0x01021997, "9p"},       {0x65735546, "fuse"},  {0x786F4256, "vboxsf"},
    {0x5346544E, "ntfs"},     {0x7366746E, "ntfs3"},    {0x4D44, "vfat"},      {0x2011BAB0, "exfat"},
    {0x3153464A, "jfs"},      {0x52654973, "reiserfs"}, {0x00C36400, "ceph"},  {0x0BD00BD0, "lustre"},
    {0x47504653, "gpfs"},     {0x01161970, "gfs2"},     {0x7461636F, "ocfs2"},
};
#endif

#if defined(__APPLE__)
// The system's record locks belong to the process: a second open in the same process would get the same lock, and
// closing *any* descriptor of the file would drop it. So this process keeps its own list of what it has locked, and
// a close that would drop somebody's lock is put off until the owner closes.
class ProcessLocks {
 public:
  bool take(std::pair<uint64_t, uint64_t> inode, int fd) {
    std::lock_guard<std::mutex> hold(mutex_);
    return holders_.try_emplace(inode, Holder{fd, {}}).second;
  }
  void drop(std::pair<uint64_t, uint64_t> inode) {
    std::lock_guard<std::mutex> hold(mutex_);
    holders_.erase(inode);
  }
  bool holds(std::pair<uint64_t, uint64_t> inode, int fd) {
    std::lock_guard<std::mutex> hold(mutex_);
    const auto found = holders_.find(inode);
    return found != holders_.end() && found->second.fd != fd;
  }
  // Closes fd now, or keeps it until the holder of its file closes.
  int close(int fd) {
    std::lock_guard<std::mutex> hold(mutex_);
    if (holders_.empty()) return answer(::close(fd));
    struct stat found;
    if (::fstat(fd, &found) != 0) return answer(::close(fd));
    const auto holder = holders_.find({found.st_dev, found.st_ino});
    if (holder == holders_.end()) return answer(::close(fd));
    if (holder->second.fd != fd) {
      holder->second.postponed.push_back(fd);
      return 0;
    }
    for (int other : holder->second.postponed) ::close(other);
    holders_.erase(holder);
    return answer(::close(fd));
  }

 private:
  struct Holder {
    int fd;
    std::vector<int> postponed;
  };
  std::mutex mutex_;
  std::map<std::pair<uint64_t, uint64_t>, Holder> holders_;  // by device and inode
};

ProcessLocks& process_locks() {
  static ProcessLocks* locks = new ProcessLocks;  // lives for ever: closes may come from static destructors
  return *locks;
}
#endif

struct flock whole_file_lock() {
  struct flock request = {};
  request.l_type = F_WRLCK;
  request.l_whence = SEEK_SET;  // start 0, length 0: all of it, as Java's FileChannel.lock() takes it
  return request;
}

class RealKernel final : public Kernel {
 public:
  int open(const char* path, int flags, int mode) override {
    // O_NONBLOCK: opening a named pipe that lies where a file should be does not hang; on a file it means nothing.
    return answer(::open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode));
  }

  int close(int fd) override {
#if defined(__APPLE__)
    return process_locks().close(fd);
#else
    return answer(::close(fd));
#endif
  }

  int64_t pread(int fd, void* to, size_t length, uint64_t position) override {
    return answer_length(::pread(fd, to, length, static_cast<off_t>(position)));
  }

  int64_t pwrite(int fd, const void* from, size_t length, uint64_t position) override {
    return answer_length(::pwrite(fd, from, length, static_cast<off_t>(position)));
  }

  int ftruncate(int fd, uint64_t size) override { return answer(::ftruncate(fd, static_cast<off_t>(size))); }

  int allocate(int fd, uint64_t position, uint64_t length) override {
#if defined(__APPLE__)
    struct stat found;
    if (::fstat(fd, &found) != 0) return -errno;
    const off_t end = static_cast<off_t>(position + length);
    if (end <= found.st_size) return 0;
    fstore_t request = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, end - found.st_size, 0};
    if (::fcntl(fd, F_PREALLOCATE, &request) != 0) return -errno;
    return answer(::ftruncate(fd, end));
#else
    // Not posix_fallocate: it writes to every block of a file system that cannot allocate, over what is there.
    return answer(::fallocate(fd, 0, static_cast<off_t>(position), static_cast<off_t>(length)));
#endif
  }

  int fdatasync(int fd) override {
#if defined(__APPLE__)
    return fsync(fd);
#else
    return answer(::fdatasync(fd));
#endif
  }

  int fsync(int fd) override {
#if defined(__APPLE__)
    // fsync only hands the data to the drive. File systems without the full flush (network, FAT) get what there is.
    if (::fcntl(fd, F_FULLFSYNC) == 0) return 0;
    if (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY) return -errno;
#endif
    return answer(::fsync(fd));
  }

  int fstat(int fd, FileFacts* facts) override {
    struct stat found;
    if (::fstat(fd, &found) != 0) return -errno;
    facts_from(found, facts);
    return 0;
  }

  int stat(const char* path, FileFacts* facts) override {
    struct stat found;
    if (::stat(path, &found) != 0) return -errno;
    facts_from(found, facts);
    return 0;
  }

  int rename(const char* from, const char* to) override { return answer(::rename(from, to)); }
  int unlink(const char* path) override { return answer(::unlink(path)); }
  int link(const char* from, const char* to) override { return answer(::link(from, to)); }
  int mkdir(const char* path, int mode) override { return answer(::mkdir(path, static_cast<mode_t>(mode))); }
  int rmdir(const char* path) override { return answer(::rmdir(path)); }

  int list(const char* path, std::vector<FolderEntry>* entries) override {
    entries->clear();
    DIR* folder = ::opendir(path);
    if (folder == nullptr) return -errno;
    int result = 0;
    for (;;) {
      errno = 0;
      const struct dirent* entry = ::readdir(folder);
      if (entry == nullptr) {
        result = -errno;
        break;
      }
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      bool is_folder = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
        struct stat found;
        is_folder = ::fstatat(::dirfd(folder), entry->d_name, &found, 0) == 0 && S_ISDIR(found.st_mode);
      }
      entries->push_back(FolderEntry{entry->d_name, is_folder});
    }
    ::closedir(folder);
    return result;
  }

  int lock(int fd) override {
    struct flock request = whole_file_lock();
#if defined(F_OFD_SETLK)
    const int result = answer(::fcntl(fd, F_OFD_SETLK, &request));
    return result == -EACCES ? -EAGAIN : result;
#else
    struct stat found;
    if (::fstat(fd, &found) != 0) return -errno;
    if (!process_locks().take({found.st_dev, found.st_ino}, fd)) return -EAGAIN;
    const int result = answer(::fcntl(fd, F_SETLK, &request));
    if (result < 0) process_locks().drop({found.st_dev, found.st_ino});
    return result == -EACCES ? -EAGAIN : result;
#endif
  }

  int unlock(int fd) override {
    struct flock request = whole_file_lock();
    request.l_type = F_UNLCK;
#if defined(F_OFD_SETLK)
    return answer(::fcntl(fd, F_OFD_SETLK, &request));
#else
    struct stat found;
    if (::fstat(fd, &found) != 0) return -errno;
    if (process_locks().holds({found.st_dev, found.st_ino}, fd)) return 0;  // it is somebody else's
    const int result = answer(::fcntl(fd, F_SETLK, &request));
    process_locks().drop({found.st_dev, found.st_ino});
    return result;
#endif
  }

  int locked(int fd) override {
    struct flock request = whole_file_lock();
#if defined(F_OFD_GETLK)
    if (::fcntl(fd, F_OFD_GETLK, &request) != 0) return -errno;
#else
    struct stat found;
    if (::fstat(fd, &found) != 0) return -errno;
    if (process_locks().holds({found.st_dev, found.st_ino}, fd)) return 1;
    if (::fcntl(fd, F_GETLK, &request) != 0) return -errno;
#endif
    return request.l_type == F_UNLCK ? 0 : 1;
  }

  int file_system(const char* path, std::string* name) override {
    struct statfs found;
    if (::statfs(path, &found) != 0) return -errno;
#if defined(__APPLE__)
    *name = found.f_fstypename;
#else
    *name = "unknown";
    const uint64_t magic = static_cast<uint32_t>(found.f_type);  // 32 bits; some machines extend the sign
    for (const FileSystemName& known : kFileSystemNames) {
      if (known.magic == magic) *name = known.name;
    }
#endif
    return 0;
  }

  uint64_t free_bytes(const char* path) override {
    struct statvfs found;
    if (::statvfs(path, &found) != 0) return kUnknownBytes;
    return static_cast<uint64_t>(found.f_bavail) * found.f_frsize;
  }

  int map(int fd, uint64_t position, size_t length, bool writable, bool shared, void** address) override {
    int flags = shared ? MAP_SHARED : MAP_PRIVATE;
#if defined(MAP_NORESERVE)
    if (!shared) flags |= MAP_NORESERVE;  // else every window of a view counts as memory in use
#endif
    void* mapped =
        ::mmap(nullptr, length, PROT_READ | (writable ? PROT_WRITE : 0), flags, fd, static_cast<off_t>(position));
    if (mapped == MAP_FAILED) return -errno;
    *address = mapped;
    return 0;
  }

  int unmap(void* address, size_t length) override { return answer(::munmap(address, length)); }

  int advise(void* address, size_t length, Advice advice) override {
    switch (advice) {
      case Advice::kPopulateRead:
      case Advice::kPopulateWrite: {
        const bool write = advice == Advice::kPopulateWrite;
#if defined(__linux__)
        if (has_populate()) {
          const int result = answer(::madvise(address, length, write ? kMadvPopulateWrite : kMadvPopulateRead));
          return result == -EHWPOISON ? -EFAULT : result;
        }
#endif
        return touch_pages(address, length, write);
      }
      case Advice::kDropCache:
        return answer(::madvise(address, length, MADV_DONTNEED));
      case Advice::kSequential:
        return answer(::madvise(address, length, MADV_SEQUENTIAL));
    }
    return -EINVAL;
  }

  int msync(void* address, size_t length) override { return answer(::msync(address, length, MS_SYNC)); }

  int drop_cache(int fd, uint64_t position, uint64_t length) override {
#if defined(POSIX_FADV_DONTNEED)
    // This one answers the error number itself.
    return -::posix_fadvise(fd, static_cast<off_t>(position), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
#else
    (void)fd, (void)position, (void)length;
    return 0;
#endif
  }

  int store(void* to, const void* from, size_t length) override {
    BusGuard guard(to, length);
    std::memcpy(to, from, length);
    return guard.faulted() ? -EFAULT : 0;
  }

  int load(void* to, const void* from, size_t length) override {
    BusGuard guard(from, length);
    std::memcpy(to, from, length);
    return guard.faulted() ? -EFAULT : 0;
  }

  int store_release(void* to, uint32_t value) override {
    BusGuard guard(to, sizeof value);
    release(to, value);
    return guard.faulted() ? -EFAULT : 0;
  }

  int store_and_release(void* to, const void* from, size_t length, void* field, uint32_t value) override {
    BusGuard guard(to, length);
    std::memcpy(to, from, length);
    if (guard.faulted()) [[unlikely]]
      return -EFAULT;
    release(field, value);
    return guard.faulted() ? -EFAULT : 0;
  }

 private:
  static void release(void* to, uint32_t value) {
    if (reinterpret_cast<uintptr_t>(to) % alignof(uint32_t) == 0) {
      __atomic_store_n(static_cast<uint32_t*>(to), value, __ATOMIC_RELEASE);
    } else {
      // One plain store on the machines we know. Readers never depend on it being whole: they stay below the published
      // end, and recovery checks the batch.
#if !defined(__SANITIZE_THREAD__)  // which does not know fences
      std::atomic_thread_fence(std::memory_order_release);
#endif
      std::memcpy(to, &value, sizeof value);
    }
  }
};

}  // namespace

Kernel& real_kernel() {
  static RealKernel* kernel = new RealKernel;  // never freed: helper threads may outlive static destructors
  return *kernel;
}

}  // namespace varve
