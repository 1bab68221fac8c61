// File: one open file on a Kernel.
//
// The layer that makes raw system calls usable: EINTR is retried, short transfers are continued, and a failure carries
// the path, the position and the call. It knows nothing of what is in the file, keeps no position of its own, and
// never flushes by itself.
//
// Lifecycle: a default File is closed; open() makes it usable; close(), or the destructor, ends it. Move only.
// Owner: whoever holds the object owns the descriptor. The Kernel must outlive it.
// Threads: reading, writing and flushing may be called from any number of threads at once. open, close, renamed and
// moving need the object for themselves.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "file/kernel.h"

namespace varve {

class File {
 public:
  File() = default;
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  // `flags` as for open(2): O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC. New files get mode 0644 less the umask.
  static Status open(Kernel& kernel, std::string path, int flags, File* file);

  // Fills `to` from `position` on; `*got` is less than `length` only where the file ends.
  Status read_at(uint64_t position, void* to, size_t length, size_t* got) const;
  // Writes all of it, or fails; after a failure any part of the range may have been written.
  Status write_at(uint64_t position, const void* from, size_t length) const;
  // Everything written before is on disk when this succeeds, with as much of the inode as reading it back needs.
  // After a failure the state of the file on disk is unknown, and stays unknown whatever a later call answers. Never
  // kNoSpace.
  Status sync() const;
  // The same and the rest of the inode; also the way to flush a folder opened with O_RDONLY.
  Status sync_all() const;
  // Real blocks for [position, position + length); the size grows to cover them, new bytes read as zero.
  Status allocate(uint64_t position, uint64_t length) const;
  // Sets the size. Below an end that was ever published this breaks other readers: see HOUSE D3.
  Status truncate(uint64_t size) const;
  Status size(uint64_t* size) const;
  Status facts(FileFacts* facts) const;
  // Asks the system to forget clean cached pages of the range. A hint: answers success where there is no such thing.
  Status drop_cache(uint64_t position, uint64_t length) const;
  // Closes; a second call is success. The descriptor is gone even when this fails.
  Status close();

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  Kernel& kernel() const { return *kernel_; }
  // The file was renamed: only the path in later failures changes.
  void renamed(std::string path) { path_ = std::move(path); }

 private:
  Kernel* kernel_ = nullptr;  // not owned
  int fd_ = -1;
  std::string path_;
};

}  // namespace varve
