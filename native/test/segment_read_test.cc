// Reading: the right batches from the right place, never damaged ones, whatever became of the indexes.
#include <gtest/gtest.h>

#include <random>

#include "segment/batch_check.h"
#include "test/segment_fixture.h"

namespace varve::test {
namespace {

// 120 batches of two records, timestamps with setbacks and repeats, an index entry about every third batch.
class SegmentReadTest : public SegmentTest {
 protected:
  static constexpr int kBatches = 120;

  void SetUp() override {
    SegmentTest::SetUp();
    SegmentOptions create = small(SegmentMode::kCreate);
    writer_ = open(create);
    std::mt19937 random(7);
    for (int i = 0; i < kBatches; ++i) {
      const int64_t timestamp = 1000 + i / 4 * 10 - (i % 5 == 0 ? 25 : 0);
      AppendResult result = must_append(
          *writer_, make_batch({.records = 2, .max_timestamp = timestamp, .value_bytes = 20 + random() % 60}));
      positions_.push_back(result.position);
      timestamps_.push_back(timestamp);
    }
    positions_.push_back(writer_->end_position());
  }

  SegmentOptions small(SegmentMode mode) {
    SegmentOptions options = SegmentTest::options(mode);
    options.index_interval_bytes = 300;
    return options;
  }
  std::shared_ptr<Segment> small_reader() { return open(small(SegmentMode::kRead)); }

  // Every offset is found where a full scan has it.
  void expect_all_offsets(Segment& segment, int64_t step = 1) {
    Bytes into(256);
    for (int64_t offset = 0; offset < 2 * kBatches; offset += step) {
      ReadResult read;
      ASSERT_TRUE(segment.read({.offset = offset, .contiguous = true}, into, &read).ok()) << offset;
      const size_t batch = static_cast<size_t>(offset / 2);
      ASSERT_EQ(read.position, positions_[batch]) << offset;
      ASSERT_EQ(read.base_offset, offset / 2 * 2) << offset;
    }
  }
  void expect_all_timestamps(Segment& segment, int64_t step = 1) {
    for (int64_t timestamp = 960; timestamp < 1330; timestamp += step) {
      TimestampResult found;
      EXPECT_OK(segment.locate_timestamp(timestamp, kNoPosition, &found));
      const auto first =
          std::find_if(timestamps_.begin(), timestamps_.end(), [&](int64_t t) { return t >= timestamp; });
      ASSERT_EQ(found.found, first != timestamps_.end()) << timestamp;
      if (!found.found) continue;
      const auto batch = static_cast<size_t>(first - timestamps_.begin());
      ASSERT_EQ(found.position, positions_[batch]) << timestamp;
      ASSERT_EQ(found.base_offset, static_cast<int64_t>(2 * batch));
      ASSERT_EQ(found.size, positions_[batch + 1] - positions_[batch]);
    }
  }

  std::shared_ptr<Segment> writer_;
  std::vector<uint64_t> positions_;
  std::vector<int64_t> timestamps_;
};
VARVE_SEGMENT_SETUPS(SegmentReadTest);

TEST_P(SegmentReadTest, FindsEveryOffsetAndTimestampInEveryMode) {
  expect_all_offsets(*writer_);
  expect_all_timestamps(*writer_);
  expect_all_offsets(*small_reader());  // no index file yet: walks
  EXPECT_OK(writer_->flush(true, false));
  expect_all_offsets(*small_reader());
  expect_all_timestamps(*small_reader());
  EXPECT_OK(writer_->seal());
  expect_all_offsets(*writer_);
  auto sealed = small_reader();
  expect_all_offsets(*sealed);
  expect_all_timestamps(*sealed);
  SegmentStats stats;
  EXPECT_OK(sealed->stats(&stats));
  EXPECT_FALSE(stats.index_damaged);
  EXPECT_GT(stats.index_entries, 20u);
  EXPECT_EQ(stats.max_timestamp, 1000 + 119 / 4 * 10);
  EXPECT_EQ(stats.max_timestamp_offset, 116 * 2 + 1);
  EXPECT_EQ(stats.first_max_timestamp, 975);
}

TEST_P(SegmentReadTest, ReadsOnFromWhereItStopped) {
  Bytes into(1000);
  ReadResult read;
  int64_t offset = 0;
  uint64_t hint = 0;
  uint32_t batches = 0;
  do {
    ASSERT_TRUE(writer_->read({.offset = offset, .position_hint = hint, .contiguous = true}, into, &read).ok());
    EXPECT_EQ(read.base_offset, offset);
    batches += read.batches;
    offset = read.next_offset;
    hint = read.next_position;
  } while (read.bytes > 0);
  EXPECT_EQ(batches, static_cast<uint32_t>(kBatches));
  EXPECT_EQ(offset, 2 * kBatches);
}

TEST_P(SegmentReadTest, AHintThatIsNoBatchStartIsIgnored) {
  Bytes into(256);
  ReadResult read;
  for (const uint64_t hint : {uint64_t{1}, uint64_t{60}, positions_[3] + 1, positions_[50], uint64_t{1} << 40}) {
    ASSERT_TRUE(writer_->read({.offset = 7, .position_hint = hint, .contiguous = true}, into, &read).ok()) << hint;
    EXPECT_EQ(read.position, positions_[3]) << hint;
  }
}

TEST_P(SegmentReadTest, StopsAtEachBound) {
  Bytes into(10000);
  ReadResult read;
  ASSERT_TRUE(writer_->read({.offset = 0, .max_bytes = 1}, into, &read).ok());
  EXPECT_EQ(read.batches, 1u);  // at least one
  ASSERT_TRUE(writer_->read({.offset = 0, .max_bytes = positions_[3]}, into, &read).ok());
  EXPECT_EQ(read.batches, 3u);
  ASSERT_TRUE(writer_->read({.offset = 0, .max_bytes = positions_[3] - 1}, into, &read).ok());
  EXPECT_EQ(read.batches, 2u);
  ASSERT_TRUE(writer_->read({.offset = 2, .end_position = positions_[3]}, into, &read).ok());
  EXPECT_EQ(read.batches, 2u);
  ASSERT_TRUE(writer_->read({.offset = 6, .end_position = positions_[3]}, into, &read).ok());
  EXPECT_EQ(read.bytes, 0u);
  ASSERT_TRUE(writer_->read({.offset = 0, .end_offset = 5}, into, &read).ok());
  EXPECT_EQ(read.batches, 3u);  // the batch of 4 begins before 5
  ASSERT_TRUE(writer_->read({.offset = 0, .end_offset = 0}, into, &read).ok());
  EXPECT_EQ(read.bytes, 0u);
}

TEST_P(SegmentReadTest, SaysWhatABufferMustHold) {
  Bytes into(70);
  ReadResult read;
  EXPECT_EQ(writer_->read({.offset = 8}, into, &read).code, Code::kBufferTooSmall);
  EXPECT_EQ(read.needed_bytes, positions_[5] - positions_[4]);
  into.resize(read.needed_bytes);
  ASSERT_TRUE(writer_->read({.offset = 8}, into, &read).ok());
  EXPECT_EQ(read.bytes, into.size());
  into.resize(3);
  EXPECT_EQ(writer_->read({.offset = 8}, into, &read).code, Code::kBufferTooSmall);
  EXPECT_GE(read.needed_bytes, record_batch::kHeaderBytes);
}

TEST_P(SegmentReadTest, AReaderFollowsAWriter) {
  auto follower = small_reader();
  Bytes into(4096);
  ReadResult read;
  ASSERT_TRUE(
      follower->read({.offset = 2 * kBatches, .position_hint = positions_.back(), .contiguous = true}, into, &read)
          .ok());
  EXPECT_EQ(read.bytes, 0u);
  must_append(*writer_, make_batch({.records = 2}));
  ASSERT_TRUE(
      follower->read({.offset = 2 * kBatches, .position_hint = positions_.back(), .contiguous = true}, into, &read)
          .ok());
  EXPECT_EQ(read.batches, 1u);
  EXPECT_EQ(read.next_offset, 2 * kBatches + 2);
}

// F5: every bit of a batch. What is under the CRC or breaks the structure is never delivered; the answer names the
// place.
TEST_P(SegmentReadTest, AFlippedBitIsNeverDelivered) {
  const size_t damaged = 40;
  const uint64_t start = positions_[damaged], end = positions_[damaged + 1];
  EXPECT_OK(writer_->seal());
  auto segment = small_reader();
  const Bytes log = read_file(kLog);
  Bytes into(1 << 16);
  for (uint64_t position = start; position < end; ++position) {
    const uint64_t field = position - start;
    if (field >= record_batch::kLeaderEpochAt && field < record_batch::kMagicAt)
      continue;  // epoch: under no check here
    for (int bit = 0; bit < 8; ++bit) {
      if (field > record_batch::kHeaderBytes + 8 && bit != static_cast<int>(position % 8)) continue;
      SCOPED_TRACE(testing::Message() << "byte " << field << " bit " << bit);
      change_byte(kLog, position, static_cast<uint8_t>(log[position] ^ (1 << bit)));
      // Coming from the batch before: what is good is delivered, then the damage is told.
      ReadResult read;
      ASSERT_TRUE(segment
                      ->read({.offset = 2 * damaged - 2, .position_hint = positions_[damaged - 1], .contiguous = true},
                             into, &read)
                      .ok());
      ASSERT_EQ(read.next_position, start);
      const int64_t expected = static_cast<int64_t>(2 * damaged);
      Status status = segment->read({.offset = expected, .contiguous = true}, into, &read);
      ASSERT_EQ(status.code, Code::kCorrupt);
      ASSERT_EQ(read.position, start);
      ASSERT_EQ(read.next_offset, expected);
      ASSERT_EQ(status.position, start);
    }
    change_byte(kLog, position, log[position]);
  }
  // Behind the damage reading goes on.
  change_byte(kLog, start + 70, static_cast<uint8_t>(log[start + 70] ^ 1));
  ReadResult read;
  ASSERT_TRUE(segment->read({.offset = 2 * damaged + 2, .contiguous = true}, into, &read).ok());
  EXPECT_EQ(read.position, end);
}

TEST_P(SegmentReadTest, AFileCutByOthersIsDamageNotDeath) {
  EXPECT_OK(writer_->seal());
  auto segment = small_reader();
  Bytes into(1 << 16);
  Bytes log = read_file(kLog);
  log.resize(positions_[10] + 30);
  write_file(kLog, log);
  ReadResult read;
  ASSERT_TRUE(segment->read({.offset = 0, .end_position = positions_.back()}, into, &read).ok());
  EXPECT_EQ(read.next_position, positions_[10]);
  Status status = segment->read(
      {.offset = 20, .position_hint = positions_[10], .end_position = positions_.back(), .contiguous = true}, into,
      &read);
  EXPECT_EQ(status.code, Code::kCorrupt);
  EXPECT_EQ(read.position, positions_[10]);
}

// F6: whatever becomes of the index files, lookups equal a full scan.
TEST_P(SegmentReadTest, DamagedIndexesAreIgnored) {
  EXPECT_OK(writer_->seal());
  const Bytes index = read_file(kIndex), time_index = read_file(kTimeIndex);
  const auto expect_all = [&](const char* what) {
    SCOPED_TRACE(what);
    auto segment = small_reader();
    expect_all_offsets(*segment, 13);
    expect_all_timestamps(*segment, 23);
  };
  std::mt19937 random(11);
  for (const char* name : {kIndex, kTimeIndex}) {
    const Bytes& good = name == kIndex ? index : time_index;
    ASSERT_EQ(kernel().unlink(in_folder(name).c_str()), 0);
    expect_all("deleted");
    for (size_t length = 0; length < good.size(); length += memory_ ? 1 : 11) {
      write_file(name, Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(length)));
      expect_all("cut");
    }
    Bytes bytes = good;
    bytes.resize(bytes.size() + 300);
    write_file(name, bytes);
    expect_all("zero tail");
    bytes = good;
    bytes.insert(bytes.end(), {0x7f, 0xff, 0xff, 0x00, 0x7f, 0xff, 0xff, 0x00, 0x7f, 0xff, 0xff, 0xff});
    write_file(name, bytes);
    expect_all("longer than the log");
    for (int i = 0; i < (memory_ ? 200 : 20); ++i) {
      bytes = good;
      bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1 << random() % 8);
      write_file(name, bytes);
      expect_all("flipped");
    }
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    write_file(name, bytes);
    expect_all("garbage");
    write_file(name, good);
  }
}

// An entry that still rises but names an earlier offset than its batch has would lead past what is looked for.
TEST_P(SegmentReadTest, AnEntryForTheWrongBatchIsNotBelieved) {
  EXPECT_OK(writer_->seal());
  const Bytes index = read_file(kIndex);
  for (size_t at = 0; at < index.size(); at += 8) {
    SCOPED_TRACE(at);
    Bytes bytes = index;
    store_be32(bytes.data() + at, load_be32(bytes.data() + at) - 3);
    write_file(kIndex, bytes);
    auto segment = small_reader();
    expect_all_offsets(*segment);
  }
}

TEST_P(SegmentReadTest, ADamagedIndexIsReported) {
  EXPECT_OK(writer_->seal());
  Bytes index = read_file(kIndex);
  index[15] ^= 1;  // position of the second entry
  write_file(kIndex, index);
  auto segment = small_reader();
  expect_all_offsets(*segment);
  SegmentStats stats;
  EXPECT_OK(segment->stats(&stats));
  EXPECT_TRUE(stats.index_damaged);
}

TEST_P(SegmentReadTest, WindowsShowSealedBytesOnlyAndAreTheUsersOwn) {
  std::unique_ptr<SegmentWindow> window, other;
  EXPECT_EQ(writer_->window(0, 100, &window).code, Code::kInvalidArgument);
  EXPECT_OK(writer_->seal());
  const Bytes log = read_file(kLog);
  auto segment = small_reader();
  for (const uint64_t position : {uint64_t{0}, positions_[30], positions_[80]}) {
    const uint64_t length = log.size() - position;
    ASSERT_TRUE(segment->window(position, length, &window).ok());
    EXPECT_EQ(window->size(), length);
    EXPECT_TRUE(std::equal(window->data(), window->data() + length, log.begin() + static_cast<ptrdiff_t>(position)));
    EXPECT_EQ(segment->window(position, length + 1, &other).code, Code::kInvalidArgument);
  }
  EXPECT_EQ(segment->window(log.size() + 1, 1, &other).code, Code::kInvalidArgument);
  EXPECT_EQ(segment->window(5, 0, &other).code, Code::kInvalidArgument);
  EXPECT_EQ(segment->window(5, ~uint64_t{0}, &other).code, Code::kInvalidArgument);
  window->data()[0] ^= 0xff;
  EXPECT_EQ(read_file(kLog), log);
  writer_.reset();
  segment.reset();
  EXPECT_EQ(window->data()[1], log[positions_[80] + 1]);  // lives on without its segment
}

}  // namespace
}  // namespace varve::test
