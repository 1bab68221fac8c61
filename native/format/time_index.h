// The `.timeindex` file: 12-byte entries in rising order, nothing else. No logic.
//
//   at  size  field
//    0    8   timestamp         largest max timestamp (ms) of the segment so far
//    8    4   relative offset   last offset of the *first* batch that had it - segment base offset
//
// Both big-endian. Written together with each `.index` entry, after that batch is counted; and when the segment is
// sealed, closed or recovered; each time only if the timestamp is greater than the last entry's. So every sealed
// segment with a timestamp ends with its largest. The last slot of a full index is kept for the entry at the seal.
// Example: batches with max timestamps 10, 30, 20 and an index entry for the third: (30, last offset of the second).
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::time_index {

constexpr size_t kTimestampAt = 0;
constexpr size_t kRelativeOffsetAt = 8;
constexpr size_t kEntryBytes = 12;

static_assert(kRelativeOffsetAt == kTimestampAt + sizeof(int64_t));
static_assert(kEntryBytes == kRelativeOffsetAt + sizeof(int32_t));

}  // namespace varve::time_index
