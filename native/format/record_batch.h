// Record batch, format v2 (magic 2), as Apache Kafka writes it: byte positions within the batch. No logic.
//
// All integers are big-endian.
//
//   at   size  field
//    0     8   base offset            stamped by the engine; outside the CRC
//    8     4   length                 bytes after this field: batch size - 12; stored last by an append
//   12     4   leader epoch           stamped by the engine; outside the CRC
//   16     1   magic                  2
//   17     4   CRC-32C                of everything from `attributes` to the end of the batch
//   21     2   attributes             bits 0-2 codec, 3 append time, 4 transactional, 5 control, 6 delete horizon, rest
//   0 23     4   last offset delta      last offset - base offset; kept by compaction 27     8   base timestamp ms;
//   with bit 6 the delete horizon 35     8   max timestamp          ms 43     8   producer id            -1 = none 51
//   2   producer epoch         -1 = none 53     4   base sequence          -1 = none 57     4   record count 61     .
//   records                compressed as one block when codec != 0
//
// Uncompressed record: varint length (bytes after it), int8 attributes, varlong timestamp delta, varint offset delta,
// varint key length (-1 = null), key, varint value length (-1 = null), value, varint header count, headers; a header is
// varint key length, key, varint value length (-1 = null), value. Varints are zigzag.
//
// A batch is valid when its length is at least 49 and inside the file, magic is 2, the
// codec is known, the last offset delta is not negative, and the CRC matches. A length of 0 is not a batch: in the
// preallocated tail of an active segment it marks the end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::record_batch {

constexpr size_t kBaseOffsetAt = 0;
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerIdAt = 43;
constexpr size_t kProducerEpochAt = 51;
constexpr size_t kBaseSequenceAt = 53;
constexpr size_t kRecordCountAt = 57;
constexpr size_t kHeaderBytes = 61;

// Base offset and length: what comes before the bytes that `length` counts.
constexpr size_t kLengthOverhead = kLeaderEpochAt;
constexpr uint32_t kMinLength = kHeaderBytes - kLengthOverhead;
constexpr uint8_t kMagic = 2;

constexpr uint16_t kCodecMask = 0x07;
constexpr uint16_t kMaxCodec = 4;  // 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd
constexpr uint16_t kAppendTimeBit = 0x08;
constexpr uint16_t kTransactionalBit = 0x10;
constexpr uint16_t kControlBit = 0x20;
constexpr uint16_t kDeleteHorizonBit = 0x40;
constexpr uint16_t kReservedBits = 0xff80;

static_assert(kLengthAt == kBaseOffsetAt + 8);
static_assert(kLeaderEpochAt == kLengthAt + 4);
static_assert(kMagicAt == kLeaderEpochAt + 4);
static_assert(kCrcAt == kMagicAt + 1);
static_assert(kAttributesAt == kCrcAt + 4);
static_assert(kLastOffsetDeltaAt == kAttributesAt + 2);
static_assert(kBaseTimestampAt == kLastOffsetDeltaAt + 4);
static_assert(kMaxTimestampAt == kBaseTimestampAt + 8);
static_assert(kProducerIdAt == kMaxTimestampAt + 8);
static_assert(kProducerEpochAt == kProducerIdAt + 8);
static_assert(kBaseSequenceAt == kProducerEpochAt + 2);
static_assert(kRecordCountAt == kBaseSequenceAt + 4);
static_assert(kHeaderBytes == kRecordCountAt + 4);
static_assert(kMinLength == 49);

}  // namespace varve::record_batch
