#include "file/flusher.h"

#include <utility>

namespace varve {

// What the jobs of one run() share: the last one to finish completes it.
struct Flusher::Round {
  std::mutex mutex;
  size_t left = 0;  // guarded by mutex
  Status first_failure;
  Done done;

  void finish_one(Status status) {
    {
      std::lock_guard lock(mutex);
      if (!status.ok() && first_failure.ok()) first_failure = std::move(status);
      if (--left > 0) return;
    }
    done(first_failure);
  }
};

std::shared_ptr<Flusher> Flusher::shared() {
  // Never destroyed: static destructors may run while a thread of ours still does.
  static std::mutex& mutex = *new std::mutex;
  static std::weak_ptr<Flusher>& current = *new std::weak_ptr<Flusher>;
  std::lock_guard lock(mutex);
  std::shared_ptr<Flusher> flusher = current.lock();
  if (!flusher) {
    flusher = std::make_shared<Flusher>();
    current = flusher;
  }
  return flusher;
}

Flusher::~Flusher() {
  std::deque<Task> abandoned;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    abandoned.swap(waiting_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  for (Task& task : abandoned) task.round->finish_one(Status::failure(Code::kClosed, "flusher"));
}

Status Flusher::run(std::vector<Job> jobs, Done done) {
  if (jobs.empty()) {
    done(Status::success());
    return Status::success();
  }
  auto round = std::make_shared<Round>();
  round->left = jobs.size();
  round->done = std::move(done);
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() + jobs.size() > kFlusherMaxWaiting) return Status::failure(Code::kNoMemory, "flusher queue");
    for (Job& job : jobs) waiting_.push_back({std::move(job), round});
    while (threads_.size() < kFlusherThreads && idle_ < waiting_.size()) {
      threads_.emplace_back([this] { work(); });
      ++idle_;
    }
  }
  if (jobs.size() == 1) {
    wake_.notify_one();
  } else {
    wake_.notify_all();
  }
  return Status::success();
}

void Flusher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    --idle_;
    lock.unlock();
    Status status = task.job();
    task.job = nullptr;  // lets go of what the job held before anybody hears of its end
    task.round->finish_one(std::move(status));
    task.round.reset();
    lock.lock();
    ++idle_;
  }
}

}  // namespace varve
