#include "segment/preallocation.h"

namespace varve {

uint64_t Preallocation::spare_bytes(Kernel& kernel, const std::string& path, uint64_t reserve_bytes) {
  if (reserve_bytes == 0) return Kernel::kUnknownBytes;
  const uint64_t free = kernel.free_bytes(path.c_str());
  if (free == Kernel::kUnknownBytes) return free;
  return free - std::min(free, reserve_bytes);
}

Status Preallocation::take(uint64_t length) const {
  if (length > spare_bytes(file_.kernel(), file_.path(), reserve_bytes_)) {
    return Status::failure(Code::kNoSpace, "disk reserve", file_.path(), end_);
  }
  return allocates_ ? file_.allocate(end_, length) : Status::success();
}

Status Preallocation::cover(uint64_t target, uint64_t limit) {
  while (end_ < target) {
    const uint64_t needed = target - end_;
    // Chunks end at multiples of 64 KiB, so that the file does not grow by odd pieces.
    const uint64_t wanted_end = (end_ + std::max(needed, chunk_bytes_)) / kFirstChunkBytes * kFirstChunkBytes;
    const uint64_t length = std::max(needed, std::min(wanted_end, limit) - std::min(end_, limit));
    Status status = take(length);
    if (status.code == Code::kNoSpace && length > needed) {
      VARVE_RETURN_IF_FAILED(take(needed));
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
