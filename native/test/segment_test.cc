// The segment on the operating system's own files, both backends.
#include "segment/segment.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "file/small_files.h"
#include "test/batches.h"

namespace varve {
namespace {

using test::BatchSpec;
using test::Bytes;
using test::make_batch;

class SegmentTest : public testing::TestWithParam<SegmentBackend> {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "varve-segment-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  SegmentOptions options(SegmentMode mode, int64_t base_offset = 0) {
    return SegmentOptions{
        .folder = folder_, .base_offset = base_offset, .mode = mode, .backend = GetParam(), .segment_bytes = 1 << 20};
  }
  std::shared_ptr<Segment> open(const SegmentOptions& options) {
    std::shared_ptr<Segment> segment;
    const Status status = Segment::open(real_kernel(), options, &segment);
    EXPECT_TRUE(status.ok()) << status.call << " " << status.path << " " << status.error_number;
    return segment;
  }
  Status append(Segment& segment, const Bytes& bytes, AppendResult* result, AppendRequest request = {}) {
    const std::span<const uint8_t> fragment(bytes);
    request.fragments = {&fragment, 1};
    request.base_offset = segment.next_offset();
    return segment.append(request, result);
  }
  AppendResult must_append(Segment& segment, const Bytes& bytes, AppendRequest request = {}) {
    AppendResult result;
    const Status status = append(segment, bytes, &result, request);
    EXPECT_TRUE(status.ok()) << status.call << " " << status.error_number << " at " << status.position;
    return result;
  }
  Bytes file(const std::string& name) {
    Bytes bytes;
    EXPECT_TRUE(read_whole(real_kernel(), folder_ + "/" + name, 1 << 30, &bytes).ok()) << name;
    return bytes;
  }
  Bytes log() { return file("00000000000000000000.log"); }
  void write_file(const std::string& name, const Bytes& bytes) {
    std::ofstream out(folder_ + "/" + name, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  std::string folder_;
};

INSTANTIATE_TEST_SUITE_P(Backends, SegmentTest, testing::Values(SegmentBackend::kMapped, SegmentBackend::kPwrite),
                         [](const auto& info) { return info.param == SegmentBackend::kMapped ? "mapped" : "pwrite"; });

TEST_P(SegmentTest, StampsOffsetAndEpochAndReadsBack) {
  auto segment = open(options(SegmentMode::kCreate));
  const Bytes batch = make_batch({.base_offset = 77, .records = 3, .max_timestamp = 1234});
  AppendResult first = must_append(*segment, batch, {.leader_epoch = 5});
  AppendResult second = must_append(*segment, batch, {.leader_epoch = 6});
  EXPECT_EQ(first.last_offset, 2);
  EXPECT_EQ(first.position, 0u);
  EXPECT_EQ(first.max_timestamp, 1234);
  EXPECT_EQ(first.max_timestamp_offset, 2);
  EXPECT_EQ(second.last_offset, 5);
  EXPECT_EQ(second.position, batch.size());
  EXPECT_EQ(segment->end_position(), 2 * batch.size());

  Bytes into(1000);
  ReadResult read;
  ASSERT_TRUE(segment->read({.offset = 1}, into, &read).ok());
  EXPECT_EQ(read.bytes, 2 * batch.size());
  EXPECT_EQ(read.batches, 2u);
  EXPECT_EQ(read.base_offset, 0);
  EXPECT_EQ(read.next_offset, 6);
  const BatchHeader header = parse_batch_header(into.data() + batch.size());
  EXPECT_EQ(header.base_offset, 3);
  EXPECT_EQ(header.leader_epoch, 6);
  // All but base offset and leader epoch are as they came.
  EXPECT_TRUE(std::equal(batch.begin() + 16, batch.end(), into.begin() + 16));

  ASSERT_TRUE(segment->read({.offset = 4}, into, &read).ok());
  EXPECT_EQ(read.base_offset, 3);
  EXPECT_EQ(read.batches, 1u);
  ASSERT_TRUE(segment->read({.offset = 6, .position_hint = read.next_position}, into, &read).ok());
  EXPECT_EQ(read.bytes, 0u);
}

TEST_P(SegmentTest, SealTrimsAllThreeFilesAndRefusesAppends) {
  auto segment = open(options(SegmentMode::kCreate));
  const Bytes batch = make_batch({.max_timestamp = 9});
  must_append(*segment, batch);
  ASSERT_TRUE(segment->seal().ok());
  EXPECT_EQ(log().size(), batch.size());
  EXPECT_EQ(file("00000000000000000000.index"), Bytes{});
  EXPECT_EQ(file("00000000000000000000.timeindex"), (Bytes{0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}));
  AppendResult result;
  EXPECT_EQ(append(*segment, batch, &result).code, Code::kReadOnly);
}

}  // namespace
}  // namespace varve
