// The table of tails, its slots under a racing writer, and the waiter. The racing tests are meant for ThreadSanitizer,
// which must find nothing, and for an optimizing build, where a torn read would show.
#include "tail/tail_table.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "file/memory_kernel.h"
#include "tail/futex.h"
#include "tail/tail_waiter.h"

namespace varve {
namespace {

std::shared_ptr<Kernel> system_kernel() {
  return {&real_kernel(), [](Kernel*) {}};
}

class TailTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "varve-tail-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<TailTable> open(TailTable::Access access, std::shared_ptr<Kernel> kernel = system_kernel()) {
    std::shared_ptr<TailTable> table;
    const Status status = TailTable::open(std::move(kernel), folder_ + "/tails", access, &table);
    EXPECT_TRUE(status.ok()) << status.call << " " << status.error_number;
    return table;
  }
  std::shared_ptr<TailTable> writer() { return open(TailTable::Access::kWrite); }
  std::shared_ptr<TailTable> reader() { return open(TailTable::Access::kRead); }

  static TailSlot* slot_of(TailTable& table, std::string_view name) {
    uint32_t index = 0;
    const Status status = table.slot_of(name, &index);
    EXPECT_TRUE(status.ok()) << status.call;
    return table.slot(index);
  }

  std::string folder_;
};

TEST_F(TailTest, TheLockFallsWithItsReleaseThoughSomebodyElseHoldsTheTable) {
  const auto memory = std::make_shared<MemoryKernel>();
  ASSERT_EQ(memory->mkdir("/disk", 0755), 0);
  const std::shared_ptr<Kernel> kernels[] = {system_kernel(), memory};
  const std::string paths[] = {folder_ + "/tails", "/disk/tails"};
  for (int i = 0; i < 2; ++i) {
    std::shared_ptr<TailTable> first;
    ASSERT_TRUE(TailTable::open(kernels[i], paths[i], TailTable::Access::kWrite, &first).ok());
    const std::shared_ptr<TailTable> of_a_job = first;
    first->release();
    std::shared_ptr<TailTable> second;
    EXPECT_TRUE(TailTable::open(kernels[i], paths[i], TailTable::Access::kWrite, &second).ok()) << paths[i];
    EXPECT_NE(slot_of(*of_a_job, "still mapped"), nullptr);
  }
}

// All fields of one publication are made from one number, so that a mix of two of them shows.
TailFields fields_of(int64_t number) {
  TailFields fields;
  fields.generation = static_cast<uint64_t>(number);
  fields.segment_base_offset = fields.end_position = fields.log_start_offset = fields.log_end_offset = number;
  fields.high_watermark = fields.last_stable_offset = fields.flushed_offset = number;
  fields.leader_epoch = static_cast<int32_t>(number);
  return fields;
}

bool is_whole(const TailFields& fields) {
  const int64_t number = fields.segment_base_offset;
  return fields.generation == static_cast<uint64_t>(number) && fields.end_position == number &&
         fields.log_start_offset == number && fields.log_end_offset == number && fields.high_watermark == number &&
         fields.last_stable_offset == number && fields.flushed_offset == number && fields.leader_epoch == number;
}

TEST_F(TailTest, ReadersNeverSeeAMixOfTwoPublications) {
  constexpr int64_t kPublications = 50'000;
  auto table = writer();
  TailSlot* slot = slot_of(*table, "log");
  slot->publish_fields(fields_of(0));
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::atomic<int> backwards{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, i] {
      // The first through the writer's own mapping: ThreadSanitizer knows memory by its address.
      auto mine = i == 0 ? table : reader();
      TailSlot* seen = slot_of(*mine, "log");
      TailView before;
      while (!done.load()) {
        TailView view;
        if (!seen->read(&view)) continue;
        if (!is_whole(view.fields)) ++torn;
        if (view.version < before.version || view.fields.end_position < before.fields.end_position) ++backwards;
        before = view;
      }
    });
  }
  for (int64_t i = 1; i <= kPublications; ++i) {
    slot->publish_fields(fields_of(i));
    if (i % 256 == 0) std::this_thread::yield();
  }
  done = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(backwards, 0);
}

TEST_F(TailTest, PublishingAnEndLeavesTheOtherFieldsAlone) {
  auto table = writer();
  TailSlot* slot = slot_of(*table, "log");
  slot->publish_fields(fields_of(5));
  EXPECT_FALSE(slot->publish_end(6, 7, 8));
  TailView view;
  ASSERT_TRUE(slot->read(&view));
  EXPECT_EQ(view.fields.segment_base_offset, 6);
  EXPECT_EQ(view.fields.end_position, 7);
  EXPECT_EQ(view.fields.log_end_offset, 8);
  EXPECT_EQ(view.fields.flushed_offset, 5);
}

TEST_F(TailTest, AWriterKilledInsideAWriteLeavesASlotThatReadersGiveUpOnUntilTheNextWriter) {
  auto table = writer();
  uint32_t index = 0;
  ASSERT_TRUE(table->slot_of("log", &index).ok());
  table->slot(index)->publish_fields(fields_of(1));
  const uint64_t before = table->slot(index)->version();
  table.reset();
  // What the death between the two stores of the version leaves behind.
  const uint64_t odd = before + 1;
  FILE* file = ::fopen((folder_ + "/tails").c_str(), "r+b");
  ::fseek(file, static_cast<long>(sizeof(TailSlot) * (index + 1)), SEEK_SET);
  ASSERT_EQ(::fwrite(&odd, sizeof odd, 1, file), 1u);
  ::fclose(file);

  auto reading = reader();
  uint32_t found = 0;
  TailView view;
  EXPECT_EQ(reading->slot_of("log", &found).code, Code::kNotFound);  // no consistent key either
  auto next = writer();
  ASSERT_TRUE(reading->slot_of("log", &found).ok());
  EXPECT_EQ(found, index);
  ASSERT_TRUE(reading->slot(found)->read(&view));
  EXPECT_GT(view.version, odd);
  EXPECT_EQ(view.fields.end_position, -1);
  EXPECT_EQ(view.epoch, next->own_epoch());
}

TEST_F(TailTest, AReaderGivesUpOnATornSlotAfterABoundedNumberOfTries) {
  alignas(64) unsigned char memory[sizeof(TailSlot)] = {};
  const uint64_t odd = 77;
  std::memcpy(memory, &odd, sizeof odd);
  TailView view;
  EXPECT_FALSE(reinterpret_cast<TailSlot*>(memory)->read(&view));
  EXPECT_EQ(view.version, odd);
}

TEST_F(TailTest, AMarkOfADeadWatcherCostsOneFutileWake) {
  auto table = writer();
  TailSlot* slot = slot_of(*table, "log");
  EXPECT_FALSE(slot->publish_end(0, 1, 1));
  slot->mark_watched(slot->version());  // and dies
  EXPECT_TRUE(slot->publish_end(0, 2, 2));
  slot->wake();
  EXPECT_FALSE(slot->publish_end(0, 3, 3));
}

TEST_F(TailTest, AMarkForTheVersionThatStandsOutlivesAWake) {
  auto table = writer();
  TailSlot* slot = slot_of(*table, "log");
  slot->publish_end(0, 1, 1);
  // A watcher that has seen this end already, just before the writer's late wake for it.
  slot->mark_watched(slot->version());
  slot->wake();
  EXPECT_TRUE(slot->is_watched());
  EXPECT_TRUE(slot->publish_end(0, 2, 2));
}

TEST_F(TailTest, AMarkFromADamagedFileGoesAway) {
  auto table = writer();
  TailSlot* slot = slot_of(*table, "log");
  slot->mark_watched(~uint64_t{0} - 1);
  slot->mark_watched(slot->version());  // cannot lower it
  EXPECT_TRUE(slot->publish_end(0, 1, 1));
  slot->wake();
  EXPECT_FALSE(slot->is_watched());
}

TEST(SlotKey, TellsNamesApart) {
  const std::string long_name(249, 'a');
  const std::string names[] = {"",
                               std::string(1, '\0'),
                               "a",
                               std::string("a\0", 2),
                               std::string(31, 'a'),
                               std::string(32, 'a'),
                               long_name,
                               long_name + "-0",
                               long_name + "-1"};
  for (size_t i = 0; i < std::size(names); ++i) {
    EXPECT_FALSE(slot_key(names[i]) == SlotKey{}) << "a free slot must not look like a log's";
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(slot_key(names[i]) == slot_key(names[j])) << i << " " << j;
  }
}

TEST_F(TailTest, GrowsToItsLastSlotAndThenSaysNo) {
  // On a simulated disk, because the point is the arithmetic of the extents.
  auto kernel = std::make_shared<MemoryKernel>();
  std::shared_ptr<TailTable> table;
  ASSERT_TRUE(TailTable::open(kernel, "/tails", TailTable::Access::kWrite, &table).ok());
  // Claiming looks through all slots, so the count is set instead of claimed one by one.
  uint32_t index = 0;
  ASSERT_TRUE(table->slot_of("first", &index).ok());
  table.reset();
  int fd = kernel->open("/tails", O_RDWR, 0);
  ASSERT_EQ(kernel->allocate(fd, 0, TailTable::kFirstBytes << (TailTable::kExtentsMax - 1)), 0);
  const uint32_t count = TailTable::kSlotsMax - 1;
  ASSERT_EQ(kernel->pwrite(fd, &count, sizeof count, 24), static_cast<int64_t>(sizeof count));
  kernel->close(fd);
  ASSERT_TRUE(TailTable::open(kernel, "/tails", TailTable::Access::kWrite, &table).ok());
  ASSERT_TRUE(table->slot_of("last", &index).ok());
  EXPECT_EQ(index, TailTable::kSlotsMax - 1);
  EXPECT_EQ(table->slot_of("one more", &index).code, Code::kNoSpace);
  ASSERT_TRUE(table->slot_of("first", &index).ok());
  EXPECT_EQ(index, 0u);
  EXPECT_EQ(table->slot(TailTable::kSlotsMax), nullptr);
  EXPECT_EQ(table->slot(~0u), nullptr);
}

// Completions of a waiter, to be awaited.
class Completions {
 public:
  TailWaiter::Completion sink() {
    return [this](uint64_t ticket, Code code) {
      std::lock_guard lock(mutex_);
      seen_.emplace_back(ticket, code);
      arrived_.notify_all();
    };
  }
  std::vector<std::pair<uint64_t, Code>> await(size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, std::chrono::seconds(20), [&] { return seen_.size() >= count; });
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::pair<uint64_t, Code>> seen_;
};

TEST_F(TailTest, NoWakeIsLostOverManyTurns) {
  constexpr uint64_t kTurns = 2000;
  auto table = writer();
  auto reading = reader();
  TailSlot* slot = slot_of(*table, "log");
  TailSlot* seen = slot_of(*reading, "log");
  Completions completions;
  TailWaiter waiter(completions.sink());
  std::atomic<uint64_t> asked{0};
  // Publishes at a moment that moves through the setting up of the watch: before its mark, between mark and sleep,
  // later.
  std::thread writing([&] {
    for (uint64_t turn = 1; turn <= kTurns; ++turn) {
      while (asked.load() < turn) std::this_thread::yield();
      for (uint64_t delay = turn % 64 * 50; delay > 0; --delay) asm volatile("");
      slot->publish_end(0, static_cast<int64_t>(turn), static_cast<int64_t>(turn));
      slot->wake();
    }
  });
  // A lost wake would show as a time-out.
  for (uint64_t turn = 1; turn <= kTurns; ++turn) {
    const uint64_t version = seen->version();
    asked = turn;
    EXPECT_TRUE(waiter.watch(reading, seen, true, version, 5'000, turn).ok());
    const auto all = completions.await(turn);
    EXPECT_EQ(all.size(), turn);
    EXPECT_EQ(all.back().second, Code::kOk) << "turn " << turn;
    if (HasFailure()) break;
  }
  asked = kTurns;
  writing.join();
}

TEST_F(TailTest, EveryWatchIsCompletedOnce) {
  auto table = writer();
  auto reading = reader();
  TailSlot* slot = slot_of(*table, "log");
  TailSlot* seen = slot_of(*reading, "log");
  Completions completions;
  TailWaiter waiter(completions.sink());
  const uint64_t version = seen->version();
  ASSERT_TRUE(waiter.watch(reading, seen, true, version, 5, 1).ok());
  EXPECT_EQ(completions.await(1).back(), (std::pair<uint64_t, Code>(1, Code::kTimedOut)));
  ASSERT_TRUE(waiter.watch(reading, seen, true, version, 60'000, 2).ok());
  ASSERT_TRUE(waiter.take_back(2).ok());
  EXPECT_EQ(completions.await(2).back(), (std::pair<uint64_t, Code>(2, Code::kClosed)));
  EXPECT_EQ(waiter.take_back(2).code, Code::kNotFound);
  ASSERT_TRUE(waiter.watch(reading, seen, true, version, 60'000, 3).ok());
  waiter.take_back_all(reading.get());
  EXPECT_EQ(completions.await(3).back(), (std::pair<uint64_t, Code>(3, Code::kClosed)));
  ASSERT_TRUE(waiter.watch(reading, seen, true, version, 60'000, 4).ok());
  waiter.close();
  EXPECT_EQ(completions.await(4).back(), (std::pair<uint64_t, Code>(4, Code::kClosed)));
  EXPECT_EQ(waiter.watch(reading, seen, true, version, 1, 5).code, Code::kClosed);
  EXPECT_EQ(completions.await(4).size(), 4u);
  slot->wake();
}

TEST_F(TailTest, WatchesThatCannotBeMarkedArePolled) {
  auto table = writer();
  auto reading = reader();
  TailSlot* slot = slot_of(*table, "log");
  TailSlot* seen = slot_of(*reading, "log");
  Completions completions;
  TailWaiter waiter(completions.sink());
  ASSERT_TRUE(waiter.watch(reading, seen, false, seen->version(), 20'000, 1).ok());
  EXPECT_FALSE(slot->publish_end(0, 1, 1)) << "nobody left a mark";
  EXPECT_EQ(completions.await(1).back(), (std::pair<uint64_t, Code>(1, Code::kOk)));
}

TEST_F(TailTest, AWatchKeepsItsTableWhileOthersCloseIt) {
  auto table = writer();
  slot_of(*table, "log");
  Completions completions;
  TailWaiter waiter(completions.sink());
  for (uint64_t round = 1; round <= 50; ++round) {
    auto reading = reader();
    TailSlot* seen = slot_of(*reading, "log");
    ASSERT_TRUE(waiter.watch(reading, seen, true, seen->version(), 60'000, round).ok());
    const TailTable* name = reading.get();
    reading.reset();  // the watch has the last reference
    waiter.take_back_all(name);
    ASSERT_EQ(completions.await(round).size(), round);
  }
}

TEST_F(TailTest, AWritersLockFallsWithItsTableEvenWhileTheWaiterSleepsOnIt) {
  Completions completions;
  TailWaiter waiter(completions.sink());
  for (uint64_t round = 1; round <= 50; ++round) {
    auto table = writer();
    ASSERT_NE(table, nullptr) << "round " << round;
    TailSlot* slot = slot_of(*table, "log");
    ASSERT_TRUE(waiter.watch(table, slot, true, slot->version(), 60'000, round).ok());
    if (round % 2 == 0) std::this_thread::yield();
    const TailTable* name = table.get();
    waiter.take_back_all(name);
    table.reset();
  }
}

TEST_F(TailTest, AnotherProcessIsWokenAndSeesAWriterDie) {
  auto reading_first = writer();
  slot_of(*reading_first, "log");
  reading_first.reset();
  auto reading = reader();
  TailSlot* seen = slot_of(*reading, "log");
  const uint64_t version = seen->version();
  const pid_t child = ::fork();
  if (child == 0) {
    std::shared_ptr<TailTable> table;
    if (!TailTable::open(system_kernel(), folder_ + "/tails", TailTable::Access::kWrite, &table).ok()) ::_exit(1);
    for (;;) ::pause();
  }
  Completions completions;
  TailWaiter waiter(completions.sink());
  ASSERT_TRUE(waiter.watch(reading, seen, true, version, 20'000, 1).ok());
  EXPECT_EQ(completions.await(1).back().second, Code::kOk);  // the new writer's reset
  bool alive = false;
  ASSERT_TRUE(reading->writer_alive(&alive).ok());
  EXPECT_TRUE(alive);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(reading->writer_alive(&alive).ok());
  EXPECT_FALSE(alive);
}

}  // namespace
}  // namespace varve
