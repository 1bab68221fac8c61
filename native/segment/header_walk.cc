#include "segment/header_walk.h"

#include <algorithm>

namespace varve {

Status HeaderWalk::look(Found* found) {
  if (position_ >= end_) {
    *found = position_ == end_ ? Found::kEnd : Found::kDamage;
    return Status::success();
  }
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(record_batch::kHeaderBytes, end_ - position_));
  if (position_ < window_start_ || position_ + wanted > window_start_ + window_bytes_) {
    const size_t length = static_cast<size_t>(std::min<uint64_t>(kWindowBytes, end_ - position_));
    VARVE_RETURN_IF_FAILED(file_.read_at(position_, window_.data(), length, &window_bytes_));
    window_start_ = position_;
  }
  const uint8_t* bytes = window_.data() + (position_ - window_start_);
  const size_t have = static_cast<size_t>(std::min<uint64_t>(window_start_ + window_bytes_ - position_, wanted));
  // Zeros tell an unwritten tail, also one that is too short for a length field.
  const bool zero = have >= record_batch::kLeaderEpochAt
                        ? load_be32(bytes + record_batch::kLengthAt) == 0
                        : std::all_of(bytes, bytes + have, [](uint8_t byte) { return byte == 0; });
  if (zero) {
    *found = Found::kZero;
  } else if (have < record_batch::kHeaderBytes) {
    *found = Found::kDamage;
  } else {
    header_ = parse_batch_header(bytes);
    const bool good = plausible(header_) && header_.size() <= end_ - position_ && header_.base_offset >= next_offset_;
    *found = good ? Found::kBatch : Found::kDamage;
  }
  return Status::success();
}

void HeaderWalk::advance() {
  position_ += header_.size();
  next_offset_ = header_.next_offset();
}

}  // namespace varve
