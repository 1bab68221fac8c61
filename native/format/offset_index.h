// The `.index` file: 8-byte entries in rising order, nothing else. No logic.
//
//   at  size  field
//    0    4   relative offset   *last* offset of a batch - segment base offset
//    4    4   position          *start* of that same batch in the log file
//
// Both big-endian, both strictly rising. The first batch never has an entry, so position 0 does not occur and an entry
// of zeros marks the preallocated tail that Kafka leaves behind when killed.
// Rule: a counter of bytes since the last entry, 0 when the segment is made or reopened. For each batch: if the counter
// is greater than `index.interval.bytes`, write an entry for this batch and set it to 0; then add the batch's size.
// Example, interval 4096, seven batches of 691 bytes from offset 0, ten records each: the counter is 4146 when the
// seventh comes (position 4146), so the first entry is (69, 4146).
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::offset_index {

constexpr size_t kRelativeOffsetAt = 0;
constexpr size_t kPositionAt = 4;
constexpr size_t kEntryBytes = 8;

static_assert(kPositionAt == kRelativeOffsetAt + sizeof(int32_t));
static_assert(kEntryBytes == kPositionAt + sizeof(int32_t));

// Relative offsets and positions are stored as int32.
constexpr int64_t kMaxRelativeOffset = INT32_MAX;
constexpr uint64_t kMaxPosition = INT32_MAX;

}  // namespace varve::offset_index
