// Segments: appending, reading and scanning are hot and made in raw Node-API with their numbers in cells; the rest is
// called once per file or flush.
#include <algorithm>
#include <cstring>

#include "binding/arguments.h"
#include "binding/calls.h"
#include "file/bus_guard.h"
#include "file/flusher.h"

namespace varve {

namespace {

// ---- The cells of src/storage/native/addon.ts.
namespace append_in {
enum {
  kSegment = 1,
  kBaseOffset,
  kLeaderEpoch,
  kFlags,
  kAppendTimestamp,
  kMaxBatchBytes,
  kScratchOffset,
  kScratchLength
};
}
namespace append_out {
enum {
  kLastOffset = 1,
  kBatches,
  kEndPosition,
  kMaxTimestamp,
  kMaxTimestampOffset,
  kWatchers,
  kBytes,
  kPosition,
  kFaultAt
};
}
namespace read_in {
enum { kSegment = 1, kOffset, kPositionHint, kMaxBytes, kEndPosition, kEndOffset, kFlags };
}
namespace read_out {
enum { kBytes = 1, kBatches, kPosition, kNextPosition, kBaseOffset, kNextOffset, kNeededBytes };
}
namespace scan_in {
enum { kSegment = 1, kPosition, kExpectedOffset, kFlags, kEndPosition };
}
namespace scan_out {
enum { kRows = 1, kPosition, kNextOffset, kStop, kEndPosition };
}
enum FlushFlag : int64_t { kFlushIndexes = 1, kFlushSeal = 2, kFlushFolder = 4 };

constexpr double kInt32Max = 2147483647;
constexpr double kUint32Max = 4294967295;
// More fragments than any batch needs: a megabyte in pieces of 16 bytes.
constexpr uint32_t kFragmentsMax = 65536;
// Windows are about 64 MiB. V8 ends the process when it cannot allocate a buffer, so copies are kept where it can.
constexpr int64_t kWindowBytesMax = int64_t{1} << 30;
constexpr size_t kWindowCopyBytesMax = size_t{1} << 28;

napi_value status_value(napi_env env, uint32_t code) {
  napi_value value;
  napi_create_uint32(env, code, &value);
  return value;
}

napi_value type_error(napi_env env, const char* message) {
  napi_throw_type_error(env, nullptr, message);
  return nullptr;
}

// One hot call: its environment, its only argument, and the segment that cells[1] names.
struct HotCall {
  napi_env env;
  Environment& environment;
  napi_value argument;
  double* cells;
  SegmentHandle* segment;

  HotCall(napi_env env, napi_callback_info info) : env(env), environment(get(env, info, &argument)) {
    cells = environment.cells();
    segment = environment.segments.find(cells[1]);
  }

  napi_value refuse(Code code, const char* what) { return status_value(env, environment.fail(code, what)); }
  napi_value refuse_segment() { return refuse(Code::kClosed, "segment"); }
  // A whole number from a cell. `minus_one` stands for "none" in most of them.
  bool cell(int index, double min, double max, int64_t* integer) const {
    return to_integer(cells[index], min, max, integer);
  }
  // A position or -1 for kNoPosition.
  bool position_cell(int index, uint64_t* position) const {
    int64_t integer;
    if (!cell(index, -1, kSafeIntegerMax, &integer)) return false;
    *position = integer < 0 ? kNoPosition : static_cast<uint64_t>(integer);
    return true;
  }

 private:
  static Environment& get(napi_env env, napi_callback_info info, napi_value* argument) {
    size_t count = 1;
    void* data;
    napi_get_cb_info(env, info, &count, argument, nullptr, &data);
    return *static_cast<Environment*>(data);
  }
};

// ---- Appending.

// All of the request but its bytes.
bool append_request(const HotCall& call, AppendRequest* request) {
  int64_t leader_epoch, flags, max_batch_bytes;
  bool good = call.cell(append_in::kBaseOffset, 0, kSafeIntegerMax, &request->base_offset) &&
              call.cell(append_in::kLeaderEpoch, -1, kInt32Max, &leader_epoch) &&
              call.cell(append_in::kFlags, 0, 7, &flags) &&
              call.cell(append_in::kAppendTimestamp, -1, kSafeIntegerMax, &request->append_timestamp) &&
              call.cell(append_in::kMaxBatchBytes, 0, kUint32Max, &max_batch_bytes);
  if (!good) return false;
  request->leader_epoch = static_cast<int32_t>(leader_epoch);
  request->flags = static_cast<uint32_t>(flags);
  request->max_batch_bytes = static_cast<uint32_t>(max_batch_bytes);
  return true;
}

napi_value append(HotCall& call, const AppendRequest& request) {
  SegmentHandle& handle = *call.segment;
  AppendResult result;
  Status status = handle.segment->append(request, &result);
  double* cells = call.cells;
  if (!status.ok()) [[unlikely]] {
    cells[append_out::kFaultAt] = static_cast<double>(result.fault_at);
    return status_value(call.env, call.environment.fail(std::move(status)));
  }
  bool watched = false;
  if (handle.slot != nullptr) {
    // A table that somebody cut is no reason to fail an append: readers find out by themselves.
    BusGuard guard(handle.slot, sizeof(TailSlot));
    watched =
        handle.slot->publish_end(handle.base_offset, static_cast<int64_t>(result.end_position), result.last_offset + 1);
  }
  cells[append_out::kLastOffset] = static_cast<double>(result.last_offset);
  cells[append_out::kBatches] = result.batches;
  cells[append_out::kEndPosition] = static_cast<double>(result.end_position);
  cells[append_out::kMaxTimestamp] = static_cast<double>(result.max_timestamp);
  cells[append_out::kMaxTimestampOffset] = static_cast<double>(result.max_timestamp_offset);
  cells[append_out::kWatchers] = watched ? 1 : 0;
  cells[append_out::kBytes] = static_cast<double>(result.bytes);
  cells[append_out::kPosition] = static_cast<double>(result.position);
  return status_value(call.env, call.environment.succeed());
}

napi_value segment_append(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  std::span<uint8_t> bytes;
  const BytesAnswer given = bytes_of(env, call.argument, &bytes);
  if (given == BytesAnswer::kWrongType) return type_error(env, "varve: segmentAppend takes a Uint8Array");
  if (given == BytesAnswer::kDetached) return call.refuse(Code::kInvalidArgument, "detached buffer");
  if (call.segment == nullptr) return call.refuse_segment();
  AppendRequest request;
  if (!append_request(call, &request)) return call.refuse(Code::kInvalidArgument, "append cells");
  const std::span<const uint8_t> fragment = bytes;
  request.fragments = {&fragment, 1};
  return append(call, request);
}

napi_value segment_append_scratch(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  if (call.segment == nullptr) return call.refuse_segment();
  std::span<uint8_t> scratch;
  bool shared;
  if (!call.environment.scratch(&scratch, &shared)) return call.refuse(Code::kInvalidArgument, "scratch buffer");
  AppendRequest request;
  int64_t offset, length;
  const double scratch_bytes = static_cast<double>(scratch.size());
  if (!append_request(call, &request) || !call.cell(append_in::kScratchOffset, 0, scratch_bytes, &offset) ||
      !call.cell(append_in::kScratchLength, 0, scratch_bytes - static_cast<double>(offset), &length)) {
    return call.refuse(Code::kInvalidArgument, "append cells");
  }
  std::span<uint8_t> range = scratch.subspan(static_cast<size_t>(offset), static_cast<size_t>(length));
  const std::span<const uint8_t> fragment = range;
  // Shared memory may change during the call: it is read once, like anybody's bytes.
  if (shared) {
    request.fragments = {&fragment, 1};
  } else {
    request.scratch = range;
  }
  return append(call, request);
}

napi_value segment_append_fragments(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  constexpr const char* kWanted = "varve: segmentAppendFragments takes an array of Uint8Arrays";
  bool is_array = false;
  if (napi_is_array(env, call.argument, &is_array) != napi_ok || !is_array) return type_error(env, kWanted);
  uint32_t count = 0;
  if (napi_get_array_length(env, call.argument, &count) != napi_ok) return type_error(env, kWanted);
  if (call.segment == nullptr) return call.refuse_segment();
  if (count == 0 || count > kFragmentsMax) return call.refuse(Code::kInvalidArgument, "fragment count");
  // An array may have getters, which are JavaScript and may do anything, such as closing the segment or detaching a
  // buffer. So all elements are fetched before the first one's memory is looked at.
  std::vector<napi_value> elements(count);
  for (uint32_t i = 0; i < count; ++i) {
    if (napi_get_element(env, call.argument, i, &elements[i]) != napi_ok) return nullptr;  // the getter's exception
  }
  std::vector<std::span<const uint8_t>> fragments(count);
  for (uint32_t i = 0; i < count; ++i) {
    std::span<uint8_t> bytes;
    const BytesAnswer given = bytes_of(env, elements[i], &bytes);
    if (given == BytesAnswer::kWrongType) return type_error(env, kWanted);
    if (given == BytesAnswer::kDetached) return call.refuse(Code::kInvalidArgument, "detached buffer");
    fragments[i] = bytes;
  }
  call.segment = call.environment.segments.find(call.cells[append_in::kSegment]);
  if (call.segment == nullptr) return call.refuse_segment();
  AppendRequest request;
  if (!append_request(call, &request)) return call.refuse(Code::kInvalidArgument, "append cells");
  request.fragments = fragments;
  return append(call, request);
}

Napi::Value set_scratch(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  arguments.bytes(0, "scratch");
  if (arguments.good() && !arguments.environment().set_scratch(info[0])) {
    arguments.refuse(Code::kInvalidArgument, "scratch buffer that can be resized");
  }
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), Status::success());
}

// ---- Reading.

napi_value segment_read(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  std::span<uint8_t> into;
  const BytesAnswer given = bytes_of(env, call.argument, &into);
  if (given == BytesAnswer::kWrongType) return type_error(env, "varve: segmentRead takes a Uint8Array");
  if (given == BytesAnswer::kDetached) return call.refuse(Code::kInvalidArgument, "detached buffer");
  if (call.segment == nullptr) return call.refuse_segment();
  ReadRequest request;
  int64_t max_bytes, flags;
  if (!call.cell(read_in::kOffset, 0, kSafeIntegerMax, &request.offset) ||
      !call.position_cell(read_in::kPositionHint, &request.position_hint) ||
      !call.cell(read_in::kMaxBytes, 0, kSafeIntegerMax, &max_bytes) ||
      !call.position_cell(read_in::kEndPosition, &request.end_position) ||
      !call.cell(read_in::kEndOffset, -1, kSafeIntegerMax, &request.end_offset) ||
      !call.cell(read_in::kFlags, 0, 1, &flags)) {
    return call.refuse(Code::kInvalidArgument, "read cells");
  }
  request.max_bytes = static_cast<uint64_t>(max_bytes);
  request.contiguous = flags != 0;
  ReadResult result;
  Status status = call.segment->segment->read(request, into, &result);
  double* cells = call.cells;
  cells[read_out::kBytes] = static_cast<double>(result.bytes);
  cells[read_out::kBatches] = result.batches;
  cells[read_out::kPosition] = static_cast<double>(result.position);
  cells[read_out::kNextPosition] = static_cast<double>(result.next_position);
  cells[read_out::kBaseOffset] = static_cast<double>(result.base_offset);
  cells[read_out::kNextOffset] = static_cast<double>(result.next_offset);
  cells[read_out::kNeededBytes] = static_cast<double>(result.needed_bytes);
  return status_value(env, call.environment.answer(status));
}

napi_value segment_locate_timestamp(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  if (call.segment == nullptr) return call.refuse_segment();
  enum { kTimestamp = 2, kEndPosition = 3 };
  int64_t timestamp;
  uint64_t end_position;
  if (!call.cell(kTimestamp, -1, kSafeIntegerMax, &timestamp) || !call.position_cell(kEndPosition, &end_position)) {
    return call.refuse(Code::kInvalidArgument, "timestamp cells");
  }
  TimestampResult result;
  Status status = call.segment->segment->locate_timestamp(timestamp, end_position, &result);
  call.cells[1] = result.found ? 1 : 0;
  call.cells[2] = static_cast<double>(result.position);
  call.cells[3] = static_cast<double>(result.base_offset);
  call.cells[4] = static_cast<double>(result.size);
  return status_value(env, call.environment.answer(status));
}

void write_row(const ScanRow& row, double* columns) {
  const uint64_t producer_id = static_cast<uint64_t>(row.producer_id);
  *columns++ = static_cast<double>(row.base_offset);
  *columns++ = static_cast<double>(row.last_offset);
  *columns++ = static_cast<double>(row.position);
  *columns++ = row.size;
  *columns++ = row.leader_epoch;
  *columns++ = row.attributes;
  *columns++ = static_cast<double>(row.base_timestamp);
  *columns++ = static_cast<double>(row.max_timestamp);
  *columns++ = static_cast<double>(producer_id >> 32);
  *columns++ = static_cast<double>(producer_id & 0xffffffff);
  *columns++ = row.producer_epoch;
  *columns++ = row.base_sequence;
  *columns++ = row.record_count;
  *columns++ = row.crc;
}

napi_value segment_scan(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  if (call.segment == nullptr) return call.refuse_segment();
  ScanRequest request;
  int64_t position, flags;
  if (!call.cell(scan_in::kPosition, 0, kSafeIntegerMax, &position) ||
      !call.cell(scan_in::kExpectedOffset, 0, kSafeIntegerMax, &request.expected_offset) ||
      !call.cell(scan_in::kFlags, 0, 15, &flags) || !call.position_cell(scan_in::kEndPosition, &request.end_position)) {
    return call.refuse(Code::kInvalidArgument, "scan cells");
  }
  request.position = static_cast<uint64_t>(position);
  request.flags = static_cast<uint32_t>(flags);
  std::vector<ScanRow>& rows = call.environment.scan_rows();
  ScanResult result;
  Status status = call.segment->segment->scan(request, rows, &result);
  if (!status.ok()) return status_value(env, call.environment.fail(std::move(status)));
  for (uint32_t i = 0; i < result.rows; ++i) {
    write_row(rows[i], call.environment.rows() + size_t{i} * Environment::kScanColumns);
  }
  double* cells = call.cells;
  cells[scan_out::kRows] = result.rows;
  cells[scan_out::kPosition] = static_cast<double>(result.position);
  cells[scan_out::kNextOffset] = static_cast<double>(result.next_offset);
  cells[scan_out::kStop] = static_cast<double>(result.stop);
  cells[scan_out::kEndPosition] = static_cast<double>(result.end_position);
  return status_value(env, call.environment.succeed());
}

napi_value segment_set_end(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  if (call.segment == nullptr) return call.refuse_segment();
  int64_t end_position, next_offset;
  if (!call.cell(2, 0, kSafeIntegerMax, &end_position) || !call.cell(3, 0, kSafeIntegerMax, &next_offset)) {
    return call.refuse(Code::kInvalidArgument, "end cells");
  }
  Status status = call.segment->segment->set_end(static_cast<uint64_t>(end_position), next_offset);
  return status_value(env, call.environment.answer(status));
}

// ---- Windows.

// Held by an ArrayBuffer of JavaScript's. The window goes before the kernel that maps it.
struct WindowHold {
  std::shared_ptr<Kernel> kernel;
  std::unique_ptr<SegmentWindow> window;
};

napi_value segment_window(napi_env env, napi_callback_info info) {
  HotCall call(env, info);
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  int64_t position, length;
  if (call.segment == nullptr) {
    call.refuse_segment();
    return undefined;
  }
  if (!call.cell(2, 0, kSafeIntegerMax, &position) || !call.cell(3, 1, static_cast<double>(kWindowBytesMax), &length)) {
    call.refuse(Code::kInvalidArgument, "window cells");
    return undefined;
  }
  auto hold = std::make_unique<WindowHold>();
  hold->kernel = call.segment->kernel;
  Status status =
      call.segment->segment->window(static_cast<uint64_t>(position), static_cast<uint64_t>(length), &hold->window);
  if (call.environment.answer(status) != 0) return undefined;
  uint8_t* data = hold->window->data();
  const size_t size = hold->window->size();
  if (call.environment.external_buffers()) {
    WindowHold* hint = hold.get();
    auto release = [](void* hint) { delete static_cast<WindowHold*>(hint); };
    napi_value buffer = external_array_buffer(env, data, size, release, hint);
    if (buffer != nullptr) {
      hold.release();
      return buffer;
    }
  }
  if (size > kWindowCopyBytesMax) {
    call.refuse(Code::kInvalidArgument, "window length, copied");
    return undefined;
  }
  void* copy;
  napi_value buffer;
  if (napi_create_arraybuffer(env, size, &copy, &buffer) != napi_ok) return nullptr;
  int result = hold->kernel->load(copy, data, size);
  if (result < 0) {
    call.environment.fail(Status::from_errno(-result, "window", {}, static_cast<uint64_t>(position)));
    return undefined;
  }
  return buffer;
}

// ---- Opening, flushing and the rest.

// Reads one property of the options; a wrong type leaves a TypeError pending.
class Options {
 public:
  Options(Arguments& arguments, const Napi::CallbackInfo& info) : arguments_(arguments), env_(info.Env()) {
    if (info[1].IsObject()) {
      object_ = info[1].As<Napi::Object>();
    } else {
      arguments.refuse_type("options", "an object");
    }
  }

  bool has(const char* name) { return !get(name).IsUndefined(); }
  std::string text(const char* name) {
    Napi::Value value = get(name);
    if (arguments_.good() && value.IsString()) return value.As<Napi::String>().Utf8Value();
    arguments_.refuse_type(name, "a string");
    return {};
  }
  int64_t integer(const char* name, double min, double max) {
    double number = this->number(name);
    int64_t integer = 0;
    if (arguments_.good() && !to_integer(number, min, max, &integer)) {
      arguments_.refuse(Code::kInvalidArgument, name);
    }
    return integer;
  }
  double number(const char* name) {
    Napi::Value value = get(name);
    if (arguments_.good() && value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
    arguments_.refuse_type(name, "a number");
    return 0;
  }

 private:
  Napi::Value get(const char* name) {
    if (!arguments_.good()) return env_.Undefined();
    Napi::Value value = object_.Get(name);
    // A getter that threw.
    return value.IsEmpty() ? env_.Undefined() : value;
  }

  Arguments& arguments_;
  Napi::Env env_;
  Napi::Object object_;
};

Napi::Value segment_open(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Environment& environment = arguments.environment();
  auto handle = std::make_shared<SegmentHandle>();
  handle->kernel = arguments.kernel(0);
  Options options(arguments, info);
  SegmentOptions wanted;
  wanted.folder = options.text("folder");
  wanted.base_offset = options.integer("baseOffset", 0, kSafeIntegerMax);
  if (options.has("stem")) wanted.stem = options.text("stem");
  std::string mode = options.text("mode");
  std::string backend = options.text("backend");
  wanted.segment_bytes = static_cast<uint64_t>(options.integer("segmentBytes", 1, kInt32Max));
  wanted.index_interval_bytes = static_cast<uint32_t>(options.integer("indexIntervalBytes", 0, kInt32Max));
  wanted.index_max_bytes = static_cast<uint32_t>(options.integer("indexMaxBytes", 0, kInt32Max));
  if (options.has("diskReserveBytes")) {
    wanted.disk_reserve_bytes = static_cast<uint64_t>(options.integer("diskReserveBytes", 0, kSafeIntegerMax));
  }
  double tails = options.number("tails");
  int64_t slot = options.integer("slot", -1, TailTable::kSlotsMax);
  if (arguments.good()) {
    if (mode == "create") {
      wanted.mode = SegmentMode::kCreate;
    } else if (mode == "write") {
      wanted.mode = SegmentMode::kWrite;
    } else if (mode == "read") {
      wanted.mode = SegmentMode::kRead;
    } else {
      arguments.refuse(Code::kInvalidArgument, "mode");
    }
    if (backend == "mapped") {
      wanted.backend = SegmentBackend::kMapped;
    } else if (backend == "pwrite") {
      wanted.backend = SegmentBackend::kPwrite;
    } else {
      arguments.refuse(Code::kInvalidArgument, "backend");
    }
    if (wanted.folder.empty() || wanted.folder.find('\0') != std::string::npos) {
      arguments.refuse(Code::kInvalidArgument, "folder");
    }
    if (wanted.stem.find('\0') != std::string::npos) arguments.refuse(Code::kInvalidArgument, "stem");
  }
  if (arguments.good() && tails != 0) {
    TailsHandle* table = environment.tails.find(tails);
    if (table == nullptr) {
      arguments.refuse(Code::kClosed, "tails");
    } else if (!table->table->writable()) {
      arguments.refuse(Code::kReadOnly, "tails");
    } else {
      handle->table = table->table;
      handle->slot = slot < 0 ? nullptr : table->table->slot(static_cast<uint32_t>(slot));
      if (handle->slot == nullptr) arguments.refuse(Code::kNotFound, "tail slot");
    }
  }
  if (!arguments.good()) return arguments.refusal(0);
  handle->base_offset = wanted.base_offset;
  // Simulated disks and counted faults need the same calls in the same order every time.
  wanted.pretouch_on_thread = environment.is_system(*handle->kernel);
  handle->simulated = !wanted.pretouch_on_thread;
  Status status = Segment::open(*handle->kernel, std::move(wanted), &handle->segment);
  if (environment.answer(status) != 0) return Napi::Number::New(info.Env(), 0);
  return answer_handle(environment, environment.segments.insert(std::move(handle)));
}

Napi::Value segment_close(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  double number = arguments.number(0, "segment");
  if (arguments.good() && arguments.environment().segments.remove(number) == nullptr) {
    arguments.refuse(Code::kClosed, "segment");
  }
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), Status::success());
}

Status flush_one(Segment& segment, int64_t flags) {
  if (flags & kFlushSeal) return segment.seal();
  return segment.flush((flags & kFlushIndexes) != 0, (flags & kFlushFolder) != 0);
}

// The segments of a Uint32Array of handles.
std::vector<std::shared_ptr<SegmentHandle>> segment_list(Arguments& arguments, const Napi::CallbackInfo& info) {
  std::vector<std::shared_ptr<SegmentHandle>> list;
  napi_typedarray_type type;
  size_t count;
  void* data;
  if (!arguments.good()) return list;
  if (napi_get_typedarray_info(info.Env(), info[0], &type, &count, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array) {
    arguments.refuse_type("segments", "a Uint32Array");
    return list;
  }
  for (size_t i = 0; i < count; ++i) {
    std::shared_ptr<SegmentHandle> handle = arguments.environment().segments.share(static_cast<uint32_t*>(data)[i]);
    if (handle == nullptr) {
      arguments.refuse(Code::kClosed, "segment");
      return {};
    }
    list.push_back(std::move(handle));
  }
  return list;
}

Napi::Value flush(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::vector<std::shared_ptr<SegmentHandle>> segments = segment_list(arguments, info);
  int64_t flags = arguments.integer(1, "flags", 0, 7);
  double ticket = arguments.ticket(2);
  if (!arguments.good()) return arguments.refusal();
  std::vector<Flusher::Job> jobs;
  for (std::shared_ptr<SegmentHandle>& handle : segments) {
    jobs.push_back([handle = std::move(handle), flags] { return flush_one(*handle->segment, flags); });
  }
  return answer(arguments.environment(), arguments.environment().run_jobs(std::move(jobs), ticket));
}

Napi::Value flush_now(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::vector<std::shared_ptr<SegmentHandle>> segments = segment_list(arguments, info);
  int64_t flags = arguments.integer(1, "flags", 0, 7);
  if (!arguments.good()) return arguments.refusal();
  Status first_failure;
  for (const std::shared_ptr<SegmentHandle>& handle : segments) {
    Status status = flush_one(*handle->segment, flags);
    if (!status.ok() && first_failure.ok()) first_failure = std::move(status);
  }
  return answer(arguments.environment(), first_failure);
}

Napi::Value segment_copy_prefix_now(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<SegmentHandle> handle = arguments.handle(0, arguments.environment().segments, "segment");
  uint64_t position = static_cast<uint64_t>(arguments.integer(1, "position"));
  std::string to_stem = arguments.path(2, "toStem");
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), handle->segment->copy_prefix(position, to_stem));
}

Napi::Value segment_copy_prefix(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<SegmentHandle> handle = arguments.handle(0, arguments.environment().segments, "segment");
  uint64_t position = static_cast<uint64_t>(arguments.integer(1, "position"));
  std::string to_stem = arguments.path(2, "toStem");
  double ticket = arguments.ticket(3);
  if (!arguments.good()) return arguments.refusal();
  std::vector<Flusher::Job> jobs;
  jobs.push_back([handle = std::move(handle), position, to_stem = std::move(to_stem)] {
    return handle->segment->copy_prefix(position, to_stem);
  });
  return answer(arguments.environment(), arguments.environment().run_jobs(std::move(jobs), ticket));
}

Napi::Value segment_prepare_next(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<SegmentHandle> handle = arguments.handle(0, arguments.environment().segments, "segment");
  if (!arguments.good()) return arguments.refusal();
  if (handle->simulated) return answer(arguments.environment(), handle->segment->prepare_next());
  std::vector<Flusher::Job> jobs;
  jobs.push_back([handle = std::move(handle)] { return handle->segment->prepare_next(); });
  return answer(arguments.environment(), arguments.environment().run_jobs(std::move(jobs), Environment::kNoTicket));
}

Napi::Value segment_stats(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<SegmentHandle> handle = arguments.handle(0, arguments.environment().segments, "segment");
  if (!arguments.good()) return arguments.refusal();
  SegmentStats stats;
  Status status = handle->segment->stats(&stats);
  double* cell = arguments.environment().cells() + 1;
  *cell++ = static_cast<double>(stats.end_position);
  *cell++ = static_cast<double>(stats.next_offset);
  *cell++ = static_cast<double>(stats.max_timestamp);
  *cell++ = static_cast<double>(stats.max_timestamp_offset);
  *cell++ = static_cast<double>(stats.index_entries);
  *cell++ = static_cast<double>(stats.time_index_entries);
  *cell++ = static_cast<double>(stats.flushed_position);
  *cell++ = static_cast<double>(stats.file_size);
  *cell++ = static_cast<double>(stats.allocated_bytes);
  *cell++ = static_cast<double>(stats.first_max_timestamp);
  *cell++ = static_cast<double>(stats.stalls);
  *cell++ = static_cast<double>(stats.mapped_bytes);
  *cell++ = stats.index_damaged ? 1 : 0;
  return answer(arguments.environment(), status);
}

}  // namespace

void add_segment_calls(Environment& environment, Napi::Object exports) {
  add_hot_function(environment, exports, "segmentAppend", segment_append);
  add_hot_function(environment, exports, "segmentAppendScratch", segment_append_scratch);
  add_hot_function(environment, exports, "segmentAppendFragments", segment_append_fragments);
  add_hot_function(environment, exports, "segmentRead", segment_read);
  add_hot_function(environment, exports, "segmentLocateTimestamp", segment_locate_timestamp);
  add_hot_function(environment, exports, "segmentScan", segment_scan);
  add_hot_function(environment, exports, "segmentSetEnd", segment_set_end);
  add_hot_function(environment, exports, "segmentWindow", segment_window);
  add_function<set_scratch>(environment, exports, "setScratch");
  add_function<segment_open>(environment, exports, "segmentOpen");
  add_function<segment_close>(environment, exports, "segmentClose");
  add_function<segment_copy_prefix>(environment, exports, "segmentCopyPrefix");
  add_function<segment_copy_prefix_now>(environment, exports, "segmentCopyPrefixNow");
  add_function<segment_prepare_next>(environment, exports, "segmentPrepareNext");
  add_function<segment_stats>(environment, exports, "segmentStats");
  add_function<flush>(environment, exports, "flush");
  add_function<flush_now>(environment, exports, "flushNow");
}

}  // namespace varve
