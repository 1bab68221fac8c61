// OffsetIndex: from an offset to the start of a batch near it. Format and rule: format/offset_index.h.
//
// Threads: as IndexFile. Offsets here are relative to the segment's base offset.
#pragma once

#include <cstdint>
#include <string>

#include "segment/index_file.h"

namespace varve {

struct OffsetEntry {
  int64_t relative_last_offset;  // of the batch
  uint64_t position;             // where that batch starts
};

class OffsetIndex {
 public:
  OffsetIndex(Kernel& kernel, std::string path, uint64_t max_bytes, bool fresh);

  // Loads the file, up to the first entry that does not rise (damage, or a tail of zeros).
  Status load();
  // The caller keeps both rising.
  void add(OffsetEntry entry);
  // The last entry at or below the offset and below the position.
  bool floor(int64_t relative_offset, uint64_t below_position, OffsetEntry* entry) const;
  // Drops the entries at or past the position.
  void cut_from(uint64_t position);
  bool full() const { return file_.count() >= max_entries_; }

  IndexFile& file() { return file_; }
  const IndexFile& file() const { return file_; }

 private:
  IndexFile file_;
  size_t max_entries_;
};

}  // namespace varve
