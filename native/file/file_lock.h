// FileLock: the writer's lock of a store or log folder, held by one open file.
//
// The lock is owned by the open file description (F_OFD_SETLK on Linux), so it falls with the process however that
// ends, is not lost when somebody else in the process closes the same file, conflicts with a second open in the same
// process, and is respected by Java's FileChannel.lock (Kafka). The file is never removed: two openers could each
// lock an inode of their own. For the same reason the inode is compared with the path's after locking.
// What the holder wrote into the file (its note) is for humans: a refusal names the holder with it.
//
// Lifecycle: acquire() fills it, release() or the destructor frees it. Move only. Threads: one at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"
#include "file/file.h"
#include "file/kernel.h"

namespace varve {

class FileLock {
 public:
  // A note is one short text; more is a caller's mistake and is cut.
  static constexpr size_t kMaxNoteBytes = 1024;

  FileLock() = default;
  ~FileLock() { (void)release(); }
  FileLock(FileLock&&) = default;
  FileLock& operator=(FileLock&&) = delete;

  // Makes the file if it is missing, takes the lock without waiting, and writes `note`. When somebody else holds it:
  // kLocked, and `*holder_note` is what the holder wrote ("" when it has not yet). A note that finds the disk full is
  // left out; the lock counts all the same.
  static Status acquire(Kernel& kernel, const std::string& path, std::string_view note, FileLock* lock,
                        std::string* holder_note);
  // Whether somebody else holds the lock just now, without touching it. A file that does not exist is not held.
  static Status held(Kernel& kernel, const std::string& path, bool* held);

  // The note stays in the file, as the trace of the last holder. A second call is success.
  Status release();
  bool is_held() const { return file_.is_open(); }

 private:
  File file_;
};

}  // namespace varve
