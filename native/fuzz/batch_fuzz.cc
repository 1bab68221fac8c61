// Any bytes as the input of an append, and as the contents of a log file that is scanned, read and recovered.
//
// What must hold, besides memory safety: an append takes all or nothing; what a scan calls good, read() delivers; and
// what was recovered and appended to is good as a whole.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "file/memory_kernel.h"
#include "segment/segment.h"

namespace {

using namespace varve;

std::shared_ptr<Segment> open(Kernel& kernel, SegmentMode mode, SegmentBackend backend, int64_t base_offset) {
  std::shared_ptr<Segment> segment;
  const Status status = Segment::open(kernel,
                                      {.folder = "/log",
                                       .base_offset = base_offset,
                                       .mode = mode,
                                       .backend = backend,
                                       .segment_bytes = 1 << 20,
                                       .index_interval_bytes = 64,
                                       .pretouch_on_thread = false},
                                      &segment);
  check(status.ok(), "a segment opens");
  return segment;
}

ScanResult scan(Segment& segment, uint32_t flags) {
  std::vector<ScanRow> rows(64);
  ScanRequest request{.flags = flags};
  ScanResult result;
  do {
    check(segment.scan(request, rows, &result).ok(), "damage is an answer of a scan, not a failure");
    request.position = result.position;
    request.expected_offset = result.next_offset;
  } while (result.stop == ScanStop::kRowsFull);
  return result;
}

void read_all(Segment& segment, uint64_t end, int64_t next_offset) {
  std::vector<uint8_t> into(4096);
  ReadRequest request{.end_position = end};
  while (request.offset < next_offset) {
    ReadResult result;
    const Status status = segment.read(request, into, &result);
    if (status.code == Code::kBufferTooSmall) {
      into.resize(result.needed_bytes);
      continue;
    }
    check(status.ok() && result.bytes > 0, "what a scan called good can be read");
    request.offset = result.next_offset;
    request.position_hint = result.next_position;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 65536) return 0;
  const uint8_t flags = data[0];
  const SegmentBackend backend = (data[1] & 1) != 0 ? SegmentBackend::kMapped : SegmentBackend::kPwrite;
  const std::span<const uint8_t> bytes(data + 2, size - 2);
  MemoryKernel kernel;
  check(kernel.mkdir("/log", 0755) == 0, "mkdir");

  {
    auto segment = open(kernel, SegmentMode::kCreate, backend, 0);
    AppendResult result;
    const AppendRequest request{
        .fragments = {&bytes, 1}, .flags = flags & 7u, .append_timestamp = (flags & 8) != 0 ? 1000 : -1};
    const Status status = segment->append(request, &result);
    check(segment->end_position() == (status.ok() ? bytes.size() : 0), "all or nothing");
    const ScanResult found = scan(*segment, kScanAllowGaps);
    check(found.position == segment->end_position(), "what was appended is good");
    read_all(*segment, kNoPosition, found.next_offset);
    TimestampResult time;
    check(segment->locate_timestamp(500, kNoPosition, &time).ok(), "a time can be looked for");
    check(segment->seal().ok(), "seal");
  }
  {
    File file;
    check(File::open(kernel, "/log/00000000000000000000.log", O_RDWR | O_TRUNC, &file).ok(), "open");
    check(file.write_at(0, bytes.data(), bytes.size()).ok(), "write");
  }
  auto segment = open(kernel, SegmentMode::kWrite, backend, 0);
  const ScanResult found = scan(*segment, kScanRebuildIndexes | (flags & 6u));
  read_all(*segment, found.position, found.next_offset);
  check(segment->set_end(found.position, found.next_offset).ok(), "the end can be set where a scan stopped");
  AppendResult result;
  std::span<const uint8_t> again = bytes;
  (void)segment->append({.fragments = {&again, 1}, .base_offset = segment->next_offset(), .flags = kAppendSetCrc},
                        &result);
  check(scan(*segment, kScanAllowGaps).position == segment->end_position(), "good as a whole");
  return 0;
}
