// Environment: all that one JavaScript thread (the main one or a worker) has open in the addon.
//
// Made when the addon is loaded there, and passed to every call as its data pointer, so that no call looks it up.
// Shared arrays: `cells` and `rows` are memory that the environment and their ArrayBuffers own together (see
// make_shared_doubles), so that the pointers stay good whatever JavaScript does to the arrays.
//
// End: a cleanup hook of Node's closes it: no completion is delivered any more, jobs on other threads that touch files
// are waited for, the waiter's thread is joined, then every handle is closed and with it every lock freed. Afterwards
// no thread knows of this environment. The object itself goes last, with Node's instance data. When the process ends
// by process.exit() in the main thread Node runs no hooks, and none are needed: see native/README.md.
//
// Threads: the environment's own, except for the CompletionQueue.
#pragma once

#include <node_api.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "binding/completion_queue.h"
#include "binding/handle_table.h"
#include "file/file_lock.h"
#include "file/flusher.h"
#include "file/kernel.h"
#include "segment/segment.h"
#include "tail/tail_table.h"
#include "tail/tail_waiter.h"

namespace varve {

class FaultyKernel;
class MemoryKernel;

// The order of members is the order of need: what comes later is destroyed first.
struct KernelHandle {
  std::shared_ptr<Kernel> kernel;
  MemoryKernel* memory = nullptr;  // the same object, when it is a simulated disk
  FaultyKernel* faulty = nullptr;  // the same object, when it is a layer of faults
};

struct LockHandle {
  std::shared_ptr<Kernel> kernel;
  FileLock lock;
};

// The writer's lock falls with the handle, though watches, segments and their jobs may hold the table for longer.
struct TailsHandle {
  std::shared_ptr<TailTable> table;

  TailsHandle() = default;
  ~TailsHandle() {
    if (table != nullptr) table->release();
  }
  TailsHandle(const TailsHandle&) = delete;
  TailsHandle& operator=(const TailsHandle&) = delete;
};

// An open segment and where its appends are published.
struct SegmentHandle {
  std::shared_ptr<Kernel> kernel;
  std::shared_ptr<TailTable> table;
  TailSlot* slot = nullptr;  // in `table`; nullptr: appends are not published
  int64_t base_offset = 0;
  bool simulated = false;  // on another kernel than the operating system
  std::shared_ptr<Segment> segment;
};

class Environment {
 public:
  // The numbers of addon.ts.
  static constexpr size_t kCells = 32;
  static constexpr size_t kScanRowsMax = 1024;
  static constexpr size_t kScanColumns = 14;
  // For jobs that nobody waits for.
  static constexpr double kNoTicket = 0;

  // nullptr with an exception pending when Node refuses something.
  static Environment* create(napi_env env);

  napi_env env() const { return env_; }
  double* cells() const { return cells_; }
  double* rows() const { return rows_; }
  napi_value cells_array() const;
  napi_value rows_array() const;
  bool external_buffers() const { return external_buffers_; }

  // Every answer goes through one of these two: the status number, in cells[0] too.
  uint32_t succeed() {
    cells_[0] = 0;
    return 0;
  }
  uint32_t answer(const Status& status) { return status.ok() ? succeed() : fail(status); }
  // `message`: instead of the usual one.
  uint32_t fail(Status status, std::string message = {});
  uint32_t fail(Code code, const char* call) { return fail(Status::failure(code, call)); }
  uint32_t last_code() const { return static_cast<uint32_t>(last_status_.code); }
  const Status& last_status() const { return last_status_; }
  std::string last_message() const;

  // The kernel of a handle; 0 is the operating system. nullptr when closed.
  std::shared_ptr<Kernel> kernel(double handle) const {
    if (handle == 0) return real_kernel_;
    KernelHandle* found = kernels.find(handle);
    return found == nullptr ? nullptr : found->kernel;
  }

  bool is_system(const Kernel& kernel) const { return &kernel == real_kernel_.get(); }

  // False when there is no handler to answer to (an exception is then pending) or too many tickets (a failure).
  bool open_ticket(bool keeps_alive);
  void set_completion_handler(napi_value handler);
  const std::shared_ptr<CompletionQueue>& completions() const { return completions_; }
  TailWaiter& waiter() { return waiter_; }
  // Runs jobs on the process's flusher threads and then finishes the ticket, which is open. Jobs hold what they touch;
  // those that have not begun when the environment ends never do. When the answer is a failure, the ticket is
  // abandoned.
  Status run_jobs(std::vector<std::function<Status()>> jobs, double ticket);

  // Keeps a Uint8Array for appends from scratch. False when its buffer can be resized.
  bool set_scratch(napi_value array);
  // Its bytes. False when there is none or it was detached.
  bool scratch(std::span<uint8_t>* bytes, bool* shared) const;
  std::vector<ScanRow>& scan_rows();

  HandleTable<KernelHandle> kernels{HandleKind::kKernel};
  HandleTable<LockHandle> locks{HandleKind::kLock};
  HandleTable<SegmentHandle> segments{HandleKind::kSegment};
  HandleTable<TailsHandle> tails{HandleKind::kTails};

 private:
  explicit Environment(napi_env env);
  ~Environment() = default;
  bool start();
  void close();
  static void deliver(void* self);
  void deliver();
  napi_value make_shared_doubles(size_t count, double** doubles);

  const napi_env env_;
  const std::shared_ptr<Kernel> real_kernel_;
  bool external_buffers_ = false;
  std::vector<std::shared_ptr<double[]>> shared_blocks_;  // the environment's own hold on cells and rows
  double* cells_ = nullptr;
  double* rows_ = nullptr;
  napi_ref cells_ref_ = nullptr;
  napi_ref rows_ref_ = nullptr;
  napi_ref handler_ref_ = nullptr;
  Status last_status_;
  std::string last_message_;
  const std::shared_ptr<CompletionQueue> completions_ = std::make_shared<CompletionQueue>();
  std::vector<Completion> taken_;  // kept for its capacity
  TailWaiter waiter_;
  std::shared_ptr<Flusher> flusher_;  // taken with the first job
  std::vector<ScanRow> scan_rows_;    // made with the first scan
  napi_ref scratch_ref_ = nullptr;    // the ArrayBuffer or SharedArrayBuffer of the scratch bytes
  std::span<uint8_t> scratch_;
  bool scratch_shared_ = false;
};

// Makes an external ArrayBuffer of `length` bytes at `address`, or answers nullptr where Node refuses such buffers;
// then `release(hint)` has not been and will not be called. Otherwise it is called on the environment's thread when the
// buffer is garbage or the environment ends.
napi_value external_array_buffer(napi_env env, void* address, size_t length, void (*release)(void* hint), void* hint);

}  // namespace varve
