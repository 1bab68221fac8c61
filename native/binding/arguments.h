// Arguments: what one call was given, checked as it is taken out.
//
// The first thing that is wrong decides, and nothing that comes after it is looked at: a wrong type is a programmer's
// error and leaves a TypeError pending; a wrong value (a closed handle, NaN, a negative size, a path with a zero byte)
// is a failure in the environment. So a call takes all its arguments, asks `good()` once, and answers `refusal()` when
// they are not.
//
// Paths and other strings are copied. Bytes are only borrowed: they are good until JavaScript runs again, that is for a
// call that does not wait and does not call back.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "binding/environment.h"

namespace varve {

// Number.MAX_SAFE_INTEGER
constexpr double kSafeIntegerMax = 9007199254740991.0;

// Whether a number of JavaScript's is a whole one in [min, max]; not for NaN.
inline bool to_integer(double number, double min, double max, int64_t* integer) {
  if (!(number >= min && number <= max)) return false;
  *integer = static_cast<int64_t>(number);
  return static_cast<double>(*integer) == number;
}

// The bytes of a Uint8Array, over shared memory or not. Nothing is thrown.
enum class BytesAnswer { kBytes, kWrongType, kDetached };
BytesAnswer bytes_of(napi_env env, napi_value value, std::span<uint8_t>* bytes);

class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info)
      : info_(info), environment_(*static_cast<Environment*>(info.Data())) {}

  Environment& environment() { return environment_; }
  bool good() const { return good_; }
  // What a call answers when it was refused: the status, or with an exception pending nothing that matters.
  Napi::Value refusal();
  // The same for calls whose number is not a status, such as a handle.
  Napi::Value refusal(double instead);

  double number(size_t index, const char* name);
  // A whole number of at least `min`.
  int64_t integer(size_t index, const char* name, int64_t min = 0, int64_t max = static_cast<int64_t>(kSafeIntegerMax));
  bool boolean(size_t index, const char* name);
  std::string text(size_t index, const char* name);
  // Text that may go to the system: not empty, no zero byte.
  std::string path(size_t index, const char* name);
  std::span<uint8_t> bytes(size_t index, const char* name);
  std::shared_ptr<Kernel> kernel(size_t index);
  template <typename T>
  std::shared_ptr<T> handle(size_t index, const HandleTable<T>& table, const char* name) {
    double number = this->number(index, name);
    if (!good_) return nullptr;
    std::shared_ptr<T> found = table.share(number);
    if (found == nullptr) refuse(Code::kClosed, name);
    return found;
  }
  // A positive whole number, which is then an open ticket. Take it last: it must be finished or abandoned.
  double ticket(size_t index, bool keeps_alive = true);

  void refuse(Code code, const char* what);
  void refuse_type(const char* name, const char* wanted);

 private:
  const Napi::CallbackInfo& info_;
  Environment& environment_;
  bool good_ = true;
};

// Answers of calls made with node-addon-api.
Napi::Value answer(Environment& environment, const Status& status);
Napi::Value answer_number(Environment& environment, double number);
// 0 = the table of handles was full.
Napi::Value answer_handle(Environment& environment, uint32_t handle);

// Adds a function under its name; `Call` gets the environment as its data.
template <Napi::Value (*Call)(const Napi::CallbackInfo&)>
void add_function(Environment& environment, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Call>(exports.Env(), name, &environment));
}

// The same in raw Node-API, for hot calls: they get the environment from napi_get_cb_info.
void add_hot_function(Environment& environment, napi_value exports, const char* name, napi_callback call);

}  // namespace varve
