// The addon's entry: makes the Environment of this JavaScript thread and hands out the functions.
#include <napi.h>

#include "binding/calls.h"
#include "binding/environment.h"

NAPI_MODULE_INIT() {
  varve::Environment* environment = varve::Environment::create(env);
  if (environment == nullptr) return nullptr;
  Napi::Object object(env, exports);
  varve::add_general_calls(*environment, object);
  varve::add_kernel_calls(*environment, object);
  varve::add_file_calls(*environment, object);
  varve::add_segment_calls(*environment, object);
  varve::add_tail_calls(*environment, object);
  return exports;
}
