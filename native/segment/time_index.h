// TimeIndex: from a timestamp to a batch near it. Format and rule: format/time_index.h.
//
// Threads: as IndexFile. Offsets here are relative to the segment's base offset.
#pragma once

#include <cstdint>
#include <string>

#include "segment/index_file.h"

namespace varve {

struct TimeEntry {
  int64_t timestamp;             // largest max timestamp up to and including that batch
  int64_t relative_last_offset;  // of the first batch that had it
};

class TimeIndex {
 public:
  TimeIndex(Kernel& kernel, std::string path, uint64_t max_bytes, bool fresh);

  // Loads the file, up to the first entry that does not rise (damage, or a tail of zeros).
  Status load();
  // Adds the entry if its timestamp is greater than the last one's (or than -1, if there is none) and there is room.
  void add_if_greater(TimeEntry entry);
  // The last entry whose timestamp is below this one.
  bool below(int64_t timestamp, TimeEntry* entry) const;
  bool last(TimeEntry* entry) const;
  // Drops the entries for offsets at or past this one.
  void cut_from(int64_t relative_offset);
  // The last slot is kept for the entry at the seal.
  bool full() const { return file_.count() + 1 >= max_entries_; }

  IndexFile& file() { return file_; }
  const IndexFile& file() const { return file_; }

 private:
  IndexFile file_;
  size_t max_entries_;
};

}  // namespace varve
