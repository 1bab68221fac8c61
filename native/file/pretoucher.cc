#include "file/pretoucher.h"

#include <utility>

namespace varve {

std::shared_ptr<Pretoucher> Pretoucher::shared() {
  // Never destroyed: static destructors may run while the thread still does.
  static std::mutex& mutex = *new std::mutex;
  static std::weak_ptr<Pretoucher>& current = *new std::weak_ptr<Pretoucher>;
  std::lock_guard lock(mutex);
  std::shared_ptr<Pretoucher> pretoucher = current.lock();
  if (!pretoucher) {
    pretoucher = std::make_shared<Pretoucher>();
    current = pretoucher;
  }
  return pretoucher;
}

Pretoucher::~Pretoucher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Pretoucher::wake(std::shared_ptr<Pretouchable> target) {
  if (target->queued_.exchange(true, std::memory_order_acq_rel)) return;
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(target));
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  }
  wake_.notify_one();
}

void Pretoucher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    std::shared_ptr<Pretouchable> target = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    // Cleared before the work, so that a wake() that comes in its midst is not lost; an exchange, so that the work sees
    // what the last caller of wake() did before.
    target->queued_.exchange(false, std::memory_order_acq_rel);
    target->pretouch();
    target.reset();
    lock.lock();
  }
}

}  // namespace varve
