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

#include <cstddef>

namespace varve {

class BusGuard {
 public:
  BusGuard(const void* address, size_t length);
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

  // True when a page of the range could not be had since the guard was made.
  bool faulted() const;
};

}  // namespace varve
