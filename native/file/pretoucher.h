// Pretoucher: one thread of the process that makes pages ready ahead of the tails of mapped files, so that an append
// meets neither a page fault nor the kernel's throttling of writers.
//
// It knows nothing about segments: somebody who nears the end of what is ready hands itself in with wake(), and gets
// one call of pretouch() from the thread, which works in bounded steps up to a bounded distance.
//
// Owner: like the Flusher, a shared_ptr; the last holder's release joins the thread. What is queued is kept alive by
// the queue and must not itself hold the Pretoucher. Bounds: a Pretouchable is queued at most once at a time, so the
// queue is never longer than there are mapped tails.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace varve {

class Pretouchable {
 public:
  virtual ~Pretouchable() = default;
  // On the pretoucher's thread. Failures are not reported: the appender meets them itself when it gets there.
  virtual void pretouch() = 0;

 private:
  friend class Pretoucher;
  std::atomic<bool> queued_{false};
};

class Pretoucher {
 public:
  static std::shared_ptr<Pretoucher> shared();
  Pretoucher() = default;
  ~Pretoucher();
  Pretoucher(const Pretoucher&) = delete;
  Pretoucher& operator=(const Pretoucher&) = delete;

  // Any thread. Costs a lock and perhaps a futex wake: call it once per step, not per append.
  void wake(std::shared_ptr<Pretouchable> target);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Pretouchable>> waiting_;  // guarded by mutex_
  std::thread thread_;                                 // guarded by mutex_; started by the first wake()
  bool stopping_ = false;                              // guarded by mutex_
};

}  // namespace varve
