// Any bytes as the two index files of a good log: every lookup answers what a walk from the start answers.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/byte_order.h"
#include "base/check.h"
#include "file/memory_kernel.h"
#include "format/record_batch.h"
#include "segment/segment.h"

namespace {

using namespace varve;

constexpr int kBatches = 40;

SegmentOptions options(SegmentMode mode) {
  return {.folder = "/log",
          .mode = mode,
          .backend = SegmentBackend::kPwrite,
          .segment_bytes = 1 << 20,
          .index_interval_bytes = 150,
          .pretouch_on_thread = false};
}

// One record's worth of bytes that nobody looks into; append() sets offset, epoch and CRC.
std::vector<uint8_t> make_batch(int64_t max_timestamp) {
  using namespace record_batch;
  std::vector<uint8_t> batch(kHeaderBytes + 12);
  store_be32(batch.data() + kLengthAt, static_cast<uint32_t>(batch.size() - kLengthOverhead));
  batch[kMagicAt] = kMagic;
  store_be64(batch.data() + kMaxTimestampAt, static_cast<uint64_t>(max_timestamp));
  store_be32(batch.data() + kRecordCountAt, 1);
  return batch;
}

void write_file(Kernel& kernel, const char* path, const uint8_t* bytes, size_t size) {
  File file;
  check(File::open(kernel, path, O_RDWR | O_CREAT | O_TRUNC, &file).ok(), "open");
  check(file.write_at(0, bytes, size).ok(), "write");
}

std::shared_ptr<Segment> open(Kernel& kernel, SegmentMode mode) {
  std::shared_ptr<Segment> segment;
  check(Segment::open(kernel, options(mode), &segment).ok(), "a segment opens");
  return segment;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 4096) return 0;
  MemoryKernel kernel;
  check(kernel.mkdir("/log", 0755) == 0, "mkdir");
  std::vector<uint64_t> positions;
  {
    auto segment = open(kernel, SegmentMode::kCreate);
    for (int i = 0; i < kBatches; ++i) {
      std::vector<uint8_t> batch = make_batch(1000 + i / 3 * 3);
      AppendResult result;
      check(segment->append({.scratch = batch, .base_offset = i, .flags = kAppendSetCrc}, &result).ok(), "append");
      positions.push_back(result.position);
    }
    check(segment->seal().ok(), "seal");
  }
  const size_t index_bytes = (size - 1) * data[0] / 255;
  write_file(kernel, "/log/00000000000000000000.index", data + 1, index_bytes);
  write_file(kernel, "/log/00000000000000000000.timeindex", data + 1 + index_bytes, size - 1 - index_bytes);

  auto reader = open(kernel, SegmentMode::kRead);
  std::vector<uint8_t> into(256);
  for (int i = 0; i < kBatches; i += 3) {
    ReadResult read;
    check(reader->read({.offset = i, .contiguous = true}, into, &read).ok(), "read");
    check(read.position == positions[static_cast<size_t>(i)], "the offset is where it is");
    TimestampResult time;
    check(reader->locate_timestamp(999 + i, kNoPosition, &time).ok() && time.found, "a time is found");
    check(time.position == positions[static_cast<size_t>(i == 0 ? 0 : (i - 1 + 2) / 3 * 3)], "the time is where it is");
  }
  // Opened for writing, both are judged, and made anew where they lie.
  auto writer = open(kernel, SegmentMode::kWrite);
  SegmentStats stats;
  check(reader->stats(&stats).ok(), "stats");
  check(writer->set_end(stats.file_size, kBatches).ok(), "set end");
  check(writer->stats(&stats).ok() && stats.max_timestamp == 1039 && stats.max_timestamp_offset == 39, "maximum");
  check(writer->seal().ok(), "seal");
  return 0;
}
