// BusGuard: turns bus errors in one address range into an answer, for one thread and one scope.
//
// Touching a mapped page that cannot be had (the file was cut by somebody else, the disk answers an I/O error, a
// sparse file on a full disk) is a SIGBUS, which ends the process. While a BusGuard lives on a thread, such a signal
// for an address inside its range maps an anonymous zero page over the faulting one, notes it, and lets the
// instruction run again; afterwards the code asks faulted(). No jump leaves a scope, so destructors and locks are safe.
//
// What a fault costs: that page of the mapping is no longer the file's. Bytes stored there are lost, bytes loaded from
// there are zero. The owner (Mapping) therefore never uses the mapping again.
//
// The handler is installed once, before the first guard. A SIGBUS that is not ours (other address, other thread,
// sent by kill()) goes to whoever had the signal before, with the same arguments; if that was the default, the
// process ends as it would have without us. No other signal is touched. Somebody who installs a SIGBUS handler
// later and does not chain to ours takes the protection away.
//
// Threads: a guard belongs to the thread that made it. One at a time per thread. The handler only touches that
// thread's own variable and calls mmap, both safe in a signal handler.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/check.h"

namespace varve {

// A thread's guarded range, which the handler looks at. `volatile`: the handler interrupts its own thread, so the
// compiler must keep the order, but no other processor ever looks.
struct GuardedRange {
  volatile uintptr_t start = 0;
  volatile uintptr_t end = 0;  // exclusive; start == end: no guard
  volatile bool faulted = false;
  bool handled = false;  // the handler is installed, as far as this thread knows
};

// Looked up in a signal handler. In a loaded library glibc would otherwise make a thread's copy at first touch, with
// malloc, which a handler may not call; musl makes all copies when the library is loaded. (constinit: without it every
// access from another file would be a call.)
#if defined(__GLIBC__)
__attribute__((tls_model("initial-exec")))
#endif
extern thread_local constinit GuardedRange t_guarded;

// Inline: an append of a small batch takes tens of nanoseconds, and this is a few loads and stores of them.
class BusGuard {
 public:
  BusGuard(const void* address, size_t length) {
    if (!t_guarded.handled) [[unlikely]]
      install();
    check(t_guarded.start == t_guarded.end, "a thread has one bus guard at a time");
    t_guarded.faulted = false;
    t_guarded.start = reinterpret_cast<uintptr_t>(address);
    t_guarded.end = reinterpret_cast<uintptr_t>(address) + length;
    fence();
  }
  ~BusGuard() {
    fence();
    t_guarded.end = 0;  // first: at no instant is the range wider than it was
    t_guarded.start = 0;
  }
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

  // True when a page of the range could not be had since the guard was made.
  bool faulted() const {
    fence();
    return t_guarded.faulted;
  }

 private:
  // Installs the handler, once in the process.
  [[gnu::cold]] static void install();
  // Keeps the compiler from moving the guarded accesses out of the guard. The processor needs no more: a thread sees
  // its own stores in order, in its handlers too.
  static void fence() { std::atomic_signal_fence(std::memory_order_seq_cst); }
};

}  // namespace varve
