// Status: how every fallible function of the native core answers. Nothing here throws.
//
// A Status is a small value. Success costs one zero byte to test; a failure carries what a user needs to act on:
// what kind of failure (Code), the errno behind it, the file it happened on and the position in that file.
// Ownership: `path` is owned by the Status. Threads: a Status is a value, hand it over freely.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace varve {

// The kinds of failure. binding/error_names.h maps each to the public VARVE_* code; keep the two in step.
enum class Code : uint8_t {
  kOk = 0,
  kInvalidArgument,   // a caller's mistake that the binding could not rule out
  kCorrupt,           // bytes that fail their checks: checksum, length, magic, count, order
  kIo,                // the system refused a read, a write or a flush; `error_number` says why
  kNoSpace,           // ENOSPC, EDQUOT, or the reserve is reached, and never a failed flush; trying again is harmless
  kNotFound,          // no such file or folder
  kExists,            // it is there already
  kPermission,        // EACCES, EPERM
  kReadOnly,          // EROFS, or a handle opened for reading
  kNotAFolder,        // ENOTDIR, or a file where a folder should be
  kLocked,            // another writer holds the lock
  kTooNew,            // written by a newer format version
  kClosed,            // the handle is closed
  kSegmentFull,       // the append does not fit this segment: roll
  kOffsetOutOfRange,  // no such offset in this segment
  kRecordTooLarge,    // a batch over the caller's limit
  kBufferTooSmall,    // the first whole batch does not fit the buffer; the needed size is reported
  kTooManyFiles,      // EMFILE, ENFILE
  kNoMemory,          // ENOMEM, or an allocation that failed
  kUnsupported,       // not on this system
  kFailed,            // fail-stopped by an earlier failure
  kTimedOut,          // what was waited for did not happen in time
  kCount,             // not a code: how many there are
};

struct Status {
  Code code = Code::kOk;
  int error_number = 0;          // errno, or 0
  const char* call = "";         // static string: the system call or check that failed, such as "fdatasync"
  std::string path;              // empty when no file is concerned
  uint64_t position = kNowhere;  // byte position in `path`, or kNowhere

  static constexpr uint64_t kNowhere = ~uint64_t{0};

  bool ok() const { return code == Code::kOk; }

  static Status success() { return Status{}; }
  // Both are marked cold, so that compilers lay out the code around them for success.
  [[gnu::cold]] static Status failure(Code code, const char* call, std::string path = {}, uint64_t position = kNowhere);
  // Maps an errno to its Code; `error_number` is positive.
  [[gnu::cold]] static Status from_errno(int error_number, const char* call, std::string path = {},
                                         uint64_t position = kNowhere);
};

}  // namespace varve

// Leaves the calling function with the failure, if there is one.
#define VARVE_RETURN_IF_FAILED(expression)         \
  do {                                             \
    ::varve::Status varve_status_ = (expression);  \
    if (!varve_status_.ok()) return varve_status_; \
  } while (0)
