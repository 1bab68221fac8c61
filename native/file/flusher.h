// Flusher: the process's own few threads for work on files that waits for the disk: flushes, seals, copies, unlinks.
//
// Work comes in rounds: a list of jobs that may run at the same time and in any order, and one completion for all of
// them. Whoever waits on many dirty logs asks for one round. Libuv's pool is not used: it has four threads and belongs
// to the user.
//
// Owner: whoever holds the shared_ptr; shared() gives all environments of a process the same one. The last holder's
// release joins the threads: running jobs finish, those not yet started are answered kClosed. A job therefore must not
// hold the Flusher, and holds (by shared_ptr) everything it touches, because the environment that asked may be gone.
//
// Threads: any thread may call run(). Jobs and completions run on a flusher thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.h"

namespace varve {

// Four flushes in flight keep a disk's queue busy: 64 files took 11.4 ms one after the other, and 3.4 ms even with 16
// threads. More would only add stacks, since the file system's journal commits them together anyway.
constexpr size_t kFlusherThreads = 4;
// Jobs waiting. A caller has one flush per log in flight, so this is more logs than file descriptors allow.
constexpr size_t kFlusherMaxWaiting = size_t{1} << 17;

class Flusher {
 public:
  using Job = std::function<Status()>;
  // Called once, with success when all jobs succeeded, else with the first failure that was seen.
  using Done = std::function<void(const Status&)>;

  static std::shared_ptr<Flusher> shared();
  Flusher() = default;
  ~Flusher();
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  // An empty round completes on the calling thread. kNoMemory (and `done` is never called) when too many jobs wait.
  Status run(std::vector<Job> jobs, Done done);

 private:
  struct Round;
  struct Task {
    Job job;
    std::shared_ptr<Round> round;
  };

  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> waiting_;          // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_; started as jobs need them
  size_t idle_ = 0;                   // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
};

}  // namespace varve
