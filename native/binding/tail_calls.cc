// The table of tails: publishing and reading are hot and made in raw Node-API.
#include "binding/arguments.h"
#include "binding/calls.h"
#include "file/bus_guard.h"

namespace varve {

namespace {

// `TailCell` of src/storage/native/addon.ts.
enum TailCell {
  kVersion = 1,
  kEpoch,
  kGeneration,
  kSegmentBaseOffset,
  kEndPosition,
  kLogStartOffset,
  kLogEndOffset,
  kHighWatermark,
  kLastStableOffset,
  kFlushedOffset,
  kLeaderEpoch,
};

napi_value status_value(napi_env env, uint32_t code) {
  napi_value value;
  napi_create_uint32(env, code, &value);
  return value;
}

// One (tails, slot) call: its environment, table and slot. `slot` is nullptr when the call is refused; `refusal` is
// then what it answers, or nullptr with a TypeError pending.
struct SlotCall {
  Environment* environment = nullptr;
  TailTable* table = nullptr;
  TailSlot* slot = nullptr;
  napi_value refusal = nullptr;

  SlotCall(napi_env env, napi_callback_info info) {
    napi_value arguments[2];
    size_t count = 2;
    void* data;
    napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
    environment = static_cast<Environment*>(data);
    double handle, index;
    if (napi_get_value_double(env, arguments[0], &handle) != napi_ok ||
        napi_get_value_double(env, arguments[1], &index) != napi_ok) {
      napi_throw_type_error(env, nullptr, "varve: a tail call takes two numbers, the table and the slot");
      return;
    }
    TailsHandle* tails = environment->tails.find(handle);
    int64_t number;
    if (tails == nullptr) {
      refusal = status_value(env, environment->fail(Code::kClosed, "tails"));
    } else if (!to_integer(index, 0, TailTable::kSlotsMax, &number)) {
      refusal = status_value(env, environment->fail(Code::kInvalidArgument, "tail slot"));
    } else {
      table = tails->table.get();
      slot = table->slot(static_cast<uint32_t>(number));
      if (slot == nullptr) refusal = status_value(env, environment->fail(Code::kNotFound, "tail slot"));
    }
  }

  napi_value answer(napi_env env, const Status& status) const { return status_value(env, environment->answer(status)); }
};

// An offset, a position or -1.
bool to_offset(double cell, int64_t* offset) { return to_integer(cell, -1, kSafeIntegerMax, offset); }

bool fields_from_cells(const double* cells, TailFields* fields) {
  int64_t generation, leader_epoch;
  bool good = to_integer(cells[kGeneration], 0, kSafeIntegerMax, &generation) &&
              to_offset(cells[kSegmentBaseOffset], &fields->segment_base_offset) &&
              to_offset(cells[kEndPosition], &fields->end_position) &&
              to_offset(cells[kLogStartOffset], &fields->log_start_offset) &&
              to_offset(cells[kLogEndOffset], &fields->log_end_offset) &&
              to_offset(cells[kHighWatermark], &fields->high_watermark) &&
              to_offset(cells[kLastStableOffset], &fields->last_stable_offset) &&
              to_offset(cells[kFlushedOffset], &fields->flushed_offset) &&
              to_integer(cells[kLeaderEpoch], -1, 2147483647, &leader_epoch);
  if (!good) return false;
  fields->generation = static_cast<uint64_t>(generation);
  fields->leader_epoch = static_cast<int32_t>(leader_epoch);
  return true;
}

napi_value tail_publish(napi_env env, napi_callback_info info) {
  SlotCall call(env, info);
  if (call.slot == nullptr) return call.refusal;
  TailFields fields;
  if (!fields_from_cells(call.environment->cells(), &fields)) {
    return call.answer(env, Status::failure(Code::kInvalidArgument, "tail fields"));
  }
  if (!call.table->writable()) return call.answer(env, Status::failure(Code::kReadOnly, "tails"));
  BusGuard guard(call.slot, sizeof(TailSlot));
  call.slot->publish_fields(fields);
  return call.answer(env, guard.faulted() ? call.table->gone() : Status::success());
}

napi_value tail_read(napi_env env, napi_callback_info info) {
  SlotCall call(env, info);
  if (call.slot == nullptr) return call.refusal;
  TailView view;
  BusGuard guard(call.slot, sizeof(TailSlot));
  bool whole = call.slot->read(&view);
  if (guard.faulted()) return call.answer(env, call.table->gone());
  double* cells = call.environment->cells();
  cells[kVersion] = static_cast<double>(view.version);
  if (!whole) return call.answer(env, Status::failure(Code::kFailed, "tail slot: its writer stopped while it wrote"));
  const TailFields& fields = view.fields;
  cells[kEpoch] = static_cast<double>(view.epoch);
  cells[kGeneration] = static_cast<double>(fields.generation);
  cells[kSegmentBaseOffset] = static_cast<double>(fields.segment_base_offset);
  cells[kEndPosition] = static_cast<double>(fields.end_position);
  cells[kLogStartOffset] = static_cast<double>(fields.log_start_offset);
  cells[kLogEndOffset] = static_cast<double>(fields.log_end_offset);
  cells[kHighWatermark] = static_cast<double>(fields.high_watermark);
  cells[kLastStableOffset] = static_cast<double>(fields.last_stable_offset);
  cells[kFlushedOffset] = static_cast<double>(fields.flushed_offset);
  cells[kLeaderEpoch] = fields.leader_epoch;
  return status_value(env, call.environment->succeed());
}

napi_value tail_wake(napi_env env, napi_callback_info info) {
  SlotCall call(env, info);
  if (call.slot == nullptr) return call.refusal;
  if (!call.table->writable()) return call.answer(env, Status::failure(Code::kReadOnly, "tails"));
  BusGuard guard(call.slot, sizeof(TailSlot));
  call.slot->wake();
  return call.answer(env, guard.faulted() ? call.table->gone() : Status::success());
}

Napi::Value tails_open(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  bool write = arguments.boolean(2, "write");
  if (!arguments.good()) return arguments.refusal(0);
  Environment& environment = arguments.environment();
  auto tails = std::make_shared<TailsHandle>();
  TailTable::Access access = write ? TailTable::Access::kWrite : TailTable::Access::kRead;
  Status status = TailTable::open(std::move(kernel), std::move(path), access, &tails->table);
  if (environment.answer(status) != 0) return Napi::Number::New(info.Env(), 0);
  return answer_handle(environment, environment.tails.insert(std::move(tails)));
}

Napi::Value tails_close(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  double handle = arguments.number(0, "tails");
  if (!arguments.good()) return arguments.refusal();
  Environment& environment = arguments.environment();
  std::shared_ptr<TailsHandle> tails = environment.tails.remove(handle);
  if (tails == nullptr) {
    arguments.refuse(Code::kClosed, "tails");
    return arguments.refusal();
  }
  environment.waiter().take_back_all(tails->table.get());
  return answer(environment, Status::success());
}

Napi::Value tails_slot(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<TailsHandle> tails = arguments.handle(0, arguments.environment().tails, "tails");
  std::string name = arguments.text(1, "name");
  if (!arguments.good()) return arguments.refusal(-1);
  uint32_t index;
  Status status = tails->table->slot_of(name, &index);
  if (arguments.environment().answer(status) != 0) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), index);
}

Napi::Value tail_watch(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Environment& environment = arguments.environment();
  std::shared_ptr<TailsHandle> tails = arguments.handle(0, environment.tails, "tails");
  int64_t index = arguments.integer(1, "slot", 0, TailTable::kSlotsMax);
  int64_t version = arguments.integer(2, "version");
  int64_t timeout_ms = arguments.integer(3, "timeoutMs");
  TailSlot* slot = nullptr;
  if (arguments.good()) {
    slot = tails->table->slot(static_cast<uint32_t>(index));
    if (slot == nullptr) arguments.refuse(Code::kNotFound, "tail slot");
  }
  constexpr bool kKeepsAlive = false;
  double ticket = arguments.ticket(4, kKeepsAlive);
  if (!arguments.good()) return arguments.refusal();
  Status status = environment.waiter().watch(tails->table, slot, tails->table->can_mark(),
                                             static_cast<uint64_t>(version), timeout_ms, static_cast<uint64_t>(ticket));
  if (!status.ok()) environment.completions()->abandon_ticket(kKeepsAlive);
  return answer(environment, status);
}

Napi::Value tail_unwatch(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int64_t ticket = arguments.integer(0, "ticket", 1);
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), arguments.environment().waiter().take_back(static_cast<uint64_t>(ticket)));
}

Napi::Value tail_writer_alive(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<TailsHandle> tails = arguments.handle(0, arguments.environment().tails, "tails");
  bool alive = false;
  if (arguments.good()) arguments.environment().answer(tails->table->writer_alive(&alive));
  return Napi::Boolean::New(info.Env(), alive);
}

}  // namespace

void add_tail_calls(Environment& environment, Napi::Object exports) {
  add_hot_function(environment, exports, "tailPublish", tail_publish);
  add_hot_function(environment, exports, "tailRead", tail_read);
  add_hot_function(environment, exports, "tailWake", tail_wake);
  add_function<tails_open>(environment, exports, "tailsOpen");
  add_function<tails_close>(environment, exports, "tailsClose");
  add_function<tails_slot>(environment, exports, "tailsSlot");
  add_function<tail_watch>(environment, exports, "tailWatch");
  add_function<tail_unwatch>(environment, exports, "tailUnwatch");
  add_function<tail_writer_alive>(environment, exports, "tailWriterAlive");
}

}  // namespace varve
