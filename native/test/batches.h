// Batches for tests: built by hand, so that tests do not depend on what they test.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "base/crc32c.h"
#include "format/record_batch.h"

namespace varve::test {

using Bytes = std::vector<uint8_t>;

inline void put_varint(Bytes& to, int64_t value) {
  uint64_t raw = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; raw >= 0x80; raw >>= 7) to.push_back(static_cast<uint8_t>(raw) | 0x80);
  to.push_back(static_cast<uint8_t>(raw));
}

inline Bytes make_record(int64_t timestamp_delta, int64_t offset_delta, const std::string& value, int headers = 0) {
  Bytes body{0};
  put_varint(body, timestamp_delta);
  put_varint(body, offset_delta);
  put_varint(body, -1);  // no key
  put_varint(body, static_cast<int64_t>(value.size()));
  body.insert(body.end(), value.begin(), value.end());
  put_varint(body, headers);
  for (int i = 0; i < headers; ++i) {
    put_varint(body, 1);
    body.push_back('h');
    put_varint(body, -1);
  }
  Bytes record;
  put_varint(record, static_cast<int64_t>(body.size()));
  record.insert(record.end(), body.begin(), body.end());
  return record;
}

struct BatchSpec {
  int64_t base_offset = 0;
  int32_t leader_epoch = 0;
  uint16_t attributes = 0;
  int32_t records = 1;
  int32_t last_offset_delta = -1;  // -1: records - 1
  int64_t base_timestamp = 1000;
  int64_t max_timestamp = 1000;
  size_t value_bytes = 20;
  char fill = 'v';
};

inline void seal_batch(std::span<uint8_t> batch) {
  using namespace record_batch;
  store_be32(batch.data() + kLengthAt, static_cast<uint32_t>(batch.size() - kLengthOverhead));
  store_be32(batch.data() + kCrcAt, crc32c(batch.data() + kAttributesAt, batch.size() - kAttributesAt));
}

inline Bytes make_batch(const BatchSpec& spec) {
  using namespace record_batch;
  Bytes batch(kHeaderBytes);
  for (int32_t i = 0; i < spec.records; ++i) {
    const Bytes record = make_record(0, i, std::string(spec.value_bytes, spec.fill), i % 3);
    batch.insert(batch.end(), record.begin(), record.end());
  }
  uint8_t* at = batch.data();
  store_be64(at + kBaseOffsetAt, static_cast<uint64_t>(spec.base_offset));
  store_be32(at + kLeaderEpochAt, static_cast<uint32_t>(spec.leader_epoch));
  at[kMagicAt] = kMagic;
  store_be16(at + kAttributesAt, spec.attributes);
  const int32_t delta = spec.last_offset_delta < 0 ? spec.records - 1 : spec.last_offset_delta;
  store_be32(at + kLastOffsetDeltaAt, static_cast<uint32_t>(delta));
  store_be64(at + kBaseTimestampAt, static_cast<uint64_t>(spec.base_timestamp));
  store_be64(at + kMaxTimestampAt, static_cast<uint64_t>(spec.max_timestamp));
  store_be64(at + kProducerIdAt, ~uint64_t{0});
  store_be16(at + kProducerEpochAt, 0xffff);
  store_be32(at + kBaseSequenceAt, 0xffffffff);
  store_be32(at + kRecordCountAt, static_cast<uint32_t>(spec.records));
  seal_batch(batch);
  return batch;
}

}  // namespace varve::test
