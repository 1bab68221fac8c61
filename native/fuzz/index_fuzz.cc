// Any bytes as the two index files of a good log: every lookup answers what a walk from the start answers.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"
#include "file/memory_kernel.h"
#include "segment/segment.h"
#include "test/batches.h"

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
      const test::Bytes batch = test::make_batch({.max_timestamp = 1000 + i / 3 * 3});
      const std::span<const uint8_t> fragment(batch);
      AppendResult result;
      check(segment->append({.fragments = {&fragment, 1}, .base_offset = i}, &result).ok(), "append");
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
