// Recovery: where the valid batches end, that nothing which was cut comes back, and that what a flush covered survives.
#include <gtest/gtest.h>

#include "segment/batch_check.h"
#include "test/segment_fixture.h"

namespace varve::test {
namespace {

class SegmentRecoveryTest : public SegmentTest {
 protected:
  SegmentOptions small(SegmentMode mode) {
    SegmentOptions options = SegmentTest::options(mode);
    options.index_interval_bytes = 200;
    return options;
  }
  // Appends batches of one record and remembers where each began; the last position is the end.
  std::vector<uint64_t> write(Segment& segment, int batches, char fill = 'v') {
    std::vector<uint64_t> positions;
    for (int i = 0; i < batches; ++i) {
      const BatchSpec spec{.max_timestamp = 1000 + i, .value_bytes = static_cast<size_t>(i % 7), .fill = fill};
      positions.push_back(must_append(segment, make_batch(spec)).position);
    }
    positions.push_back(segment.end_position());
    return positions;
  }
  void truncate_log(uint64_t size) {
    File file;
    EXPECT_OK(File::open(kernel(), in_folder(kLog), O_RDWR, &file));
    EXPECT_OK(file.truncate(size));
  }
};
VARVE_SEGMENT_SETUPS(SegmentRecoveryTest);

TEST_P(SegmentRecoveryTest, TakesNoAppendBeforeTheEndIsNamed) {
  create()->seal();
  auto segment = open(small(SegmentMode::kWrite));
  AppendResult result;
  EXPECT_EQ(append(*segment, make_batch({}), &result).code, Code::kInvalidArgument);
  EXPECT_OK(segment->set_end(0, 0));
  must_append(*segment, make_batch({}));
  EXPECT_EQ(segment->set_end(0, 0).code, Code::kInvalidArgument);
}

TEST_P(SegmentRecoveryTest, AnUntrimmedTailIsZero) {
  auto segment = open(small(SegmentMode::kCreate));
  const auto positions = write(*segment, 20);
  segment.reset();
  auto again = open(small(SegmentMode::kWrite));
  const ScanResult found = recover(*again);
  EXPECT_EQ(found.position, positions.back());
  EXPECT_EQ(found.next_offset, 20);
  EXPECT_EQ(found.stop, ScanStop::kZeroTail);
  write(*again, 5);
  EXPECT_EQ(scan_all(*again, {}).next_offset, 25);
}

// F4: cut at every byte, with nothing, zeros or garbage behind: the end is found at the batch boundary, the rest is
// intact, and it can be appended to.
TEST_P(SegmentRecoveryTest, ACutAtEveryByteIsFoundAtTheBatchBoundary) {
  auto writer = open(small(SegmentMode::kCreate));
  const auto positions = write(*writer, 64);
  EXPECT_OK(writer->seal());
  writer.reset();
  const Bytes log = read_file(kLog);
  const uint64_t step = memory_ ? 1 : 31;
  const char* const kTails[] = {"nothing", "zeros", "garbage"};
  for (uint64_t length = 0; length <= log.size(); length += step) {
    for (const char* tail : kTails) {
      if (length % 61 > 4 && tail != kTails[length % 3]) continue;  // one kind each, all kinds at some
      SCOPED_TRACE(testing::Message() << "cut at " << length << " then " << tail);
      Bytes cut(log.begin(), log.begin() + static_cast<ptrdiff_t>(length));
      if (tail[0] == 'z') cut.resize(length + 500);
      if (tail[0] == 'g') cut.resize(length + 500, 0xa5);
      write_file(kLog, cut);
      auto segment = open(small(SegmentMode::kWrite));
      const ScanResult found = recover(*segment);
      // A tail may happen to hold the very bytes that were cut off.
      const auto same = std::mismatch(cut.begin(), cut.end(), log.begin(), log.end()).first - cut.begin();
      const auto batches =
          std::upper_bound(positions.begin(), positions.end(), static_cast<uint64_t>(same)) - positions.begin() - 1;
      ASSERT_EQ(found.position, positions[static_cast<size_t>(batches)]);
      ASSERT_EQ(found.next_offset, batches);
      must_append(*segment, make_batch({}));
      segment.reset();
      // A second crash right after: only what was kept, and the new batch.
      segment = open(small(SegmentMode::kWrite));
      const ScanResult again = recover(*segment);
      ASSERT_EQ(again.next_offset, batches + 1);
      ASSERT_NE(again.stop, ScanStop::kDamage);
    }
    if (memory_) memory_->forget();
  }
}

// The reason why set_end() makes the rest zero: batches of one size, so that an old one fits behind a new one.
TEST_P(SegmentRecoveryTest, WhatWasCutNeverComesBack) {
  auto segment = open(small(SegmentMode::kCreate));
  const auto size = make_batch({}).size();
  for (int i = 0; i < 10; ++i) must_append(*segment, make_batch({.fill = 'o'}));
  segment.reset();
  change_byte(kLog, 4 * size + 65, 0x00);  // the fifth is damaged, five good ones stand behind it
  segment = open(small(SegmentMode::kWrite));
  EXPECT_EQ(recover(*segment).next_offset, 4);
  must_append(*segment, make_batch({.fill = 'n'}));
  segment.reset();
  segment = open(small(SegmentMode::kWrite));
  EXPECT_EQ(recover(*segment).next_offset, 5);
}

TEST_P(SegmentRecoveryTest, EveryFlippedBitIsDamageAtItsBatch) {
  auto writer = open(small(SegmentMode::kCreate));
  const auto positions = write(*writer, 12);
  EXPECT_OK(writer->seal());
  const Bytes log = read_file(kLog);
  auto segment = open(small(SegmentMode::kRead));
  for (uint64_t at = 0; at < log.size(); ++at) {
    const auto batch =
        static_cast<size_t>(std::upper_bound(positions.begin(), positions.end(), at) - positions.begin() - 1);
    const uint64_t field = at - positions[batch];
    if (field >= record_batch::kLeaderEpochAt && field < record_batch::kMagicAt)
      continue;  // judged by the epochs' order
    for (int bit = 0; bit < 8; ++bit) {
      change_byte(kLog, at, static_cast<uint8_t>(log[at] ^ (1 << bit)));
      const ScanResult found = scan_all(*segment, {});
      ASSERT_EQ(found.position, positions[batch]) << at << " bit " << bit;
      ASSERT_EQ(found.next_offset, static_cast<int64_t>(batch));
      ASSERT_EQ(found.stop, ScanStop::kDamage);
    }
    change_byte(kLog, at, log[at]);
    if (memory_) memory_->forget();
  }
}

TEST_P(SegmentRecoveryTest, RowsTellWhatTheHeadersSay) {
  auto segment = create();
  must_append(*segment, make_batch({.records = 3, .base_timestamp = 5, .max_timestamp = 8}), {.leader_epoch = 4});
  std::vector<ScanRow> rows(2);
  ScanResult result;
  EXPECT_OK(segment->scan({}, rows, &result));
  EXPECT_EQ(result.rows, 1u);
  EXPECT_EQ(result.stop, ScanStop::kEnd);
  const ScanRow& row = rows[0];
  EXPECT_EQ(row.last_offset, 2);
  EXPECT_EQ(row.leader_epoch, 4);
  EXPECT_EQ(row.base_timestamp, 5);
  EXPECT_EQ(row.max_timestamp, 8);
  EXPECT_EQ(row.producer_id, -1);
  EXPECT_EQ(row.producer_epoch, -1);
  EXPECT_EQ(row.base_sequence, -1);
  EXPECT_EQ(row.record_count, 3);
  EXPECT_EQ(row.size, segment->end_position());
}

TEST_P(SegmentRecoveryTest, GapsAreDamageUnlessAllowed) {
  auto segment = create();
  must_append(*segment, make_batch({.base_offset = 0}), {.flags = kAppendKeepOffsets});
  must_append(*segment, make_batch({.base_offset = 5}), {.flags = kAppendKeepOffsets});
  EXPECT_EQ(scan_all(*segment, {}).stop, ScanStop::kDamage);
  EXPECT_EQ(scan_all(*segment, {}).next_offset, 1);
  EXPECT_EQ(scan_all(*segment, {.flags = kScanAllowGaps}).next_offset, 6);
}

// A scan from the middle (the recovery point) makes the same indexes as one from the start, also when what the files
// hold is stale, damaged or missing.
TEST_P(SegmentRecoveryTest, ARebuildFromAnywhereGivesTheSameIndexes) {
  auto writer = open(small(SegmentMode::kCreate));
  const auto positions = write(*writer, 50);
  EXPECT_OK(writer->seal());
  writer.reset();
  const Bytes index = read_file(kIndex), time_index = read_file(kTimeIndex);
  ASSERT_GT(index.size(), 80u);
  for (size_t from = 0; from <= 50; from += 3) {
    for (const char* what : {"whole", "stale", "missing", "lying"}) {
      SCOPED_TRACE(testing::Message() << "from batch " << from << ", index " << what);
      write_file(kIndex, index);
      write_file(kTimeIndex, time_index);
      if (what[0] == 's') {
        write_file(kIndex, Bytes(index.begin(), index.begin() + 16));
        write_file(kTimeIndex, Bytes(time_index.begin(), time_index.begin() + 24));
      } else if (what[0] == 'm') {
        kernel().unlink(in_folder(kIndex).c_str());
      } else if (what[0] == 'l') {
        // Entries that rise but point to nothing.
        Bytes bad = index;
        for (size_t at = 7; at < bad.size(); at += 8) bad[at] ^= 1;
        write_file(kIndex, bad);
      }
      auto segment = open(small(SegmentMode::kWrite));
      const ScanRequest request{
          .position = positions[from], .expected_offset = static_cast<int64_t>(from), .flags = kScanRebuildIndexes};
      const ScanResult found = scan_all(*segment, request);
      ASSERT_EQ(found.next_offset, 50);
      EXPECT_OK(segment->set_end(found.position, found.next_offset));
      EXPECT_OK(segment->flush(true, false));
      EXPECT_EQ(read_file(kIndex), index);
      EXPECT_EQ(read_file(kTimeIndex), time_index);
      SegmentStats stats;
      EXPECT_OK(segment->stats(&stats));
      EXPECT_EQ(stats.max_timestamp, 1049);
      EXPECT_EQ(stats.first_max_timestamp, 1000);
      EXPECT_FALSE(stats.index_damaged);
    }
  }
}

TEST_P(SegmentRecoveryTest, SettingTheEndCutsTheIndexesToIt) {
  auto writer = open(small(SegmentMode::kCreate));
  const auto positions = write(*writer, 50);
  EXPECT_OK(writer->seal());
  for (const size_t keep : {size_t{0}, size_t{1}, size_t{17}, size_t{49}}) {
    auto segment = open(small(SegmentMode::kWrite));
    (void)scan_all(*segment, {.flags = kScanRebuildIndexes});
    EXPECT_OK(segment->set_end(positions[keep], static_cast<int64_t>(keep)));
    SegmentStats stats;
    EXPECT_OK(segment->stats(&stats));
    EXPECT_EQ(stats.next_offset, static_cast<int64_t>(keep));
    EXPECT_EQ(stats.max_timestamp, keep == 0 ? -1 : 999 + static_cast<int64_t>(keep));
    for (size_t i = keep; i < 50; ++i) {
      must_append(*segment, make_batch({.max_timestamp = 1000 + static_cast<int64_t>(i), .value_bytes = i % 7}));
    }
    EXPECT_OK(segment->seal());
    EXPECT_EQ(segment->end_position(), positions.back());
  }
}

// An end that does not fit the batches below it is taken all the same: it comes from a checkpoint with a checksum, so
// it is the batches that are damaged, and reading tells of that.
TEST_P(SegmentRecoveryTest, RefusesAnEndPastTheFile) {
  auto writer = open(small(SegmentMode::kCreate));
  const auto positions = write(*writer, 10);
  writer.reset();
  auto segment = open(small(SegmentMode::kWrite));
  EXPECT_EQ(segment->set_end(uint64_t{1} << 40, 4).code, Code::kInvalidArgument);
  EXPECT_OK(segment->set_end(positions[5], 5));
}

TEST_P(SegmentRecoveryTest, CopiesAPrefixWithItsIndexes) {
  auto writer = open(small(SegmentMode::kCreate));
  const auto positions = write(*writer, 50);
  Bytes log = read_file(kLog);
  EXPECT_OK(writer->copy_prefix(positions[23], in_folder("copy")));
  log.resize(positions[23]);
  EXPECT_EQ(read_file("copy.log"), log);
  auto twin = open([&] {
    SegmentOptions options = small(SegmentMode::kCreate);
    options.stem = "twin";
    return options;
  }());
  write(*twin, 23);
  EXPECT_OK(twin->seal());
  EXPECT_EQ(read_file("copy.index"), read_file("twin.index"));
  EXPECT_EQ(read_file("copy.timeindex"), read_file("twin.timeindex"));
  EXPECT_EQ(writer->copy_prefix(positions[23] + 1, in_folder("bad")).code, Code::kCorrupt);
  EXPECT_OK(writer->copy_prefix(0, in_folder("empty")));
  EXPECT_EQ(read_file("empty.log"), Bytes{});
  write(*writer, 1);  // the source goes on
}

// P1 and P3 at every crash point: what a flush covered is there, what is there is a prefix, and after recovery, more
// appends and a second crash it still is.
TEST_P(SegmentRecoveryTest, EveryCrashLeavesAPrefix) {
  if (!memory_) GTEST_SKIP() << "needs a disk that can crash";
  struct Mark {
    size_t operation;
    int64_t flushed;
  };
  std::vector<Mark> marks;
  int64_t flushed = 0;
  {
    auto segment = open(small(SegmentMode::kCreate));
    EXPECT_OK(segment->flush(false, false));
    marks.push_back({memory_->operations(), 0});
    for (int i = 0; i < 24; ++i) {
      // Some larger than a page, so that a batch can be torn.
      must_append(*segment, make_batch({.value_bytes = i % 5 == 4 ? 5000u : 100u}));
      if (i % 6 == 5) {
        EXPECT_OK(segment->flush(i % 12 == 11, false));
        marks.push_back({memory_->operations(), flushed = i + 1});
      }
    }
    EXPECT_OK(segment->seal());
  }
  const size_t operations = memory_->operations();
  size_t longer_than_flushed = 0;
  for (size_t at = marks[0].operation; at <= operations; ++at) {
    for (uint64_t seed = 0; seed < 12; ++seed) {
      SCOPED_TRACE(testing::Message() << "crash before operation " << at << ", seed " << seed);
      const CrashMode mode = seed == 0 ? CrashMode::kLost : seed == 1 ? CrashMode::kKept : CrashMode::kSampled;
      std::unique_ptr<MemoryKernel> disk = memory_->crash(at, mode, seed);
      int64_t must = 0;
      for (const Mark& mark : marks) {
        if (mark.operation <= at) must = mark.flushed;
      }
      std::shared_ptr<Segment> segment;
      EXPECT_OK(Segment::open(*disk, small(SegmentMode::kWrite), &segment));
      ASSERT_TRUE(segment);
      const ScanResult found = recover(*segment);
      ASSERT_GE(found.next_offset, must);
      longer_than_flushed += found.next_offset > must;
      // Equal-sized batches, then another crash in which everything written was kept.
      must_append(*segment, make_batch({.value_bytes = 100, .fill = 'n'}));
      const int64_t next_offset = segment->next_offset();
      std::unique_ptr<MemoryKernel> second = disk->crash(disk->operations(), CrashMode::kKept, 0);
      segment.reset();
      std::shared_ptr<Segment> again;
      EXPECT_OK(Segment::open(*second, small(SegmentMode::kWrite), &again));
      ASSERT_EQ(recover(*again).next_offset, next_offset);
    }
  }
  EXPECT_GT(longer_than_flushed, 0u);
}

}  // namespace
}  // namespace varve::test
