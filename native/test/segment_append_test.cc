// Appending: what is accepted, what is refused, and that a refusal leaves nothing behind.
#include <gtest/gtest.h>

#include <cerrno>

#include "file/faulty_kernel.h"
#include "segment/batch_check.h"
#include "test/segment_fixture.h"

namespace varve::test {
namespace {

class SegmentAppendTest : public SegmentTest {};
VARVE_SEGMENT_SETUPS(SegmentAppendTest);

Bytes join(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST_P(SegmentAppendTest, StampsOffsetAndEpochAndNothingElse) {
  auto segment = create();
  const Bytes batch = make_batch({.base_offset = 77, .records = 3, .max_timestamp = 1234});
  const AppendResult first = must_append(*segment, batch, {.leader_epoch = 5});
  const AppendResult second = must_append(*segment, batch, {.leader_epoch = 6});
  EXPECT_EQ(first.last_offset, 2);
  EXPECT_EQ(first.position, 0u);
  EXPECT_EQ(first.max_timestamp, 1234);
  EXPECT_EQ(first.max_timestamp_offset, 2);
  EXPECT_EQ(second.last_offset, 5);
  EXPECT_EQ(second.position, batch.size());
  EXPECT_EQ(second.end_position, 2 * batch.size());
  EXPECT_EQ(segment->end_position(), 2 * batch.size());

  const Bytes log = read_file(kLog);
  const BatchHeader header = parse_batch_header(log.data() + batch.size());
  EXPECT_EQ(header.base_offset, 3);
  EXPECT_EQ(header.leader_epoch, 6);
  EXPECT_TRUE(std::equal(batch.begin() + 16, batch.end(), log.begin() + static_cast<ptrdiff_t>(batch.size()) + 16));
}

TEST_P(SegmentAppendTest, TakesBatchesInAnyFragments) {
  auto segment = create();
  const Bytes batches = join({make_batch({.records = 2}), make_batch({.records = 1}), make_batch({.records = 5})});
  for (const size_t step : {size_t{1}, size_t{7}, size_t{61}, batches.size()}) {
    std::vector<std::span<const uint8_t>> fragments;
    for (size_t at = 0; at < batches.size(); at += step) {
      fragments.emplace_back(batches.data() + at, std::min(step, batches.size() - at));
    }
    AppendResult result;
    EXPECT_OK(segment->append({.fragments = fragments, .base_offset = segment->next_offset()}, &result));
    EXPECT_EQ(result.batches, 3u);
    EXPECT_EQ(result.bytes, batches.size());
  }
  EXPECT_EQ(segment->next_offset(), 32);
  EXPECT_EQ(scan_all(*segment, {}).next_offset, 32);
}

TEST_P(SegmentAppendTest, ScratchIsStampedInPlaceAndMayBeAppendedAgain) {
  auto segment = create();
  Bytes scratch = join({make_batch({.records = 2}), make_batch({.records = 3})});
  for (int round = 0; round < 2; ++round) {
    AppendResult result;
    EXPECT_OK(segment->append({.scratch = scratch, .base_offset = segment->next_offset(), .leader_epoch = 1}, &result));
    EXPECT_EQ(parse_batch_header(scratch.data()).base_offset, round * 5);
  }
  Bytes log = read_file(kLog);
  log.resize(segment->end_position());
  EXPECT_TRUE(std::equal(scratch.begin(), scratch.end(), log.begin() + static_cast<ptrdiff_t>(scratch.size())));
}

TEST_P(SegmentAppendTest, SetsTheChecksumWhenAsked) {
  auto segment = create();
  Bytes batch = make_batch({});
  batch[record_batch::kCrcAt] ^= 0xff;
  AppendResult result;
  EXPECT_EQ(append(*segment, batch, &result).code, Code::kCorrupt);
  must_append(*segment, batch, {.flags = kAppendSetCrc});
  EXPECT_EQ(scan_all(*segment, {}).next_offset, 1);
}

TEST_P(SegmentAppendTest, AppendTimeSetsBitMaxTimestampAndChecksum) {
  auto segment = create();
  const Bytes batch = make_batch({.records = 2, .base_timestamp = 10, .max_timestamp = 20});
  const AppendResult result = must_append(*segment, batch, {.append_timestamp = 5555});
  EXPECT_EQ(result.max_timestamp, 5555);
  std::vector<ScanRow> rows;
  EXPECT_EQ(scan_all(*segment, {}, &rows).rows, 1u);
  EXPECT_EQ(rows[0].max_timestamp, 5555);
  EXPECT_EQ(rows[0].base_timestamp, 10);
  EXPECT_EQ(rows[0].attributes, record_batch::kAppendTimeBit);
}

struct Hostile {
  const char* rule;
  size_t at;
  Bytes bytes;
  uint32_t flags = 0;
  Code code = Code::kCorrupt;
};

// Each is one change to a good batch of three records, with the checksum made right again where it can be.
const Hostile kHostile[] = {
    {"length negative", 8, {0xff, 0xff, 0xff, 0xff}},
    {"length zero", 8, {0, 0, 0, 0}},
    {"length 48: below a header", 8, {0, 0, 0, 48}},
    {"length 2^31 - 1", 8, {0x7f, 0xff, 0xff, 0xff}},
    {"magic 0", 16, {0}},
    {"magic 1", 16, {1}},
    {"magic 3", 16, {3}},
    {"codec 5", 22, {5}, kAppendSetCrc},
    {"codec 7", 22, {7}, kAppendSetCrc},
    {"reserved attribute bit 7", 22, {0x80}, kAppendSetCrc},
    {"reserved attribute bit 15", 21, {0x80}, kAppendSetCrc},
    {"last offset delta negative", 23, {0xff, 0xff, 0xff, 0xff}, kAppendSetCrc},
    {"last offset delta not count - 1", 23, {0, 0, 0, 3}, kAppendSetCrc},
    {"last offset delta 2^31 - 1", 23, {0x7f, 0xff, 0xff, 0xff}, kAppendSetCrc},
    {"record count zero", 57, {0, 0, 0, 0}, kAppendSetCrc},
    {"record count negative", 57, {0xff, 0xff, 0xff, 0xff}, kAppendSetCrc},
    {"record count one too many", 57, {0, 0, 0, 4}, kAppendSetCrc},
    {"record count and delta one too many", 57, {0, 0, 0, 4}, kAppendSetCrc | kAppendCheckRecords},
    {"checksum", 17, {1, 2, 3, 4}},
    {"a flipped byte in the records", 70, {0x55}},
    {"record length too long", 61, {0x7e}, kAppendSetCrc | kAppendCheckRecords},
    {"record length negative", 61, {0x01}, kAppendSetCrc | kAppendCheckRecords},
    {"record length without end", 61, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kAppendSetCrc | kAppendCheckRecords},
    {"offset delta not 0", 64, {0x02}, kAppendSetCrc | kAppendCheckRecords},
    {"key length below -1", 65, {0x03}, kAppendSetCrc | kAppendCheckRecords},
    {"key length past the record", 65, {0x7e}, kAppendSetCrc | kAppendCheckRecords},
    {"value length below -1", 66, {0x03}, kAppendSetCrc | kAppendCheckRecords},
    {"value length past the record", 66, {0x7e}, kAppendSetCrc | kAppendCheckRecords},
};

TEST_P(SegmentAppendTest, RefusesHostileBatchesWithoutATrace) {
  auto segment = create();
  const Bytes good = make_batch({.records = 3});
  must_append(*segment, good, {.flags = kAppendCheckRecords});
  const uint64_t end = segment->end_position();
  for (const Hostile& hostile : kHostile) {
    SCOPED_TRACE(hostile.rule);
    Bytes bad = good;
    std::copy(hostile.bytes.begin(), hostile.bytes.end(), bad.begin() + static_cast<ptrdiff_t>(hostile.at));
    AppendResult result;
    EXPECT_EQ(append(*segment, bad, &result, {.flags = hostile.flags}).code, hostile.code);
    // Also as the second of three: nothing of the call is visible, not even the good first batch.
    EXPECT_EQ(append(*segment, join({good, bad, good}), &result, {.flags = hostile.flags}).code, hostile.code);
    EXPECT_EQ(result.fault_at, good.size());
    EXPECT_EQ(segment->end_position(), end);
    EXPECT_EQ(segment->next_offset(), 3);
  }
  const Bytes log = read_file(kLog);
  EXPECT_TRUE(std::all_of(log.begin() + static_cast<ptrdiff_t>(end), log.end(), [](uint8_t b) { return b == 0; }));
  must_append(*segment, good);
}

TEST_P(SegmentAppendTest, RefusesTimestampsThatJavaScriptCannotTell) {
  constexpr int64_t kMax = (int64_t{1} << 53) - 1;
  auto segment = create();
  AppendResult result;
  for (const int64_t base : {kMax + 1, -kMax - 1, INT64_MAX, INT64_MIN}) {
    SCOPED_TRACE(base);
    const Bytes batch = make_batch({.base_timestamp = base});
    EXPECT_EQ(append(*segment, batch, &result, {.flags = kAppendCheckRecords}).code, Code::kCorrupt);
  }
  must_append(*segment, make_batch({.base_timestamp = kMax, .max_timestamp = kMax}), {.flags = kAppendCheckRecords});
  must_append(*segment, make_batch({.base_timestamp = -kMax}), {.flags = kAppendCheckRecords});
}

// A stored batch of a newer Kafka is no damage, but nobody gets to append one.
TEST_P(SegmentAppendTest, ReservedAttributeBitsAreForReplicasOnly) {
  auto segment = create();
  const Bytes newer = make_batch({.attributes = 0x8080});
  AppendResult result;
  EXPECT_EQ(append(*segment, newer, &result).code, Code::kCorrupt);
  must_append(*segment, newer, {.flags = kAppendKeepOffsets | kAppendCheckRecords});
  Bytes into(4096);
  ReadResult read;
  EXPECT_OK(segment->read({.offset = 0}, into, &read));
  EXPECT_EQ(read.bytes, newer.size());
  EXPECT_OK(segment->flush(true, true));
  segment.reset();
  auto again = open(options(SegmentMode::kWrite));
  EXPECT_EQ(recover(*again).next_offset, 1);
}

// The system counts the pages of a failed flush as clean: a second one that succeeds means nothing.
TEST_P(SegmentAppendTest, AFailedFlushIsNotForgotten) {
  FaultyKernel faulty(kernel());
  std::shared_ptr<Segment> segment;
  ASSERT_TRUE(Segment::open(faulty, options(SegmentMode::kCreate), &segment).ok());
  must_append(*segment, make_batch({}));
  faulty.arm({.at = 1, .error_number = EIO, .calls = CallSet{1} << static_cast<unsigned>(Call::kFdatasync)});
  EXPECT_EQ(segment->flush(false, false).code, Code::kIo);
  EXPECT_EQ(segment->flush(true, true).code, Code::kIo);
  EXPECT_EQ(segment->seal().code, Code::kIo);
  SegmentStats stats;
  EXPECT_OK(segment->stats(&stats));
  EXPECT_EQ(stats.flushed_position, 0u);
}

TEST_P(SegmentAppendTest, RefusesABatchCutAnywhere) {
  auto segment = create();
  const Bytes good = make_batch({.records = 2});
  for (size_t length = 0; length < good.size(); ++length) {
    AppendResult result;
    EXPECT_EQ(append(*segment, Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(length)), &result).code,
              Code::kCorrupt)
        << length;
    Bytes two = good;
    two.insert(two.end(), good.begin(), good.begin() + static_cast<ptrdiff_t>(length));
    if (length > 0) {
      EXPECT_EQ(append(*segment, two, &result).code, Code::kCorrupt) << length;
    }
  }
  EXPECT_EQ(segment->end_position(), 0u);
}

TEST_P(SegmentAppendTest, LimitsTheSizeOfABatchNotOfTheCall) {
  auto segment = create();
  const Bytes batch = make_batch({.value_bytes = 100});
  const auto size = static_cast<uint32_t>(batch.size());
  AppendResult result;
  EXPECT_EQ(append(*segment, batch, &result, {.max_batch_bytes = size - 1}).code, Code::kRecordTooLarge);
  must_append(*segment, join({batch, batch}), {.max_batch_bytes = size});
}

TEST_P(SegmentAppendTest, KeptOffsetsRiseAndMayLeaveGaps) {
  auto segment = create();
  const AppendRequest keep{.flags = kAppendKeepOffsets};
  must_append(*segment, make_batch({.base_offset = 4, .leader_epoch = 9, .records = 2}), keep);
  // A compacted batch: fewer records than offsets, even none.
  must_append(*segment, make_batch({.base_offset = 10, .records = 1, .last_offset_delta = 5}), keep);
  must_append(*segment, make_batch({.base_offset = 16, .records = 0, .last_offset_delta = 0}), keep);
  AppendResult result;
  EXPECT_EQ(append(*segment, make_batch({.base_offset = 16}), &result, keep).code, Code::kCorrupt);
  EXPECT_EQ(segment->next_offset(), 17);
  std::vector<ScanRow> rows;
  EXPECT_EQ(scan_all(*segment, {.flags = kScanAllowGaps}, &rows).next_offset, 17);
  EXPECT_EQ(rows[0].leader_epoch, 9);
  EXPECT_EQ(rows[1].base_offset, 10);
}

TEST_P(SegmentAppendTest, IsFullAtItsSizeButTakesOneLargerBatchAlone) {
  SegmentOptions small = options(SegmentMode::kCreate);
  const Bytes batch = make_batch({.value_bytes = 1000});
  small.segment_bytes = 3 * batch.size();
  auto segment = open(small);
  for (int i = 0; i < 3; ++i) must_append(*segment, batch);
  AppendResult result;
  EXPECT_EQ(append(*segment, batch, &result).code, Code::kSegmentFull);
  FileFacts facts;
  EXPECT_EQ(kernel().stat(in_folder(kLog).c_str(), &facts), 0);
  EXPECT_LE(facts.size, small.segment_bytes);

  small.base_offset = 3;
  auto next = open(small);
  const Bytes large = make_batch({.value_bytes = 100000});
  must_append(*next, large);
  EXPECT_EQ(append(*next, batch, &result).code, Code::kSegmentFull);
  EXPECT_EQ(scan_all(*next, {.expected_offset = 3}).next_offset, 4);
}

TEST_P(SegmentAppendTest, IsFullWhenAnIndexIs) {
  SegmentOptions small = options(SegmentMode::kCreate);
  small.index_interval_bytes = 1;
  small.index_max_bytes = 36;  // four offset entries, three time entries of which one is kept back
  auto segment = open(small);
  AppendResult result;
  Status status;
  int appended = 0;
  while ((status = append(*segment, make_batch({.max_timestamp = 1000 + appended}), &result)).ok()) ++appended;
  EXPECT_EQ(status.code, Code::kSegmentFull);
  EXPECT_EQ(appended, 3);  // the first has no entry, then two
  EXPECT_OK(segment->seal());
  EXPECT_EQ(read_file(kIndex).size(), 2 * 8u);
  EXPECT_EQ(read_file(kTimeIndex).size(), 2 * 12u);
}

TEST_P(SegmentAppendTest, IsFullWhenRelativeOffsetsWouldPass31Bits) {
  auto segment = create();
  const AppendRequest keep{.flags = kAppendKeepOffsets};
  must_append(*segment, make_batch({.base_offset = INT32_MAX - 1}), keep);
  AppendResult result;
  EXPECT_EQ(append(*segment, make_batch({.base_offset = INT32_MAX, .records = 2}), &result, keep).code,
            Code::kSegmentFull);
  must_append(*segment, make_batch({.base_offset = INT32_MAX}), keep);
}

TEST_P(SegmentAppendTest, RefusesBaseOffsetsBelowTheEnd) {
  auto segment = create();
  const Bytes batch = make_batch({.records = 2});
  must_append(*segment, batch);
  const std::span<const uint8_t> fragment(batch);
  AppendResult result;
  EXPECT_EQ(segment->append({.fragments = {&fragment, 1}, .base_offset = 1}, &result).code, Code::kInvalidArgument);
}

TEST_P(SegmentAppendTest, CreatingOverAnExistingFileIsRefused) {
  auto segment = create();
  std::shared_ptr<Segment> other;
  EXPECT_EQ(Segment::open(kernel(), options(SegmentMode::kCreate), &other).code, Code::kExists);
}

TEST_P(SegmentAppendTest, AnUnwrittenSegmentOwnsNothing) {
  auto segment = create();
  SegmentStats stats;
  EXPECT_OK(segment->stats(&stats));
  EXPECT_EQ(stats.allocated_bytes, 0u);
  EXPECT_EQ(stats.mapped_bytes, 0u);
  EXPECT_EQ(stats.file_size, 0u);
}

TEST_P(SegmentAppendTest, TakesOverAPreparedFile) {
  auto segment = create();
  EXPECT_OK(segment->prepare_next());
  EXPECT_TRUE(exists("varve.next"));
  auto next = open(options(SegmentMode::kCreate, 100));
  EXPECT_FALSE(exists("varve.next"));
  SegmentStats stats;
  EXPECT_OK(next->stats(&stats));
  EXPECT_GE(stats.allocated_bytes, 65536u);
  const Bytes batch = make_batch({});
  AppendResult result;
  const std::span<const uint8_t> fragment(batch);
  EXPECT_OK(next->append({.fragments = {&fragment, 1}, .base_offset = 100}, &result));
  EXPECT_EQ(scan_all(*next, {.expected_offset = 100}).next_offset, 101);
}

TEST_P(SegmentAppendTest, DoesNotTrustAPreparedFileWithContents) {
  write_file("varve.next", Bytes(5000, 1));
  auto segment = create();
  EXPECT_TRUE(exists("varve.next"));
  EXPECT_EQ(read_file(kLog).size(), 0u);
}

TEST_P(SegmentAppendTest, LeavesTheReserveOfTheDiskAlone) {
  if (!memory_) GTEST_SKIP() << "needs a disk of which the size can be set";
  constexpr uint64_t kReserve = 20 * 4096;
  memory_->set_capacity_bytes(60 * 4096);
  SegmentOptions reserving = options(SegmentMode::kCreate);
  reserving.disk_reserve_bytes = kReserve;
  auto segment = open(reserving);
  const Bytes batch = make_batch({.value_bytes = 3000});
  AppendResult result;
  Status status;
  while ((status = append(*segment, batch, &result)).ok()) {
  }
  EXPECT_EQ(status.code, Code::kNoSpace) << status.call;
  EXPECT_EQ(segment->prepare_next().code, Code::kNoSpace);
  // To the page: the reserve is not touched, and nothing above it is left unused.
  EXPECT_GE(memory_->free_bytes("/"), kReserve);
  EXPECT_LT(memory_->free_bytes("/"), kReserve + batch.size() + 4096);
  EXPECT_OK(segment->flush(true, false));
  memory_->set_capacity_bytes(80 * 4096);
  must_append(*segment, batch);
}

// F7: full at every position; nothing half appended; appends resume when there is space again.
TEST_P(SegmentAppendTest, AFullDiskIsAnErrorAndAppendsResume) {
  if (!memory_) GTEST_SKIP() << "needs a disk of which the size can be set";
  const Bytes batch = make_batch({.value_bytes = 3000});
  for (uint64_t capacity = 0; capacity <= 40 * 4096; capacity += 4096) {
    SCOPED_TRACE(capacity);
    memory_->set_capacity_bytes(capacity);
    auto segment = create();
    AppendResult result;
    Status status;
    int64_t appended = 0;
    while (appended < 60 && (status = append(*segment, batch, &result)).ok()) ++appended;
    if (!status.ok()) {
      EXPECT_EQ(status.code, Code::kNoSpace) << status.call;
      EXPECT_EQ(append(*segment, batch, &result).code, Code::kNoSpace);
      // Two pages of slack: the batch that does not fit, and the page that it shares.
      EXPECT_GE((static_cast<uint64_t>(appended) + 1) * batch.size() + 4096, capacity);
    }
    EXPECT_EQ(segment->end_position(), static_cast<uint64_t>(appended) * batch.size());
    EXPECT_EQ(scan_all(*segment, {}).next_offset, appended);
    memory_->set_capacity_bytes(MemoryKernel::kDefaultCapacityBytes);
    must_append(*segment, batch);
    EXPECT_EQ(scan_all(*segment, {}).next_offset, appended + 1);
    segment.reset();
    ASSERT_EQ(kernel().unlink(in_folder(kLog).c_str()), 0);
    memory_->forget();
  }
}

// F8: the k-th call fails, once and for good, for every k. An append that failed left nothing; one that succeeded is
// there; and what was behind the end stays zero.
TEST_P(SegmentAppendTest, AnyFailingCallLeavesWholeAppendsOnly) {
  if (!memory_) GTEST_SKIP() << "one kernel under it is enough";
  const Bytes batch = make_batch({.value_bytes = 30000});
  for (const bool for_good : {false, true}) {
    for (const Fault& kind : {Fault{.kind = FaultKind::kError, .error_number = EIO}, Fault{.kind = FaultKind::kShort},
                              Fault{.kind = FaultKind::kInterrupt}}) {
      for (uint64_t at = 1; at < 400; ++at) {
        SCOPED_TRACE(testing::Message() << "call " << at << " kind " << static_cast<int>(kind.kind) << " for good "
                                        << for_good);
        MemoryKernel disk;
        ASSERT_EQ(disk.mkdir("/log", 0755), 0);
        FaultyKernel faulty(disk);
        Fault fault = kind;
        fault.at = at;
        fault.for_good = for_good;
        faulty.arm(fault);
        std::shared_ptr<Segment> segment;
        SegmentOptions create = options(SegmentMode::kCreate);
        create.index_interval_bytes = 1;
        int64_t acknowledged = 0;
        bool sealed = false;
        if (Segment::open(faulty, create, &segment).ok()) {
          AppendResult result;
          for (int i = 0; i < 12; ++i) {
            if (append(*segment, batch, &result).ok()) ++acknowledged;
            if (i % 4 == 3) (void)segment->flush(true, false);
          }
          EXPECT_EQ(segment->next_offset(), acknowledged);
          sealed = segment->seal().ok();
        }
        const bool done = faulty.injected() == 0;
        faulty.arm({});
        segment.reset();
        SegmentOptions write = options(SegmentMode::kWrite);
        Status opened = Segment::open(disk, write, &segment);
        if (opened.ok()) {
          const ScanResult found = recover(*segment);
          EXPECT_EQ(found.next_offset, acknowledged);
          if (sealed) {
            EXPECT_EQ(found.stop, ScanStop::kEnd);
          }
          must_append(*segment, batch);
        } else {
          EXPECT_EQ(acknowledged, 0);
        }
        // Short and interrupted calls are continued, not answered.
        EXPECT_TRUE(sealed || kind.kind == FaultKind::kError);
        if (done) break;
      }
    }
  }
}

// A write that got half way before it failed: the half holds a whole good batch, which nobody was told of.
TEST_P(SegmentAppendTest, HalfAWriteIsTakenBack) {
  if (!memory_ || backend() != SegmentBackend::kPwrite) GTEST_SKIP() << "one pwrite per append, on a disk to fail";
  FaultyKernel shortens(*memory_), fails(static_cast<Kernel&>(shortens));
  const Bytes small = make_batch({}), large = make_batch({.value_bytes = 1000});
  std::shared_ptr<Segment> segment;
  EXPECT_OK(Segment::open(fails, options(SegmentMode::kCreate), &segment));
  must_append(*segment, small);
  const CallSet pwrite = CallSet{1} << static_cast<unsigned>(Call::kPwrite);
  shortens.arm({.at = 1, .kind = FaultKind::kShort, .calls = pwrite});
  fails.arm({.at = 2, .kind = FaultKind::kError, .error_number = EIO, .calls = pwrite});
  AppendResult result;
  EXPECT_EQ(append(*segment, join({small, large}), &result).code, Code::kIo);
  EXPECT_EQ(fails.injected(), 1u);
  segment.reset();
  segment = open(options(SegmentMode::kWrite));
  EXPECT_EQ(recover(*segment).next_offset, 1);
}

}  // namespace
}  // namespace varve::test
