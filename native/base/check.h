// check(): the assertion for programmer errors. It is on in release builds and costs a compare and a predicted branch.
//
// Bytes that come from disk, network or a user are validated and answered with a Status, never checked here: what
// check() guards is that our own code keeps its own promises. When it does not, the process ends at once, before a
// wrong state can reach the disk (the same effect as `kill -9`, which every format of ours survives).
#pragma once

#include <source_location>

namespace varve {

// Prints file, line and message to standard error and aborts.
[[noreturn]] void check_failed(const char* message, const std::source_location& where);

inline void check(bool condition, const char* message,
                  const std::source_location& where = std::source_location::current()) {
  if (!condition) [[unlikely]] {
    check_failed(message, where);
  }
}

}  // namespace varve
