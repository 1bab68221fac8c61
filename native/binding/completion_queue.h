// CompletionQueue: the way back from other threads into one JavaScript environment.
//
// Every ticket that was opened is finished exactly once, from any thread; the environment's thread then takes all that
// has gathered and tells JavaScript. While a ticket is open that `keeps_alive`, Node's event loop stays alive.
//
// Bounded by the open tickets, of which there are at most kTicketsMax.
// Lifecycle: made with its environment and shared with every job. `close` ends it: nothing reaches the environment any
// more, and it returns only when no job that may touch files is running. So a lock that is freed afterwards is not
// freed under a job that still writes.
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/status.h"

namespace varve {

struct Completion {
  double ticket;
  Status status;
  bool keeps_alive;
};

class CompletionQueue {
 public:
  static constexpr size_t kTicketsMax = size_t{1} << 20;

  // ---- The environment's thread.

  // `deliver(context)` runs on the environment's thread after something was finished.
  bool start(napi_env env, void (*deliver)(void* context), void* context);
  // False when too many are open.
  bool open_ticket(bool keeps_alive);
  // Of a ticket that was opened but whose work was refused.
  void abandon_ticket(bool keeps_alive);
  // Moves all finished tickets out, in the order of their finishing, and counts them as closed.
  void take(std::vector<Completion>* completions);
  void close();

  // ---- Any thread.

  void finish(double ticket, Status status, bool keeps_alive);
  // Around work on files on another thread, so that `close` can wait for it. False: closed, do not begin.
  bool begin_job();
  void end_job();

 private:
  static void call_js(napi_env env, napi_value callback, void* context, void* data);

  void (*deliver_)(void*) = nullptr;
  void* context_ = nullptr;
  napi_env env_ = nullptr;
  size_t open_ = 0;           // tickets; the environment's thread only
  size_t keeping_alive_ = 0;  // of them; the environment's thread only

  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<Completion> finished_;             // under mutex_
  bool signalled_ = false;                       // under mutex_: a call into JavaScript is under way
  bool closed_ = false;                          // under mutex_
  size_t jobs_ = 0;                              // under mutex_
  napi_threadsafe_function function_ = nullptr;  // used under mutex_ from other threads
};

}  // namespace varve
