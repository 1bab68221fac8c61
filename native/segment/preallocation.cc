#include "segment/preallocation.h"

namespace varve {

Status Preallocation::cover(uint64_t target, uint64_t limit) {
  while (end_ < target) {
    const uint64_t needed = target - end_;
    // Chunks end at multiples of 64 KiB, so that the file does not grow by odd pieces.
    const uint64_t wanted_end = (end_ + std::max(needed, chunk_bytes_)) / kFirstChunkBytes * kFirstChunkBytes;
    const uint64_t length = std::max(needed, std::min(wanted_end, limit) - std::min(end_, limit));
    Status status = file_.allocate(end_, length);
    if (status.code == Code::kNoSpace && length > needed) {
      VARVE_RETURN_IF_FAILED(file_.allocate(end_, needed));
      end_ += needed;
      return Status::success();
    }
    VARVE_RETURN_IF_FAILED(status);
    end_ += length;
    chunk_bytes_ = std::min(chunk_bytes_ * 2, kMaxChunkBytes);
  }
  return Status::success();
}

}  // namespace varve
