// What the build can do, errors, completions, checksums.
#include "base/crc32c.h"
#include "binding/arguments.h"
#include "binding/calls.h"
#include "binding/error_names.h"
#include "tail/futex.h"

#if defined(__linux__)
#include <errno.h>
#include <sys/mman.h>
#endif

namespace varve {

namespace {

// `addonAbi` of src/storage/native/addon.ts.
constexpr uint32_t kAbi = 1;

constexpr const char* platform_name() {
#if defined(__linux__)
#if defined(__GLIBC__)
#define VARVE_SYSTEM "linux-glibc"
#else
#define VARVE_SYSTEM "linux-musl"
#endif
#elif defined(__APPLE__)
#define VARVE_SYSTEM "darwin"
#else
#define VARVE_SYSTEM "other"
#endif
#if defined(__x86_64__)
  return VARVE_SYSTEM "-x64";
#elif defined(__aarch64__)
  return VARVE_SYSTEM "-arm64";
#else
  return VARVE_SYSTEM "-other";
#endif
}

constexpr const char* sanitizer_name() {
#if defined(__SANITIZE_ADDRESS__)
  return "address";
#elif defined(__SANITIZE_THREAD__)
  return "thread";
#else
  return "";
#endif
}

// Linux 5.14 on.
bool has_populate_write() {
#if defined(__linux__)
  constexpr int kMadvPopulateWrite = 23;
  return ::madvise(nullptr, 0, kMadvPopulateWrite) == 0;
#else
  return false;
#endif
}

Napi::Object features(Environment& environment) {
  Napi::Env env(environment.env());
  Napi::Object features = Napi::Object::New(env);
  features.Set("platform", platform_name());
  features.Set("crc32c", crc32c_kind());
  features.Set("populateWrite", Napi::Boolean::New(env, has_populate_write()));
  features.Set("futexWaitv", Napi::Boolean::New(env, futex_wait_any_supported()));
  features.Set("externalBuffers", Napi::Boolean::New(env, environment.external_buffers()));
  features.Set("sanitizer", sanitizer_name());
  features.Freeze();
  return features;
}

Napi::Array status_names(Environment& environment) {
  Napi::Env env(environment.env());
  Napi::Array names = Napi::Array::New(env, std::size(kErrorNames));
  for (uint32_t i = 0; i < std::size(kErrorNames); ++i) names.Set(i, kErrorNames[i]);
  names.Freeze();
  return names;
}

Napi::Value last_error(const Napi::CallbackInfo& info) {
  Environment& environment = *static_cast<Environment*>(info.Data());
  const Status& status = environment.last_status();
  Napi::Object details = Napi::Object::New(info.Env());
  details.Set("code", kErrorNames[static_cast<size_t>(status.code)]);
  details.Set("errno", Napi::Number::New(info.Env(), status.error_number));
  details.Set("errnoName", errno_name(status.error_number));
  details.Set("call", status.call);
  details.Set("path", status.path);
  bool somewhere = status.position != Status::kNowhere;
  details.Set("position", Napi::Number::New(info.Env(), somewhere ? static_cast<double>(status.position) : -1));
  details.Set("message", environment.last_message());
  return details;
}

Napi::Value set_completion_handler(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  if (!info[0].IsFunction()) {
    arguments.refuse_type("handler", "a function");
  } else {
    arguments.environment().set_completion_handler(info[0]);
  }
  return info.Env().Undefined();
}

// Hot: short inputs are checksummed one by one.
napi_value call_crc32c(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  std::span<uint8_t> bytes;
  double seed;
  if (bytes_of(env, arguments[0], &bytes) == BytesAnswer::kWrongType ||
      napi_get_value_double(env, arguments[1], &seed) != napi_ok) {
    napi_throw_type_error(env, nullptr, "varve: crc32c takes a Uint8Array and a number");
    return nullptr;
  }
  int64_t start;
  if (!to_integer(seed, 0, 4294967295.0, &start)) {
    napi_throw_range_error(env, nullptr, "varve: the seed of crc32c is a 32-bit checksum");
    return nullptr;
  }
  napi_value checksum;
  napi_create_uint32(env, crc32c(bytes.data(), bytes.size(), static_cast<uint32_t>(start)), &checksum);
  return checksum;
}

}  // namespace

void add_general_calls(Environment& environment, Napi::Object exports) {
  exports.Set("abi", Napi::Number::New(exports.Env(), kAbi));
  exports.Set("features", features(environment));
  exports.Set("statusNames", status_names(environment));
  exports.Set("cells", Napi::Value(exports.Env(), environment.cells_array()));
  exports.Set("rows", Napi::Value(exports.Env(), environment.rows_array()));
  add_function<last_error>(environment, exports, "lastError");
  add_function<set_completion_handler>(environment, exports, "setCompletionHandler");
  add_hot_function(environment, exports, "crc32c", call_crc32c);
}

}  // namespace varve
