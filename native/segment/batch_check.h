// Batch checks: is this a record batch, and are its bytes what they claim to be?
//
// Pure functions over bytes in memory that nobody changes meanwhile (callers check their own copy). Whatever the bytes
// are, nothing outside the given range is read. Field positions and validity rules: format/record_batch.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/byte_order.h"
#include "base/crc32c.h"
#include "format/record_batch.h"

namespace varve {

// The header's fields in the machine's order. Filled from any 61 bytes; says nothing about their validity.
struct BatchHeader {
  int64_t base_offset;
  uint32_t length;
  int32_t leader_epoch;
  uint8_t magic;
  uint32_t crc;
  uint16_t attributes;
  int32_t last_offset_delta;
  int64_t base_timestamp;
  int64_t max_timestamp;
  int64_t producer_id;
  int16_t producer_epoch;
  int32_t base_sequence;
  int32_t record_count;

  uint64_t size() const { return uint64_t{length} + record_batch::kLengthOverhead; }
  int64_t last_offset() const { return base_offset + last_offset_delta; }  // plausible() headers: no overflow
  int64_t next_offset() const { return last_offset() + 1; }
  uint16_t codec() const { return attributes & record_batch::kCodecMask; }
};

// Inline, as is plausible(): every append and every step of a walk runs it, and few of them look at all fields.
inline BatchHeader parse_batch_header(const uint8_t* bytes) {
  using namespace record_batch;
  return BatchHeader{
      .base_offset = static_cast<int64_t>(load_be64(bytes + kBaseOffsetAt)),
      .length = load_be32(bytes + kLengthAt),
      .leader_epoch = static_cast<int32_t>(load_be32(bytes + kLeaderEpochAt)),
      .magic = bytes[kMagicAt],
      .crc = load_be32(bytes + kCrcAt),
      .attributes = load_be16(bytes + kAttributesAt),
      .last_offset_delta = static_cast<int32_t>(load_be32(bytes + kLastOffsetDeltaAt)),
      .base_timestamp = static_cast<int64_t>(load_be64(bytes + kBaseTimestampAt)),
      .max_timestamp = static_cast<int64_t>(load_be64(bytes + kMaxTimestampAt)),
      .producer_id = static_cast<int64_t>(load_be64(bytes + kProducerIdAt)),
      .producer_epoch = static_cast<int16_t>(load_be16(bytes + kProducerEpochAt)),
      .base_sequence = static_cast<int32_t>(load_be32(bytes + kBaseSequenceAt)),
      .record_count = static_cast<int32_t>(load_be32(bytes + kRecordCountAt)),
  };
}

// The rules that need only the header: length at least 49, magic 2, a known codec, last offset delta and record count
// not negative, count at most delta + 1, offsets inside [0, 2^63 - 2]. Reserved attribute bits may be set: they lie
// under the CRC, and a batch of a newer Kafka that is stored is no damage. (No client may append one, see
// check_batches.)
inline bool plausible(const BatchHeader& header) {
  using namespace record_batch;
  return header.length >= kMinLength && header.length <= static_cast<uint32_t>(INT32_MAX) && header.magic == kMagic &&
         header.codec() <= kMaxCodec && header.last_offset_delta >= 0 && header.record_count >= 0 &&
         header.record_count - 1 <= header.last_offset_delta && header.base_offset >= 0 &&
         header.base_offset < std::numeric_limits<int64_t>::max() - header.last_offset_delta;
}

// Does the CRC in the header match the bytes? `batch` is the whole batch.
inline uint32_t compute_batch_crc(std::span<const uint8_t> batch) {
  return crc32c(batch.data() + record_batch::kAttributesAt, batch.size() - record_batch::kAttributesAt);
}
inline bool crc_matches(std::span<const uint8_t> batch, const BatchHeader& header) {
  return compute_batch_crc(batch) == header.crc;
}

// Walks the records of an uncompressed batch: varints, lengths and the count must fit exactly, and timestamps be safe
// integers of JavaScript (at most 2^53 - 1 away from 1970), or its readers could not deliver them. Offset deltas must
// count 0, 1, 2 ... (`dense`), or at least rise and stay at or below the last offset delta (compacted batches).
bool records_fit(std::span<const uint8_t> batch, const BatchHeader& header, bool dense);

}  // namespace varve
