#include "segment/offset_index.h"

#include <algorithm>
#include <utility>

#include "base/byte_order.h"
#include "format/offset_index.h"

namespace varve {

namespace {

OffsetEntry entry_at(const uint8_t* entries, size_t at) {
  const uint8_t* bytes = entries + at * offset_index::kEntryBytes;
  // As unsigned: a negative field in a damaged file becomes large and leads nowhere.
  return {load_be32(bytes + offset_index::kRelativeOffsetAt), load_be32(bytes + offset_index::kPositionAt)};
}

}  // namespace

OffsetIndex::OffsetIndex(Kernel& kernel, std::string path, uint64_t max_bytes, bool fresh)
    : file_(kernel, std::move(path), offset_index::kEntryBytes, max_bytes, fresh),
      max_entries_(std::max<uint64_t>(1, max_bytes / offset_index::kEntryBytes)) {}

Status OffsetIndex::load() {
  VARVE_RETURN_IF_FAILED(file_.load());
  const size_t rising = file_.with_entries([](const uint8_t* entries, size_t count) {
    OffsetEntry last{-1, 0};
    for (size_t at = 0; at < count; ++at) {
      const OffsetEntry entry = entry_at(entries, at);
      if (entry.relative_last_offset <= last.relative_last_offset || entry.position <= last.position) return at;
      last = entry;
    }
    return count;
  });
  file_.cut(rising);
  return Status::success();
}

void OffsetIndex::add(OffsetEntry entry) {
  uint8_t bytes[offset_index::kEntryBytes];
  store_be32(bytes + offset_index::kRelativeOffsetAt, static_cast<uint32_t>(entry.relative_last_offset));
  store_be32(bytes + offset_index::kPositionAt, static_cast<uint32_t>(entry.position));
  file_.add(bytes);
}

bool OffsetIndex::floor(int64_t relative_offset, uint64_t below_position, OffsetEntry* entry) const {
  return file_.with_entries([&](const uint8_t* entries, size_t count) {
    const size_t candidates = count_while(
        count, [&](size_t at) { return entry_at(entries, at); },
        [&](const OffsetEntry& at) {
          return at.relative_last_offset <= relative_offset && at.position < below_position;
        });
    if (candidates > 0) *entry = entry_at(entries, candidates - 1);
    return candidates > 0;
  });
}

void OffsetIndex::cut_from(uint64_t position) {
  file_.cut(file_.with_entries([&](const uint8_t* entries, size_t count) {
    return count_while(
        count, [&](size_t at) { return entry_at(entries, at); },
        [&](const OffsetEntry& at) { return at.position < position; });
  }));
}

}  // namespace varve
