#include "binding/arguments.h"

namespace varve {

BytesAnswer bytes_of(napi_env env, napi_value value, std::span<uint8_t>* bytes) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return BytesAnswer::kWrongType;
  }
  if (length > 0) [[likely]] {
    *bytes = std::span<uint8_t>(static_cast<uint8_t*>(data), length);
    return BytesAnswer::kBytes;
  }
  // Nothing there: because it is empty, or because it was taken away? An empty file must not come of the latter.
  *bytes = {};
  napi_value buffer;
  bool detached = false;
  napi_get_typedarray_info(env, value, nullptr, nullptr, nullptr, &buffer, nullptr);
  napi_is_detached_arraybuffer(env, buffer, &detached);
  return detached ? BytesAnswer::kDetached : BytesAnswer::kBytes;
}

void Arguments::refuse(Code code, const char* what) {
  if (!good_) return;
  good_ = false;
  environment_.fail(code, what);
}

void Arguments::refuse_type(const char* name, const char* wanted) {
  if (!good_) return;
  good_ = false;
  Napi::TypeError::New(info_.Env(), std::string("varve: ") + name + " must be " + wanted).ThrowAsJavaScriptException();
}

Napi::Value Arguments::refusal() {
  if (info_.Env().IsExceptionPending()) return {};
  return Napi::Number::New(info_.Env(), environment_.last_code());
}

Napi::Value Arguments::refusal(double instead) {
  if (info_.Env().IsExceptionPending()) return {};
  return Napi::Number::New(info_.Env(), instead);
}

double Arguments::number(size_t index, const char* name) {
  if (!good_) return 0;
  Napi::Value value = info_[index];
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  refuse_type(name, "a number");
  return 0;
}

int64_t Arguments::integer(size_t index, const char* name, int64_t min, int64_t max) {
  double number = this->number(index, name);
  int64_t integer = 0;
  if (good_ && !to_integer(number, static_cast<double>(min), static_cast<double>(max), &integer)) {
    refuse(Code::kInvalidArgument, name);
  }
  return integer;
}

bool Arguments::boolean(size_t index, const char* name) {
  if (!good_) return false;
  Napi::Value value = info_[index];
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  refuse_type(name, "a boolean");
  return false;
}

std::string Arguments::text(size_t index, const char* name) {
  if (!good_) return {};
  Napi::Value value = info_[index];
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  refuse_type(name, "a string");
  return {};
}

std::string Arguments::path(size_t index, const char* name) {
  std::string path = text(index, name);
  if (good_ && (path.empty() || path.find('\0') != std::string::npos)) refuse(Code::kInvalidArgument, name);
  return path;
}

std::span<uint8_t> Arguments::bytes(size_t index, const char* name) {
  std::span<uint8_t> bytes;
  if (!good_) return bytes;
  switch (bytes_of(info_.Env(), info_[index], &bytes)) {
    case BytesAnswer::kBytes:
      break;
    case BytesAnswer::kWrongType:
      refuse_type(name, "a Uint8Array");
      break;
    case BytesAnswer::kDetached:
      refuse(Code::kInvalidArgument, "detached buffer");
      break;
  }
  return bytes;
}

std::shared_ptr<Kernel> Arguments::kernel(size_t index) {
  double number = this->number(index, "kernel");
  if (!good_) return nullptr;
  std::shared_ptr<Kernel> kernel = environment_.kernel(number);
  if (kernel == nullptr) refuse(Code::kClosed, "kernel");
  return kernel;
}

double Arguments::ticket(size_t index, bool keeps_alive) {
  double ticket = static_cast<double>(integer(index, "ticket", 1));
  if (good_ && !environment_.open_ticket(keeps_alive)) good_ = false;
  return ticket;
}

Napi::Value answer(Environment& environment, const Status& status) {
  return Napi::Number::New(environment.env(), environment.answer(status));
}

Napi::Value answer_number(Environment& environment, double number) {
  environment.succeed();
  return Napi::Number::New(environment.env(), number);
}

Napi::Value answer_handle(Environment& environment, uint32_t handle) {
  if (handle != 0) return answer_number(environment, handle);
  environment.fail(Code::kNoMemory, "handle");
  return Napi::Number::New(environment.env(), 0);
}

void add_hot_function(Environment& environment, napi_value exports, const char* name, napi_callback call) {
  napi_value function;
  if (napi_create_function(environment.env(), name, NAPI_AUTO_LENGTH, call, &environment, &function) != napi_ok) return;
  napi_set_named_property(environment.env(), exports, name, function);
}

}  // namespace varve
