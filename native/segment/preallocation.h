// Preallocation: gives a growing log file real blocks ahead of its end, in chunks from 64 KiB doubling to 16 MiB.
//
// A full disk is met here, as the errno of a system call, and not by a store into a mapping. A segment that was never
// written owns nothing; a small one owns at most twice its contents.
//
// The reserve: free bytes of the disk that are left alone, so that when appends are refused there is still room for
// what lets a log be closed and opened again: index pages, snapshots, checkpoints. A log asks how much is free only
// before a chunk, and others may take what is left, so the reserve is a guard and no promise.
//
// Threads: none of its own; the owner locks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "file/file.h"

namespace varve {

class Preallocation {
 public:
  // `file` outlives this. Blocks below `position` are left alone.
  Preallocation(const File& file, uint64_t position, uint64_t reserve_bytes)
      : file_(file), reserve_bytes_(reserve_bytes), end_(position) {}

  // Real blocks up to `target` at least, up to `limit` at most (limit >= target). When a whole chunk does not fit the
  // disk, just what is needed is tried. On failure everything is as before, and it may be tried again.
  // kNoSpace, kUnsupported.
  Status cover(uint64_t target, uint64_t limit);
  // After kUnsupported: from now on only the reserve is looked after; a full disk shows when the file is written.
  void stop_allocating() { allocates_ = false; }
  uint64_t end() const { return end_; }
  // The file was cut to `position`.
  void cut(uint64_t position) { end_ = std::min(end_, position); }

  // What may be allocated on this disk without going below its reserve; all there is when the system does not say.
  static uint64_t spare_bytes(Kernel& kernel, const std::string& path, uint64_t reserve_bytes);

  static constexpr uint64_t kFirstChunkBytes = 64 << 10;
  static constexpr uint64_t kMaxChunkBytes = 16 << 20;

 private:
  Status take(uint64_t length) const;

  const File& file_;
  const uint64_t reserve_bytes_;
  bool allocates_ = true;
  uint64_t end_;  // blocks are ours from where we began up to here
  uint64_t chunk_bytes_ = kFirstChunkBytes;
};

}  // namespace varve
