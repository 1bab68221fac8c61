// IndexFile: the entries of one index, in memory, and the file that they are written to now and then.
//
// Only fixed-size entries and their storage; what they mean is for OffsetIndex and TimeIndex. The file is never mapped
// and no descriptor is kept: it is opened, written with plain writes and closed again, at a flush of the indexes and at
// the seal. What is in the file is a prefix of what is in memory, or stale; everything in it can be rebuilt.
//
// Threads: the owner adds, cuts and looks up; a flusher thread writes at the same time. One lock, held only to copy
// entries, never during a system call. Two write() at once are the caller's to prevent.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "file/kernel.h"

namespace varve {

// How many entries from the start satisfy `keep`, which must hold for a prefix of them. `entry_at(i)` decodes one.
template <typename EntryAt, typename Keep>
size_t count_while(size_t count, EntryAt&& entry_at, Keep&& keep) {
  size_t low = 0;
  while (low < count) {
    const size_t middle = low + (count - low) / 2;
    if (keep(entry_at(middle))) {
      low = middle + 1;
    } else {
      count = middle;
    }
  }
  return low;
}

class IndexFile {
 public:
  // `fresh`: a new segment; whatever stands in a file of that name is not ours.
  IndexFile(Kernel& kernel, std::string path, size_t entry_bytes, uint64_t max_bytes, bool fresh);

  // Replaces what is in memory by the file's whole entries; no file is no entries. At most `max_bytes` are read.
  Status load();

  // Keeps the first `count` entries.
  void cut(size_t count);
  void add(const uint8_t* entry);
  size_t count() const { return count_.load(std::memory_order_relaxed); }  // no lock: asked for by every append
  // Runs use(const uint8_t* entries, size_t count) under the lock.
  template <typename Use>
  auto with_entries(Use&& use) const {
    std::lock_guard lock(mutex_);
    return use(entries_.data(), entries_.size() / entry_bytes_);
  }

  // Makes the file hold exactly the entries in memory, flushed. `*created` = the folder needs a flush too. With
  // `always` the file is made even when there is no entry.
  Status write(bool always, bool* created);

  const std::string& path() const { return path_; }

 private:
  Kernel& kernel_;
  const std::string path_;
  const size_t entry_bytes_;
  const uint64_t max_bytes_;

  mutable std::mutex mutex_;
  std::vector<uint8_t> entries_;  // guarded by mutex_
  size_t written_bytes_ = 0;      // guarded by mutex_; so many bytes of entries_ are on disk
  std::atomic<size_t> count_{0};  // of entries_; written under mutex_
  bool rewrite_ = false;          // guarded by mutex_; the file may hold more, or other, bytes than those
};

}  // namespace varve
