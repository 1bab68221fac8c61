#include "binding/completion_queue.h"

#include <utility>

namespace varve {

bool CompletionQueue::start(napi_env env, void (*deliver)(void* context), void* context) {
  env_ = env;
  deliver_ = deliver;
  context_ = context;
  napi_value name;
  if (napi_create_string_utf8(env, "varve completions", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, call_js, &function_) !=
      napi_ok) {
    return false;
  }
  return napi_unref_threadsafe_function(env, function_) == napi_ok;
}

void CompletionQueue::call_js(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // torn down; the queue may be gone
  CompletionQueue* queue = static_cast<CompletionQueue*>(context);
  queue->deliver_(queue->context_);
}

bool CompletionQueue::open_ticket(bool keeps_alive) {
  if (open_ >= kTicketsMax) return false;
  ++open_;
  if (keeps_alive && keeping_alive_++ == 0) napi_ref_threadsafe_function(env_, function_);
  return true;
}

void CompletionQueue::abandon_ticket(bool keeps_alive) {
  --open_;
  if (keeps_alive && --keeping_alive_ == 0) napi_unref_threadsafe_function(env_, function_);
}

void CompletionQueue::take(std::vector<Completion>* completions) {
  completions->clear();
  {
    std::lock_guard lock(mutex_);
    completions->swap(finished_);
    signalled_ = false;
  }
  for (const Completion& completion : *completions) abandon_ticket(completion.keeps_alive);
}

void CompletionQueue::finish(double ticket, Status status, bool keeps_alive) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  finished_.push_back({ticket, std::move(status), keeps_alive});
  if (signalled_) return;
  signalled_ = true;
  // Never blocks: its own queue is unbounded and holds at most this one call.
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

bool CompletionQueue::begin_job() {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  ++jobs_;
  return true;
}

void CompletionQueue::end_job() {
  std::lock_guard lock(mutex_);
  if (--jobs_ == 0) idle_.notify_all();
}

void CompletionQueue::close() {
  {
    std::unique_lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    finished_.clear();
    idle_.wait(lock, [this] { return jobs_ == 0; });
  }
  // Outside the lock; nobody else uses it once `closed_` is set.
  if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
}

}  // namespace varve
