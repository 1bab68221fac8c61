#include "segment/batch_check.h"

namespace varve {

namespace {

// Reads forward through a range that it never leaves. The first failure sticks.
class Cursor {
 public:
  Cursor(const uint8_t* at, const uint8_t* end) : at_(at), end_(end) {}

  bool ok() const { return ok_; }
  bool at_end() const { return at_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  // Zigzag varint of at most `kBits` bits; one that is longer than needed for them is refused.
  template <int kBits>
  int64_t varint() {
    uint64_t raw = 0;
    for (int shift = 0; shift < kBits; shift += 7) {
      if (at_ == end_) return fail();
      const uint8_t byte = *at_++;
      if (shift + 7 > kBits && (byte >> (kBits - shift)) != 0) return fail();
      raw |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
    }
    return fail();
  }

  void skip(size_t bytes) {
    if (bytes > left()) {
      fail();
    } else {
      at_ += bytes;
    }
  }

  // A length and as many bytes; -1 stands for null where that is allowed.
  void skip_bytes(bool nullable) {
    const int64_t length = varint<32>();
    if (length < (nullable ? -1 : 0)) {
      fail();
    } else if (length > 0) {
      skip(static_cast<size_t>(length));
    }
  }

  // A cursor over the next `bytes` bytes, which this one skips.
  Cursor take(size_t bytes) {
    const uint8_t* start = at_;
    skip(bytes);
    return ok_ ? Cursor(start, start + bytes) : Cursor(start, start);
  }

  int64_t fail() {
    ok_ = false;
    at_ = end_;
    return 0;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
};

constexpr int64_t kTimestampMax = (int64_t{1} << 53) - 1;

// One record's body, that is what follows its length. Answers its offset delta, or -1.
int64_t record_offset_delta(Cursor record, int64_t base_timestamp) {
  record.skip(1);                                       // attributes: unused so far, and ignored by Kafka too
  const int64_t timestamp_delta = record.varint<64>();  // negative ones are legal
  int64_t timestamp = 0;
  if (__builtin_add_overflow(base_timestamp, timestamp_delta, &timestamp)) return -1;
  if (timestamp < -kTimestampMax || timestamp > kTimestampMax) return -1;
  const int64_t offset_delta = record.varint<32>();
  record.skip_bytes(true);  // key
  record.skip_bytes(true);  // value
  const int64_t headers = record.varint<32>();
  // A header takes two bytes or more, so a lying count ends at the end of the record.
  for (int64_t i = 0; i < headers && record.ok(); ++i) {
    record.skip_bytes(false);
    record.skip_bytes(true);
  }
  if (headers < 0 || !record.ok() || !record.at_end()) return -1;
  return offset_delta;
}

}  // namespace

bool records_fit(std::span<const uint8_t> batch, const BatchHeader& header, bool dense) {
  Cursor cursor(batch.data() + record_batch::kHeaderBytes, batch.data() + batch.size());
  int64_t last_delta = -1;
  for (int32_t i = 0; i < header.record_count; ++i) {
    const int64_t length = cursor.varint<32>();
    if (length < 0 || !cursor.ok()) return false;
    Cursor record = cursor.take(static_cast<size_t>(length));
    if (!cursor.ok()) return false;
    const int64_t delta = record_offset_delta(record, header.base_timestamp);
    if (delta <= last_delta || delta > header.last_offset_delta || (dense && delta != i)) return false;
    last_delta = delta;
  }
  return cursor.at_end();
}

}  // namespace varve
