#include "tail/tail_waiter.h"

#include <signal.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <chrono>
#include <utility>

#include "file/bus_guard.h"
#include "tail/futex.h"

namespace varve {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kTimeoutMsMax = int64_t{24} * 3600 * 1000;
// Nothing to wait for but an interrupt: any long time will do.
constexpr int64_t kIdleNs = int64_t{3600} * 1'000'000'000;

// A slot whose page is gone counts as changed: whoever waits looks at it and finds out.
bool has_changed(const TailSlot* slot, uint64_t version) {
  BusGuard guard(slot, sizeof *slot);
  return slot->version() != version || guard.faulted();
}

void mark_watched(TailSlot* slot, uint64_t version) {
  BusGuard guard(slot, sizeof *slot);
  slot->mark_watched(version);
}

// The process's signals are for Node's own threads. Those that an instruction raises stay open, or they would kill.
void block_signals(sigset_t* before) {
  sigset_t blocked;
  sigfillset(&blocked);
  for (int signal : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&blocked, signal);
  pthread_sigmask(SIG_SETMASK, &blocked, before);
}

// Asks for short turns on the processor. A thread that was woken waits for the end of the running one's turn, 2.8 ms by
// default, unless its own is shorter (Linux from 6.12 on; older kernels ignore the wish). This thread runs for
// microseconds, and each of its delays is added to what a reader sees. Needs no privilege.
void ask_for_short_turns() {
#if defined(__linux__) && defined(SYS_sched_setattr) && defined(SYS_sched_getattr)
  struct {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns;
    uint64_t deadline_ns;
    uint64_t period_ns;
  } attributes = {};
  static_assert(sizeof attributes == 48, "the first version of the system's struct sched_attr");
  // Of this thread, 0. Another policy than the ordinary one was chosen by somebody, and knows no such wish.
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  attributes.runtime_ns = 100'000;  // the least that the system takes
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

}  // namespace

Status TailWaiter::watch(std::shared_ptr<const void> table, TailSlot* slot, bool can_mark, uint64_t version,
                         int64_t timeout_ms, uint64_t ticket) {
  {
    std::lock_guard lock(mutex_);
    if (closing_) return Status::failure(Code::kClosed, "tail watch");
    if (watches_.size() >= kWatchesMax) return Status::failure(Code::kNoMemory, "tail watch");
  }
  if (!running_) {
    // The new thread inherits the mask.
    sigset_t before;
    block_signals(&before);
    int error = pthread_create(&thread_, nullptr, run_thread, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
      Status status = Status::failure(Code::kNoMemory, "pthread_create");
      status.error_number = error;
      return status;
    }
    running_ = true;
  }
  int64_t deadline_ns = monotonic_ns() + std::clamp<int64_t>(timeout_ms, 0, kTimeoutMsMax) * kNsPerMs;
  {
    std::lock_guard lock(mutex_);
    watches_.push_back({std::move(table), slot, can_mark, version, deadline_ns, ticket});
  }
  interrupt();
  return Status::success();
}

void TailWaiter::interrupt() {
  interrupts_.fetch_add(1);
  if (futex_wait_any_supported()) {
    futex_wake_all(&interrupts_);
  } else {
    std::lock_guard lock(mutex_);
    changed_.notify_one();
  }
}

template <typename Wanted>
size_t TailWaiter::complete_where(Wanted wanted, Code code) {
  std::vector<Watch> done;
  {
    std::lock_guard lock(mutex_);
    auto first = std::partition(watches_.begin(), watches_.end(), [&](const Watch& watch) { return !wanted(watch); });
    done.assign(std::make_move_iterator(first), std::make_move_iterator(watches_.end()));
    watches_.erase(first, watches_.end());
  }
  for (const Watch& watch : done) complete_(watch.ticket, code);
  return done.size();
}

Status TailWaiter::take_back(uint64_t ticket) {
  size_t count = complete_where([&](const Watch& watch) { return watch.ticket == ticket; }, Code::kClosed);
  return count > 0 ? Status::success() : Status::failure(Code::kNotFound, "tail watch");
}

void TailWaiter::take_back_all(const void* table) {
  complete_where([&](const Watch& watch) { return watch.table.get() == table; }, Code::kClosed);
  if (!running_) return;
  // The thread may be asleep on words of this table, or in the middle of completing one of its watches.
  std::unique_lock lock(mutex_);
  const uint64_t rounds = rounds_;
  lock.unlock();
  interrupt();
  lock.lock();
  round_.wait(lock, [&] { return rounds_ != rounds; });
}

void TailWaiter::close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  if (running_) {
    interrupt();
    pthread_join(thread_, nullptr);
    running_ = false;
  }
  complete_where([](const Watch&) { return true; }, Code::kClosed);
}

void* TailWaiter::run_thread(void* self) {
  static_cast<TailWaiter*>(self)->run();
  return nullptr;
}

void TailWaiter::run() {
  ask_for_short_turns();
  int64_t poll_ns = kPollMinNs;
  std::vector<FutexWord> words;
  std::vector<std::shared_ptr<const void>> kept;  // tables whose words are slept on, so that none is unmapped meanwhile
  while (true) {
    uint32_t interrupts = interrupts_.load();
    kept.clear();
    {
      std::lock_guard lock(mutex_);
      ++rounds_;
    }
    round_.notify_all();
    size_t changed =
        complete_where([](const Watch& watch) { return has_changed(watch.slot, watch.version); }, Code::kOk);
    int64_t now = monotonic_ns();
    complete_where([&](const Watch& watch) { return watch.deadline_ns <= now; }, Code::kTimedOut);
    if (changed > 0) poll_ns = kPollMinNs;

    bool by_words = futex_wait_any_supported();
    bool polling = false;
    int64_t wake_ns = now + kIdleNs;
    words.assign(1, {&interrupts_, interrupts});
    std::unique_lock lock(mutex_);
    if (closing_) return;
    for (const Watch& watch : watches_) {
      wake_ns = std::min(wake_ns, watch.deadline_ns);
      if (by_words && watch.can_mark && words.size() < kFutexWordsMax) {
        mark_watched(watch.slot, watch.version);
        words.push_back({watch.slot->futex_word(), TailSlot::futex_value(watch.version)});
        if (kept.empty() || kept.back() != watch.table) kept.push_back(watch.table);
      } else {
        polling = true;
      }
    }
    if (polling) {
      wake_ns = std::min(wake_ns, now + poll_ns);
      poll_ns = std::min(poll_ns * 2, kPollMaxNs);
    }
    if (by_words) {
      lock.unlock();
      futex_wait_any(words.data(), words.size(), wake_ns);
    } else {
      changed_.wait_for(lock, std::chrono::nanoseconds(wake_ns - now),
                        [&] { return interrupts_.load() != interrupts; });
    }
  }
}

}  // namespace varve
