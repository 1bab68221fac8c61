// Batch checks: is this a record batch, and are its bytes what they claim to be?
//
// Pure functions over bytes in memory that nobody changes meanwhile (callers check their own copy). Whatever the bytes
// are, nothing outside the given range is read. Field positions and validity rules: format/record_batch.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/byte_order.h"
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

BatchHeader parse_batch_header(const uint8_t* bytes);

// The rules that need only the header: length at least 49, magic 2, no reserved attribute bits, a known codec, last
// offset delta and record count not negative, count at most delta + 1, offsets inside [0, 2^63 - 2].
bool plausible(const BatchHeader& header);

// Does the CRC in the header match the bytes? `batch` is the whole batch.
bool crc_matches(std::span<const uint8_t> batch, const BatchHeader& header);
uint32_t compute_batch_crc(std::span<const uint8_t> batch);

// Walks the records of an uncompressed batch: varints, lengths and the count must fit exactly. Offset deltas must count
// 0, 1, 2 ... (`dense`), or at least rise and stay at or below the last offset delta (compacted batches).
bool records_fit(std::span<const uint8_t> batch, const BatchHeader& header, bool dense);

}  // namespace varve
