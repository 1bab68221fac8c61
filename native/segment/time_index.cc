#include "segment/time_index.h"

#include <algorithm>
#include <utility>

#include "base/byte_order.h"
#include "format/time_index.h"

namespace varve {

namespace {

TimeEntry entry_at(const uint8_t* entries, size_t at) {
  const uint8_t* bytes = entries + at * time_index::kEntryBytes;
  return {static_cast<int64_t>(load_be64(bytes + time_index::kTimestampAt)),
          static_cast<int64_t>(load_be32(bytes + time_index::kRelativeOffsetAt))};
}

}  // namespace

TimeIndex::TimeIndex(Kernel& kernel, std::string path, uint64_t max_bytes, bool fresh)
    : file_(kernel, std::move(path), time_index::kEntryBytes, max_bytes, fresh),
      max_entries_(std::max<uint64_t>(2, max_bytes / time_index::kEntryBytes)) {}

Status TimeIndex::load() {
  VARVE_RETURN_IF_FAILED(file_.load());
  const size_t rising = file_.with_entries([](const uint8_t* entries, size_t count) {
    TimeEntry last{-1, -1};
    for (size_t at = 0; at < count; ++at) {
      const TimeEntry entry = entry_at(entries, at);
      if (entry.timestamp <= last.timestamp || entry.relative_last_offset <= last.relative_last_offset) return at;
      last = entry;
    }
    return count;
  });
  file_.cut(rising);
  return Status::success();
}

void TimeIndex::add_if_greater(TimeEntry entry) {
  TimeEntry before{-1, -1};
  last(&before);
  if (entry.timestamp <= before.timestamp || file_.count() >= max_entries_) return;
  uint8_t bytes[time_index::kEntryBytes];
  store_be64(bytes + time_index::kTimestampAt, static_cast<uint64_t>(entry.timestamp));
  store_be32(bytes + time_index::kRelativeOffsetAt, static_cast<uint32_t>(entry.relative_last_offset));
  file_.add(bytes);
}

bool TimeIndex::below(int64_t timestamp, TimeEntry* entry) const {
  return file_.with_entries([&](const uint8_t* entries, size_t count) {
    const size_t candidates = count_while(
        count, [&](size_t at) { return entry_at(entries, at); },
        [&](const TimeEntry& at) { return at.timestamp < timestamp; });
    if (candidates > 0) *entry = entry_at(entries, candidates - 1);
    return candidates > 0;
  });
}

bool TimeIndex::last(TimeEntry* entry) const {
  return file_.with_entries([&](const uint8_t* entries, size_t count) {
    if (count > 0) *entry = entry_at(entries, count - 1);
    return count > 0;
  });
}

void TimeIndex::cut_from(int64_t relative_offset) {
  file_.cut(file_.with_entries([&](const uint8_t* entries, size_t count) {
    return count_while(
        count, [&](size_t at) { return entry_at(entries, at); },
        [&](const TimeEntry& at) { return at.relative_last_offset < relative_offset; });
  }));
}

}  // namespace varve
