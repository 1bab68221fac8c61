// TailWaiter: one thread that sleeps for everybody who waits for a slot to change.
//
// Each watch says: tell me when the version of this slot is no longer `version`, or when the deadline has passed. Every
// watch that was accepted is completed exactly once: kOk (it changed), kTimedOut, or kClosed (taken back). At most
// kWatchesMax at a time; the thread is started by the first.
//
// Where the kernel can wait on many words at once, up to kFutexWordsMax - 1 watches are woken by the writer and cost
// nothing meanwhile. What lies beyond that number, slots that cannot be marked (a read-only mapping), and all of them
// on other systems are polled every kPollMinNs to kPollMaxNs, slower the longer nothing happens.
//
// Owner: one environment of the binding. Threads: all methods from the owner's thread; completions are called on the
// waiter's own thread, or inside `take_back` and `close` on the owner's, never under the lock. `close` joins the
// thread.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/status.h"
#include "tail/tail_slot.h"

namespace varve {

class TailWaiter {
 public:
  using Completion = std::function<void(uint64_t ticket, Code code)>;

  static constexpr size_t kWatchesMax = 65536;
  static constexpr int64_t kPollMinNs = 500'000;
  static constexpr int64_t kPollMaxNs = 20'000'000;

  explicit TailWaiter(Completion complete) : complete_(std::move(complete)) {}
  ~TailWaiter() { close(); }
  TailWaiter(const TailWaiter&) = delete;
  TailWaiter& operator=(const TailWaiter&) = delete;

  // Watches `slot`, which lives in memory that `table` keeps. `can_mark`: the slot's memory may be written.
  // kNoMemory when there are too many watches or no thread can be had: then nothing was accepted.
  Status watch(std::shared_ptr<const void> table, TailSlot* slot, bool can_mark, uint64_t version, int64_t timeout_ms,
               uint64_t ticket);
  // Completes a watch with kClosed now. kNotFound when there is none of this ticket: it has been completed already.
  Status take_back(uint64_t ticket);
  // The same for all watches of a table. When it returns, the waiter no longer holds the table: the owner's reference
  // may be the last one, and a writer's lock falls with it.
  void take_back_all(const void* table);
  // Completes everything with kClosed and ends the thread. Idempotent; watches are refused from then on.
  void close();

 private:
  struct Watch {
    std::shared_ptr<const void> table;
    TailSlot* slot;
    bool can_mark;
    uint64_t version;
    int64_t deadline_ns;
    uint64_t ticket;
  };

  static void* run_thread(void* self);
  void run();
  // Takes out all watches for which `wanted` is true and completes them with `code`.
  template <typename Wanted>
  size_t complete_where(Wanted wanted, Code code);
  void interrupt();

  const Completion complete_;
  std::mutex mutex_;
  std::condition_variable changed_;      // wakes the thread where it cannot sleep on words
  std::atomic<uint32_t> interrupts_{0};  // the word that wakes it where it can
  std::vector<Watch> watches_;           // under mutex_
  bool closing_ = false;                 // under mutex_
  uint64_t rounds_ = 0;                  // under mutex_: how often the thread has let go of all tables
  std::condition_variable round_;        // rounds_ has changed
  bool running_ = false;                 // the owner's
  pthread_t thread_{};
};

}  // namespace varve
