// Reading a segment: finding where to start, filling a buffer with checked batches, mapping sealed bytes.
//
// Indexes only say where to start looking. Every entry that is used is compared with the batch that it points to; the
// first one that does not match ends the use of both indexes until they are made anew, and the log is walked from its
// start instead: slower, never wrong.
#include <algorithm>
#include <cstring>
#include <utility>

#include "file/mapping.h"
#include "format/record_batch.h"
#include "segment/header_walk.h"
#include "segment/segment.h"

namespace varve {

Status Segment::load_indexes() {
  if (indexes_loaded_) return Status::success();
  VARVE_RETURN_IF_FAILED(offset_index_.load());
  VARVE_RETURN_IF_FAILED(time_index_.load());
  indexes_loaded_ = true;
  return Status::success();
}

// How far a reader may look: what was asked for, and never past what this writer published.
Status Segment::readable_end(uint64_t asked, uint64_t* end) const {
  if (ready_) {
    *end = std::min(asked, end_position_.load(std::memory_order_acquire));
  } else if (asked != kNoPosition) {
    *end = asked;
  } else {
    VARVE_RETURN_IF_FAILED(file_.size(end));
  }
  return Status::success();
}

// The start of a batch at or below the offset, as near as the index knows one.
Status Segment::start_below(int64_t offset, uint64_t end, Place* place) {
  VARVE_RETURN_IF_FAILED(load_indexes());
  OffsetEntry entry;
  if (!index_damaged_ && offset_index_.floor(offset - options_.base_offset, end, &entry)) {
    uint8_t bytes[record_batch::kHeaderBytes];
    size_t got = 0;
    VARVE_RETURN_IF_FAILED(file_.read_at(entry.position, bytes, sizeof bytes, &got));
    const BatchHeader header = parse_batch_header(bytes);
    if (got == sizeof bytes && plausible(header) && header.base_offset >= options_.base_offset &&
        header.last_offset() == options_.base_offset + entry.relative_last_offset) {
      *place = {entry.position, header.base_offset};
      return Status::success();
    }
    index_damaged_ = true;
  }
  *place = {0, options_.base_offset};
  return Status::success();
}

Status Segment::read(const ReadRequest& request, std::span<uint8_t> into, ReadResult* result) {
  *result = ReadResult{};
  uint64_t end = 0;
  VARVE_RETURN_IF_FAILED(readable_end(request.end_position, &end));
  if (into.size() < record_batch::kHeaderBytes) {
    result->needed_bytes = record_batch::kHeaderBytes;
    return failure(Code::kBufferTooSmall, "read", 0);
  }
  if (request.position_hint != kNoPosition && request.position_hint <= end) {
    // The usual case: a reader that goes on where it stopped. Anything odd is left to the long way below.
    const Status status = fill(request, {request.position_hint, request.offset}, true, end, into, result);
    if (status.ok() || status.code == Code::kBufferTooSmall) return status;
    *result = ReadResult{};
  }

  Place place;
  VARVE_RETURN_IF_FAILED(start_below(request.offset, end, &place));
  HeaderWalk walk(file_, place.position, end, place.offset);
  for (;;) {
    HeaderWalk::Found found;
    VARVE_RETURN_IF_FAILED(walk.look(&found));
    // What is not a batch is judged by fill(), like everything else that it meets first.
    if (found != HeaderWalk::Found::kBatch || walk.header().last_offset() >= request.offset ||
        (request.contiguous && walk.header().base_offset != walk.next_offset())) {
      break;
    }
    walk.advance();
  }
  const Status status = fill(request, {walk.position(), walk.next_offset()}, false, end, into, result);
  if (status.code != Code::kCorrupt) return status;
  return read_past_damage(request, place, end, into, result);
}

// Whole batches from `place` on, which is the start of a batch (or the end). `place.offset` is the lowest base offset
// allowed there, in a log without gaps the only one; if `inside`, it may also lie within the first batch.
Status Segment::fill(const ReadRequest& request, Place place, bool inside, uint64_t end, std::span<uint8_t> into,
                     ReadResult* result) const {
  using namespace record_batch;
  result->position = result->next_position = place.position;
  result->base_offset = result->next_offset = place.offset;
  const auto damage = [&](const char* call) { return failure(Code::kCorrupt, call, place.position); };
  if (place.position >= end) return Status::success();

  const uint64_t available = end - place.position;
  const uint64_t limit = std::min<uint64_t>(available, into.size());
  size_t got = 0;
  const uint64_t first_read = std::min(limit, std::max<uint64_t>(request.max_bytes, kHeaderBytes));
  VARVE_RETURN_IF_FAILED(file_.read_at(place.position, into.data(), static_cast<size_t>(first_read), &got));

  // Without a published end, a zero length and the end of the file are just where the log ends so far.
  const bool end_is_known = ready_ || request.end_position != kNoPosition;
  const auto zeros = [&] {
    return std::all_of(into.data(), into.data() + got, [](uint8_t byte) { return byte == 0; });
  };
  if (got < kHeaderBytes) return !end_is_known && zeros() ? Status::success() : damage("batch length");
  BatchHeader header = parse_batch_header(into.data());
  if (header.length == 0 && !end_is_known) return Status::success();
  if (!plausible(header)) return damage("batch header");
  if (header.size() > available) return damage("batch length");
  if ((inside ? header.last_offset() : header.base_offset) < place.offset) return damage("base offset");
  if (request.contiguous && header.base_offset > place.offset) return damage("base offset");
  if (request.end_offset != kNoOffset && header.base_offset >= request.end_offset) return Status::success();
  if (header.size() > into.size()) {
    result->needed_bytes = header.size();
    return failure(Code::kBufferTooSmall, "read", place.position);
  }
  if (header.size() > got) {
    size_t more = 0;
    VARVE_RETURN_IF_FAILED(file_.read_at(place.position + got, into.data() + got, header.size() - got, &more));
    got += more;
    if (header.size() > got) return damage("batch length");
  }

  uint64_t at = 0;
  for (;;) {
    if (!crc_matches({into.data() + at, header.size()}, header)) {
      if (at == 0) return damage("batch checksum");
      break;  // told when it comes first
    }
    if (at == 0) result->base_offset = header.base_offset;
    at += header.size();
    ++result->batches;
    result->next_offset = header.next_offset();
    if (got - at < kHeaderBytes) break;
    header = parse_batch_header(into.data() + at);
    if (!plausible(header) || header.size() > got - at || at + header.size() > request.max_bytes ||
        header.base_offset < result->next_offset || (request.contiguous && header.base_offset != result->next_offset) ||
        (request.end_offset != kNoOffset && header.base_offset >= request.end_offset)) {
      break;
    }
  }
  result->bytes = at;
  result->next_position = place.position + at;
  return Status::success();
}

// Compares the entry with the batch that it names: `place` becomes that batch, `after` what follows it.
Status Segment::check_time_entry(const TimeEntry& entry, uint64_t end, EntryCheck* answer, Place* place, Place* after) {
  const int64_t last_offset = options_.base_offset + entry.relative_last_offset;
  VARVE_RETURN_IF_FAILED(start_below(last_offset, end, place));
  HeaderWalk walk(file_, place->position, end, place->offset);
  for (;;) {
    HeaderWalk::Found found;
    VARVE_RETURN_IF_FAILED(walk.look(&found));
    if (found != HeaderWalk::Found::kBatch) {
      *answer = found == HeaderWalk::Found::kDamage ? EntryCheck::kDiffers : EntryCheck::kPastEnd;
      return Status::success();
    }
    *place = {walk.position(), walk.next_offset()};
    const BatchHeader header = walk.header();
    walk.advance();
    if (header.last_offset() < last_offset) continue;
    const bool same = header.last_offset() == last_offset && header.max_timestamp == entry.timestamp;
    *answer = same ? EntryCheck::kHolds : EntryCheck::kDiffers;
    *after = {walk.position(), walk.next_offset()};
    return Status::success();
  }
}

Status Segment::locate_timestamp(int64_t timestamp, uint64_t end_position, TimestampResult* result) {
  *result = TimestampResult{};
  uint64_t end = 0;
  VARVE_RETURN_IF_FAILED(readable_end(end_position, &end));
  VARVE_RETURN_IF_FAILED(load_indexes());
  Place place{0, options_.base_offset};
  TimeEntry entry;
  if (!index_damaged_ && time_index_.below(timestamp, &entry)) {
    // Everything up to and including that batch is too old.
    EntryCheck check;
    Place batch, after;
    VARVE_RETURN_IF_FAILED(check_time_entry(entry, end, &check, &batch, &after));
    if (check == EntryCheck::kHolds) place = after;
    if (check == EntryCheck::kDiffers) index_damaged_ = true;
  }
  const bool end_is_known = ready_ || end_position != kNoPosition;
  HeaderWalk walk(file_, place.position, end, place.offset);
  for (;;) {
    HeaderWalk::Found found;
    VARVE_RETURN_IF_FAILED(walk.look(&found));
    switch (found) {
      case HeaderWalk::Found::kEnd:
        return Status::success();
      case HeaderWalk::Found::kZero:
        return end_is_known ? failure(Code::kCorrupt, "batch length", walk.position()) : Status::success();
      case HeaderWalk::Found::kDamage:
        return failure(Code::kCorrupt, "batch header", walk.position());
      case HeaderWalk::Found::kBatch:
        break;
    }
    if (walk.header().max_timestamp >= timestamp) {
      *result = {true, walk.position(), walk.header().base_offset, walk.header().size()};
      return Status::success();
    }
    walk.advance();
  }
}

Status Segment::window(uint64_t position, uint64_t length, std::unique_ptr<SegmentWindow>* window) {
  uint64_t size = 0;
  VARVE_RETURN_IF_FAILED(file_.size(&size));
  // A sealed file is as long as its batches, and is never cut again: no page of the window can go away.
  const bool sealed = options_.mode == SegmentMode::kRead || sealed_.load(std::memory_order_acquire);
  if (!sealed || length == 0 || position > size || length > size - position) {
    return failure(Code::kInvalidArgument, "window", position);
  }
  const uint64_t start = position / Mapping::page_bytes() * Mapping::page_bytes();
  Mapping mapping;
  VARVE_RETURN_IF_FAILED(
      Mapping::map(file_, start, static_cast<size_t>(position + length - start), MapMode::kPrivate, &mapping));
  VARVE_RETURN_IF_FAILED(mapping.populate_read(position, static_cast<size_t>(length)));
  *window = std::make_unique<SegmentWindow>(std::move(mapping), position, static_cast<size_t>(length));
  return Status::success();
}

}  // namespace varve
