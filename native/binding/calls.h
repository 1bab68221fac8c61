// The addon's functions by subject: each adds its own to `exports`. What they do stands in src/storage/native/addon.ts.
#pragma once

#include <napi.h>

#include "binding/environment.h"

namespace varve {

void add_general_calls(Environment& environment, Napi::Object exports);
void add_kernel_calls(Environment& environment, Napi::Object exports);
void add_file_calls(Environment& environment, Napi::Object exports);
void add_segment_calls(Environment& environment, Napi::Object exports);
void add_tail_calls(Environment& environment, Napi::Object exports);

}  // namespace varve
