// Appender, pretoucher, flusher and readers at once, for the thread sanitizer and for the count of bytes.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "file/flusher.h"
#include "segment/batch_check.h"
#include "test/segment_fixture.h"

namespace varve::test {
namespace {

class SegmentThreadsTest : public SegmentTest {};
INSTANTIATE_TEST_SUITE_P(Real, SegmentThreadsTest,
                         testing::Combine(testing::Values(Disk::kReal),
                                          testing::Values(SegmentBackend::kMapped, SegmentBackend::kPwrite)),
                         setup_name);

TEST_P(SegmentThreadsTest, ReadersAndFlushesRunBesideTheAppender) {
  SegmentOptions large = options(SegmentMode::kCreate);
  large.segment_bytes = 64 << 20;
  auto segment = open(large);
  constexpr int64_t kBatches = 4000;
  std::atomic<uint64_t> published{0};
  std::atomic<bool> finished{false};

  // A reader with a handle of its own, as in another thread or process: it is told the published end.
  std::thread reader([&] {
    auto own = open(options(SegmentMode::kRead));
    Bytes into(1 << 16);
    int64_t offset = 0;
    uint64_t position = 0;
    while (offset < kBatches) {
      ReadResult read;
      const uint64_t end = published.load(std::memory_order_acquire);
      const Status status = own->read(
          {.offset = offset, .position_hint = position, .end_position = end, .contiguous = true}, into, &read);
      ASSERT_TRUE(status.ok()) << status.call << " at " << status.position << " of " << end;
      ASSERT_EQ(read.base_offset, offset);
      offset = read.next_offset;
      position = read.next_position;
      if (read.bytes == 0) std::this_thread::yield();
    }
  });
  // One that is told nothing and stops at a zero length. (With pwrite a batch may be seen half written.)
  std::thread follower([&] {
    if (backend() == SegmentBackend::kPwrite) return;
    auto own = open(options(SegmentMode::kRead));
    Bytes into(1 << 16);
    int64_t offset = 0;
    uint64_t position = 0;
    while (offset < kBatches) {
      ReadResult read;
      const Status status = own->read({.offset = offset, .position_hint = position, .contiguous = true}, into, &read);
      ASSERT_TRUE(status.ok()) << status.call << " at " << status.position;
      offset = read.next_offset;
      position = read.next_position;
      if (read.bytes == 0) std::this_thread::yield();
    }
  });
  std::thread flusher([&] {
    auto threads = Flusher::shared();
    while (!finished.load()) {
      std::promise<Status> done;
      const Status asked = threads->run(
          {[segment] { return segment->flush(true, false); }, [segment] { return segment->prepare_next(); }},
          [&](const Status& status) { done.set_value(status); });
      ASSERT_TRUE(asked.ok());
      EXPECT_OK(done.get_future().get());
    }
  });

  for (int64_t i = 0; i < kBatches; ++i) {
    const AppendResult result =
        must_append(*segment, make_batch({.max_timestamp = i, .value_bytes = static_cast<size_t>(i % 3000)}));
    published.store(result.end_position, std::memory_order_release);
  }
  finished.store(true);
  reader.join();
  follower.join();
  flusher.join();
  EXPECT_OK(segment->seal());
  SegmentStats stats;
  EXPECT_OK(segment->stats(&stats));
  EXPECT_EQ(stats.file_size, stats.end_position);
  EXPECT_EQ(stats.flushed_position, stats.end_position);
  EXPECT_EQ(stats.mapped_bytes, 0u);
  EXPECT_EQ(scan_all(*segment, {.flags = kScanCheckRecords}).next_offset, kBatches);
}

TEST_P(SegmentThreadsTest, ASegmentMayGoWhileItsTailIsQueued) {
  for (int round = 0; round < 30; ++round) {
    SegmentOptions next = options(SegmentMode::kCreate, round);
    next.segment_bytes = 16 << 20;
    auto segment = open(next);
    const Bytes batch = make_batch({.value_bytes = 200000});
    for (int i = 0; i < 4; ++i) must_append(*segment, batch);
  }
}

}  // namespace
}  // namespace varve::test
