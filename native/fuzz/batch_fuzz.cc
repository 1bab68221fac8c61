// Any bytes as the input of an append, and as the contents of a log file that is scanned, read and recovered.
//
// An input is two bytes of choices and then what should be batches. Random bytes nearly never have the right length and
// checksum, so a mutator of our own mends most of what libFuzzer makes: what lies behind those checks is reached too.
//
// What must hold, besides memory safety: an append takes all or nothing; what a scan calls good, read() delivers; and
// what was recovered and appended to is good as a whole.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_order.h"
#include "base/check.h"
#include "file/memory_kernel.h"
#include "format/record_batch.h"
#include "segment/batch_check.h"
#include "segment/segment.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace varve;

constexpr size_t kChoiceBytes = 2;

// Makes `bytes` a row of batches as good as `choice` wants them: bit by bit it leaves faults in place, so that every
// check still meets some. What follows the last whole batch stays as it is.
void mend(std::span<uint8_t> bytes, uint32_t choice) {
  using namespace record_batch;
  int64_t next_offset = 0;
  while (bytes.size() >= kHeaderBytes) {
    uint8_t* start = bytes.data();
    BatchHeader header = parse_batch_header(start);
    if (header.length < kMinLength || header.size() > bytes.size()) {
      if ((choice & 7) == 7) return;
      // Two batches of what is left, or one.
      const bool halve = (choice & 8) != 0 && bytes.size() >= 4 * kHeaderBytes;
      store_be32(start + kLengthAt, static_cast<uint32_t>((halve ? bytes.size() / 2 : bytes.size()) - kLengthOverhead));
    }
    start[kMagicAt] = kMagic;
    uint16_t attributes = header.attributes & static_cast<uint16_t>(~kReservedBits);
    if ((attributes & kCodecMask) > kMaxCodec || (choice & 16) != 0) attributes &= static_cast<uint16_t>(~kCodecMask);
    store_be16(start + kAttributesAt, attributes);
    if ((choice & 32) == 0) {
      const uint32_t delta = static_cast<uint32_t>(header.last_offset_delta) & 0xff;
      store_be32(start + kLastOffsetDeltaAt, delta);
      store_be32(start + kRecordCountAt, (choice & 64) != 0 ? delta / 2 : delta + 1);
    }
    if ((choice & 128) == 0 || header.base_offset < next_offset) {
      store_be64(start + kBaseOffsetAt, static_cast<uint64_t>(next_offset));
    }
    header = parse_batch_header(start);
    const std::span<uint8_t> batch = bytes.first(static_cast<size_t>(header.size()));
    store_be32(start + kCrcAt, compute_batch_crc(batch));
    if (plausible(header)) next_offset = header.next_offset();
    bytes = bytes.subspan(batch.size());
  }
}

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

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  // One in eight stays as broken as it came out.
  if (size > kChoiceBytes && (seed >> 8 & 7) != 0) mend({data + kChoiceBytes, size - kChoiceBytes}, seed);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kChoiceBytes || size > 65536) return 0;
  const uint8_t flags = data[0];
  const SegmentBackend backend = (data[1] & 1) != 0 ? SegmentBackend::kMapped : SegmentBackend::kPwrite;
  const std::span<const uint8_t> bytes(data + kChoiceBytes, size - kChoiceBytes);
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
