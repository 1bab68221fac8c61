#include "binding/environment.h"

#include <cstdlib>
#include <cstring>

#include "binding/error_names.h"

namespace varve {

namespace {

struct Release {
  void (*release)(void* hint);
  void* hint;
};

void run_release(napi_env, void*, void* data) {
  Release* release = static_cast<Release*>(data);
  release->release(release->hint);
  delete release;
}

bool asked_to_copy() {
  const char* wish = std::getenv("VARVE_NO_EXTERNAL_BUFFERS");
  return wish != nullptr && std::strcmp(wish, "1") == 0;
}

}  // namespace

napi_value external_array_buffer(napi_env env, void* address, size_t length, void (*release)(void* hint), void* hint) {
  Release* data = new Release{release, hint};
  napi_value buffer;
  if (napi_create_external_arraybuffer(env, address, length, run_release, data, &buffer) == napi_ok) return buffer;
  delete data;
  return nullptr;
}

Environment::Environment(napi_env env)
    : env_(env),
      real_kernel_(&real_kernel(), [](Kernel*) {}),
      waiter_([queue = completions_](uint64_t ticket, Code code) {
        Status status = code == Code::kOk ? Status::success() : Status::failure(code, "tail watch");
        queue->finish(static_cast<double>(ticket), std::move(status), false);
      }) {}

Environment* Environment::create(napi_env env) {
  Environment* environment = new Environment(env);
  if (!environment->start()) {
    delete environment;
    napi_throw_error(env, nullptr, "varve: the addon could not be set up in this environment");
    return nullptr;
  }
  return environment;
}

bool Environment::start() {
  // Asked once: Electron and builds with compressed pointers refuse buffers over foreign memory.
  if (!asked_to_copy()) {
    void* probe = std::calloc(1, 8);
    external_buffers_ = external_array_buffer(env_, probe, 8, std::free, probe) != nullptr;
    if (!external_buffers_) std::free(probe);
  }
  napi_value cells = make_shared_doubles(kCells, &cells_);
  napi_value rows = make_shared_doubles(kScanRowsMax * kScanColumns, &rows_);
  if (cells == nullptr || rows == nullptr) return false;
  if (napi_create_reference(env_, cells, 1, &cells_ref_) != napi_ok) return false;
  if (napi_create_reference(env_, rows, 1, &rows_ref_) != napi_ok) return false;
  if (!completions_->start(env_, deliver, this)) return false;
  auto close = [](void* self) { static_cast<Environment*>(self)->close(); };
  if (napi_add_env_cleanup_hook(env_, close, this) != napi_ok) return false;
  auto destroy = [](napi_env, void* self, void*) { delete static_cast<Environment*>(self); };
  if (napi_set_instance_data(env_, this, destroy, nullptr) != napi_ok) {
    napi_remove_env_cleanup_hook(env_, close, this);
    return false;
  }
  return true;
}

// JavaScript could transfer the arrays' memory to another thread, which frees it when that thread ends. With external
// memory the environment therefore never lets go of it as long as it lives itself; where external buffers are refused
// the memory is V8's, and transferring `cells` away is an error that only we ourselves could make.
napi_value Environment::make_shared_doubles(size_t count, double** doubles) {
  napi_value buffer = nullptr;
  if (external_buffers_) {
    struct Block {
      std::shared_ptr<double[]> memory;
    };
    Block* block = new Block{std::make_shared<double[]>(count)};
    shared_blocks_.push_back(block->memory);
    *doubles = block->memory.get();
    auto release = [](void* hint) { delete static_cast<Block*>(hint); };
    buffer = external_array_buffer(env_, *doubles, count * sizeof(double), release, block);
    if (buffer == nullptr) delete block;
  }
  if (buffer == nullptr) {
    void* memory;
    if (napi_create_arraybuffer(env_, count * sizeof(double), &memory, &buffer) != napi_ok) return nullptr;
    *doubles = static_cast<double*>(memory);
  }
  napi_value array;
  if (napi_create_typedarray(env_, napi_float64_array, count, buffer, 0, &array) != napi_ok) return nullptr;
  return array;
}

void Environment::close() {
  completions_->close();
  waiter_.close();
  flusher_.reset();
  segments.clear();
  tails.clear();
  locks.clear();
  kernels.clear();
}

uint32_t Environment::fail(Status status, std::string message) {
  uint32_t code = static_cast<uint32_t>(status.code);
  last_status_ = std::move(status);
  last_message_ = std::move(message);
  cells_[0] = code;
  return code;
}

std::string Environment::last_message() const {
  if (!last_message_.empty() || last_status_.ok()) return last_message_;
  std::string text = last_status_.call;
  text += " failed";
  if (!last_status_.path.empty()) text += " on " + last_status_.path;
  if (last_status_.position != Status::kNowhere) text += " at position " + std::to_string(last_status_.position);
  if (last_status_.error_number != 0) {
    text += ": ";
    text += std::strerror(last_status_.error_number);
  }
  return text;
}

napi_value Environment::cells_array() const {
  napi_value array = nullptr;
  napi_get_reference_value(env_, cells_ref_, &array);
  return array;
}

napi_value Environment::rows_array() const {
  napi_value array = nullptr;
  napi_get_reference_value(env_, rows_ref_, &array);
  return array;
}

void Environment::set_completion_handler(napi_value handler) {
  if (handler_ref_ != nullptr) napi_delete_reference(env_, handler_ref_);
  handler_ref_ = nullptr;
  napi_create_reference(env_, handler, 1, &handler_ref_);
}

Status Environment::run_jobs(std::vector<std::function<Status()>> jobs, double ticket) {
  if (flusher_ == nullptr) flusher_ = Flusher::shared();
  const std::shared_ptr<CompletionQueue> queue = completions_;
  for (std::function<Status()>& job : jobs) {
    job = [queue, job = std::move(job)] {
      if (!queue->begin_job()) return Status::failure(Code::kClosed, "environment");
      Status status = job();
      queue->end_job();
      return status;
    };
  }
  Status status = flusher_->run(std::move(jobs), [queue, ticket](const Status& status) {
    if (ticket != kNoTicket) queue->finish(ticket, status, true);
  });
  if (!status.ok() && ticket != kNoTicket) completions_->abandon_ticket(true);
  return status;
}

bool Environment::set_scratch(napi_value array) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  napi_value buffer;
  if (napi_get_typedarray_info(env_, array, &type, &length, &data, &buffer, nullptr) != napi_ok) return false;
  if (type != napi_uint8_array) return false;
  bool is_array_buffer = false;
  if (napi_is_arraybuffer(env_, buffer, &is_array_buffer) != napi_ok) return false;
  // A resizable buffer could give its pages back under the pointer. (One that is shared only ever grows.)
  napi_value property;
  bool resizable = false;
  if (napi_get_named_property(env_, buffer, "resizable", &property) != napi_ok) return false;
  if (napi_get_value_bool(env_, property, &resizable) == napi_ok && resizable) return false;
  napi_ref reference;
  if (napi_create_reference(env_, buffer, 1, &reference) != napi_ok) return false;
  if (scratch_ref_ != nullptr) napi_delete_reference(env_, scratch_ref_);
  scratch_ref_ = reference;
  scratch_ = std::span<uint8_t>(static_cast<uint8_t*>(data), length);
  scratch_shared_ = !is_array_buffer;
  return true;
}

bool Environment::scratch(std::span<uint8_t>* bytes, bool* shared) const {
  if (scratch_ref_ == nullptr) return false;
  if (!scratch_shared_) {
    // JavaScript may have transferred it away meanwhile; a reference does not hinder that.
    napi_value buffer;
    bool detached = true;
    if (napi_get_reference_value(env_, scratch_ref_, &buffer) != napi_ok || buffer == nullptr) return false;
    if (napi_is_detached_arraybuffer(env_, buffer, &detached) != napi_ok || detached) return false;
  }
  *bytes = scratch_;
  *shared = scratch_shared_;
  return true;
}

std::vector<ScanRow>& Environment::scan_rows() {
  if (scan_rows_.empty()) scan_rows_.resize(kScanRowsMax);
  return scan_rows_;
}

bool Environment::open_ticket(bool keeps_alive) {
  if (handler_ref_ == nullptr) {
    napi_throw_type_error(env_, nullptr, "varve: setCompletionHandler comes before the first call with a ticket");
    return false;
  }
  if (completions_->open_ticket(keeps_alive)) return true;
  fail(Code::kNoMemory, "ticket");
  return false;
}

void Environment::deliver(void* self) { static_cast<Environment*>(self)->deliver(); }

void Environment::deliver() {
  completions_->take(&taken_);
  for (Completion& completion : taken_) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
    uint32_t code = completion.status.ok() ? 0 : fail(std::move(completion.status));
    napi_value handler, global, result;
    napi_value arguments[2];
    bool called = napi_get_reference_value(env_, handler_ref_, &handler) == napi_ok &&
                  napi_get_global(env_, &global) == napi_ok &&
                  napi_create_double(env_, completion.ticket, &arguments[0]) == napi_ok &&
                  napi_create_uint32(env_, code, &arguments[1]) == napi_ok &&
                  napi_call_function(env_, global, handler, 2, arguments, &result) == napi_ok;
    if (!called) {
      // What the handler throws is an uncaught exception like that of any callback; the other tickets come after it.
      bool pending = false;
      napi_value error;
      if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
          napi_get_and_clear_last_exception(env_, &error) == napi_ok) {
        napi_fatal_exception(env_, error);
      }
    }
    napi_close_handle_scope(env_, scope);
  }
}

}  // namespace varve
