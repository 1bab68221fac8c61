// The flusher's promises: one completion per round, the first failure, and an end that joins.
#include "file/flusher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>

namespace varve {
namespace {

TEST(FlusherTest, ARoundCompletesOnceAfterAllOfItsJobs) {
  Flusher flusher;
  std::atomic<int> ran{0};
  std::promise<int> done;
  std::vector<Flusher::Job> jobs(50, [&] {
    ran.fetch_add(1);
    return Status::success();
  });
  EXPECT_TRUE(flusher
                  .run(jobs,
                       [&](const Status& status) {
                         EXPECT_TRUE(status.ok());
                         done.set_value(ran.load());  // a second call would abort
                       })
                  .ok());
  EXPECT_EQ(done.get_future().get(), 50);
}

TEST(FlusherTest, AFailureAnswersForItsRoundAndNoOther) {
  Flusher flusher;
  std::promise<Status> failed, fine;
  EXPECT_TRUE(
      flusher
          .run({[] { return Status::success(); }, [] { return Status::failure(Code::kIo, "fdatasync", "x", 7); },
                [] { return Status::success(); }},
               [&](const Status& status) { failed.set_value(status); })
          .ok());
  EXPECT_TRUE(
      flusher.run({[] { return Status::success(); }}, [&](const Status& status) { fine.set_value(status); }).ok());
  const Status status = failed.get_future().get();
  EXPECT_EQ(status.code, Code::kIo);
  EXPECT_EQ(status.path, "x");
  EXPECT_EQ(status.position, 7u);
  EXPECT_TRUE(fine.get_future().get().ok());
}

TEST(FlusherTest, AnEmptyRoundCompletesAtOnce) {
  Flusher flusher;
  bool done = false;
  EXPECT_TRUE(flusher.run({}, [&](const Status&) { done = true; }).ok());
  EXPECT_TRUE(done);
}

TEST(FlusherTest, RunsNoMoreThanItsThreadsAtOnce) {
  Flusher flusher;
  std::atomic<size_t> running{0}, most{0};
  std::promise<void> done;
  std::vector<Flusher::Job> jobs(64, [&] {
    const size_t now = running.fetch_add(1) + 1;
    size_t seen = most.load();
    while (seen < now && !most.compare_exchange_weak(seen, now)) {
    }
    std::this_thread::yield();
    running.fetch_sub(1);
    return Status::success();
  });
  EXPECT_TRUE(flusher.run(jobs, [&](const Status&) { done.set_value(); }).ok());
  done.get_future().get();
  EXPECT_LE(most.load(), kFlusherThreads);
}

TEST(FlusherTest, TheEndWaitsForRunningJobsAndAnswersTheOthers) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<size_t> started{0};
  std::promise<void> all_started;
  std::atomic<int> completed{0};
  Status last;
  {
    auto flusher = std::make_unique<Flusher>();
    std::vector<Flusher::Job> blocking(kFlusherThreads, [&] {
      if (started.fetch_add(1) + 1 == kFlusherThreads) all_started.set_value();
      released.wait();
      return Status::success();
    });
    EXPECT_TRUE(flusher
                    ->run(blocking,
                          [&](const Status& status) {
                            EXPECT_TRUE(status.ok());
                            ++completed;
                          })
                    .ok());
    all_started.get_future().get();
    auto held = std::make_shared<int>(1);
    std::weak_ptr<int> watched = held;
    EXPECT_TRUE(flusher
                    ->run({[held] { return Status::success(); }},
                          [&](const Status& status) {
                            last = status;
                            ++completed;
                          })
                    .ok());
    held.reset();
    std::thread ender([&] { flusher.reset(); });
    release.set_value();
    ender.join();
    EXPECT_TRUE(watched.expired());
  }
  EXPECT_EQ(completed.load(), 2);
  EXPECT_TRUE(last.ok() || last.code == Code::kClosed);
}

TEST(FlusherTest, OneIsSharedWhileSomebodyHoldsIt) {
  auto first = Flusher::shared();
  EXPECT_EQ(first, Flusher::shared());
  std::promise<void> done;
  EXPECT_TRUE(first->run({[] { return Status::success(); }}, [&](const Status&) { done.set_value(); }).ok());
  done.get_future().get();
  first.reset();
  EXPECT_NE(Flusher::shared(), nullptr);
}

}  // namespace
}  // namespace varve
