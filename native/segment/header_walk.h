// HeaderWalk: steps from batch to batch through a log file by their headers alone.
//
// For finding a place (no CRC is checked, and bodies are not read). A walk stops for good at the first thing that is
// not a batch: bytes of the file are never trusted to lead outside [start, end).
//
// Cost: one pread of kWindowBytes for as many headers as lie in it. Threads: one.
#pragma once

#include <array>
#include <cstdint>

#include "base/status.h"
#include "file/file.h"
#include "segment/batch_check.h"

namespace varve {

class HeaderWalk {
 public:
  enum class Found : uint8_t {
    kBatch,   // header() and position() describe it; it ends at or before the walk's end
    kEnd,     // exactly at the walk's end
    kZero,    // a zero length, or fewer than 12 bytes of zeros: a preallocated tail
    kDamage,  // anything else
  };

  // `lowest_offset`: base offsets below it are damage. Afterwards each batch must start at or past the end of the last.
  HeaderWalk(const File& file, uint64_t position, uint64_t end, int64_t lowest_offset)
      : file_(file), position_(position), end_(end), next_offset_(lowest_offset) {}

  // Looks at what stands at position(). Does not move.
  Status look(Found* found);
  // After kBatch: past this batch.
  void advance();

  const BatchHeader& header() const { return header_; }
  uint64_t position() const { return position_; }
  int64_t next_offset() const { return next_offset_; }  // lowest base offset allowed at position()

 private:
  static constexpr size_t kWindowBytes = 8192;

  const File& file_;
  uint64_t position_;
  uint64_t end_;
  int64_t next_offset_;
  BatchHeader header_{};
  uint64_t window_start_ = 0;
  size_t window_bytes_ = 0;
  std::array<uint8_t, kWindowBytes> window_;
};

}  // namespace varve
