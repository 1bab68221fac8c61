// Preallocation: gives a growing log file real blocks ahead of its end, in chunks from 64 KiB doubling to 16 MiB.
//
// A full disk is met here, as the errno of a system call, and not by a store into a mapping. A segment that was never
// written owns nothing; a small one owns at most twice its contents.
//
// Threads: none of its own; the owner locks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/status.h"
#include "file/file.h"

namespace varve {

class Preallocation {
 public:
  // `file` outlives this. Blocks below `position` are left alone.
  Preallocation(const File& file, uint64_t position) : file_(file), end_(position) {}

  // Real blocks up to `target` at least, up to `limit` at most (limit >= target). When a whole chunk does not fit the
  // disk, just what is needed is tried. On failure everything is as before, and it may be tried again.
  Status cover(uint64_t target, uint64_t limit);
  uint64_t end() const { return end_; }
  // The file was cut to `position`.
  void cut(uint64_t position) { end_ = std::min(end_, position); }

  static constexpr uint64_t kFirstChunkBytes = 64 << 10;
  static constexpr uint64_t kMaxChunkBytes = 16 << 20;

 private:
  const File& file_;
  uint64_t end_;  // blocks are ours from where we began up to here
  uint64_t chunk_bytes_ = kFirstChunkBytes;
};

}  // namespace varve
