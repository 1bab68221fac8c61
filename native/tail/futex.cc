#include "tail/futex.h"

#include <time.h>

#if defined(__linux__)
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

namespace varve {

int64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

#if defined(__linux__)

namespace {

// As in <linux/futex.h> since 5.16; written out because release builds use older headers.
struct Waiter {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
constexpr uint32_t kFutex32Bits = 2;
constexpr long kFutexWaitv = 449;  // the same number on every architecture

bool ask_kernel() {
  // No waiters: a kernel that knows the call says EINVAL. (A sandbox may say EPERM: then it cannot be used either.)
  return syscall(kFutexWaitv, nullptr, 0, 0, nullptr, CLOCK_MONOTONIC) == -1 && errno == EINVAL;
}

}  // namespace

bool futex_wait_any_supported() {
  static const bool supported = ask_kernel();
  return supported;
}

void futex_wait_any(const FutexWord* words, size_t count, int64_t deadline_ns) {
  Waiter waiters[kFutexWordsMax];
  for (size_t i = 0; i < count; ++i) {
    waiters[i] = {words[i].value, reinterpret_cast<uint64_t>(words[i].address), kFutex32Bits, 0};
  }
  timespec deadline;
  deadline.tv_sec = static_cast<time_t>(deadline_ns / 1'000'000'000);
  deadline.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000);
  syscall(kFutexWaitv, waiters, count, 0, &deadline, CLOCK_MONOTONIC);
}

void futex_wake_all(const void* word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0); }

#else

bool futex_wait_any_supported() { return false; }
void futex_wait_any(const FutexWord*, size_t, int64_t) {}
void futex_wake_all(const void*) {}

#endif

}  // namespace varve
