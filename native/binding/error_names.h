// The public name of each Code: what `statusNames` shows to TypeScript. The table of all names is src/errors.ts.
#pragma once

#include <iterator>

#include "base/status.h"

namespace varve {

constexpr const char* kErrorNames[] = {
    "",  // kOk
    "VARVE_INVALID_ARGUMENT",
    "VARVE_CORRUPT",
    "VARVE_IO",
    "VARVE_NO_SPACE",
    "VARVE_NOT_FOUND",
    "VARVE_EXISTS",
    "VARVE_PERMISSION",
    "VARVE_READ_ONLY",
    "VARVE_NOT_A_FOLDER",
    "VARVE_LOCKED",
    "VARVE_FORMAT_TOO_NEW",
    "VARVE_CLOSED",
    "VARVE_SEGMENT_FULL",
    "VARVE_OFFSET_OUT_OF_RANGE",
    "VARVE_RECORD_TOO_LARGE",
    "VARVE_BUFFER_TOO_SMALL",
    "VARVE_TOO_MANY_FILES",
    "VARVE_NO_MEMORY",
    "VARVE_UNSUPPORTED",
    "VARVE_FAILED",
    "VARVE_TIMED_OUT",
};
static_assert(std::size(kErrorNames) == static_cast<size_t>(Code::kCount), "a Code has no public name");

// "EIO" for EIO; "" for 0 and for numbers that files do not raise.
const char* errno_name(int error_number);

}  // namespace varve
