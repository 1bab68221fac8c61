// Sleeping on words of memory that other processes write. Linux only; elsewhere watchers poll (see tail_waiter.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

struct FutexWord {
  const void* address;  // 4-byte aligned
  uint32_t value;       // sleep only while the word holds this
};

// The kernel's own limit for one wait.
constexpr size_t kFutexWordsMax = 128;

// Whether futex_wait_any works here (Linux 5.16 on). Asked of the kernel once.
bool futex_wait_any_supported();

// Sleeps until one of the words is woken or differs from its value, `deadline_ns` of the monotonic clock has passed, or
// for no reason at all: the caller looks for itself. `count` is 1 to kFutexWordsMax.
void futex_wait_any(const FutexWord* words, size_t count, int64_t deadline_ns);

// Wakes all who sleep on the word, in any process. A few microseconds.
void futex_wake_all(const void* word);

int64_t monotonic_ns();

}  // namespace varve
