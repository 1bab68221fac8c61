// After a crash: finding where the valid batches end, making indexes anew, and making sure that nothing which was cut
// off can come back. Also the copy of a prefix, which is how a log is cut below an end that was published.
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/byte_order.h"
#include "file/small_files.h"
#include "format/offset_index.h"
#include "format/record_batch.h"
#include "segment/header_walk.h"
#include "segment/segment.h"

namespace varve {

namespace {

// Read at a time by scans and copies; a larger batch gets a larger buffer for the time that it takes.
constexpr size_t kBlockBytes = 1 << 20;
// Spent on checksums while looking for the next batch behind damage: many times what an honest file takes.
constexpr uint64_t kFindNextBytes = 256 << 20;
// Looked at, and made zero if it is not, at a time.
constexpr size_t kZeroBytes = 64 << 10;

// The bytes of a file, forward, in blocks.
class ForwardReader {
 public:
  ForwardReader(const File& file, uint64_t end) : file_(file), end_(end) {}

  // Makes [position, position + wanted) readable at *bytes, fewer where the range or the file ends. Memory is taken for
  // bytes that are in the file, not for bytes that a length field claims.
  Status look(uint64_t position, uint64_t wanted, const uint8_t** bytes, uint64_t* have) {
    const uint64_t limit = end_ - std::min(position, end_);
    wanted = std::min(wanted, limit);
    if (position < start_ || position + wanted > start_ + got_) {
      const size_t length = static_cast<size_t>(std::min<uint64_t>(std::max<uint64_t>(wanted, kBlockBytes), limit));
      if (block_.size() < length) block_.resize(length);
      got_ = 0;
      start_ = position;
      VARVE_RETURN_IF_FAILED(file_.read_at(position, block_.data(), length, &got_));
    }
    *bytes = block_.data() + (position - start_);
    *have = std::min(wanted, start_ + got_ - std::min(position, start_ + got_));
    return Status::success();
  }

 private:
  const File& file_;
  const uint64_t end_;
  uint64_t start_ = 0;
  size_t got_ = 0;
  std::vector<uint8_t> block_;
};

ScanRow to_row(const BatchHeader& header, uint64_t position) {
  return ScanRow{.base_offset = header.base_offset,
                 .last_offset = header.last_offset(),
                 .position = position,
                 .size = static_cast<uint32_t>(header.size()),
                 .leader_epoch = header.leader_epoch,
                 .attributes = static_cast<int16_t>(header.attributes),
                 .base_timestamp = header.base_timestamp,
                 .max_timestamp = header.max_timestamp,
                 .producer_id = header.producer_id,
                 .producer_epoch = header.producer_epoch,
                 .base_sequence = header.base_sequence,
                 .record_count = header.record_count,
                 .crc = header.crc};
}

bool all_zero(const uint8_t* bytes, uint64_t length) {
  return std::all_of(bytes, bytes + length, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

Status Segment::scan(const ScanRequest& request, std::span<ScanRow> rows, ScanResult* result) {
  using namespace record_batch;
  *result = ScanResult{};
  const bool rebuild = (request.flags & kScanRebuildIndexes) != 0;
  const bool gaps = (request.flags & kScanAllowGaps) != 0;
  uint64_t end = 0;
  VARVE_RETURN_IF_FAILED(readable_end(request.end_position, &end));
  if (request.end_position != kNoPosition) {
    uint64_t size = 0;
    VARVE_RETURN_IF_FAILED(file_.size(&size));
    end = std::min(end, size);
  }
  if (request.position > end) return failure(Code::kInvalidArgument, "scan", request.position);
  if (rebuild) {
    if (options_.mode == SegmentMode::kRead || ready_) return failure(Code::kReadOnly, "scan", request.position);
    unproven_from_ = std::min(unproven_from_, request.position);
    VARVE_RETURN_IF_FAILED(load_indexes());
    cut_indexes(request.position, request.expected_offset);
    if (!counted_ || counted_end_ != request.position) {
      VARVE_RETURN_IF_FAILED(recount_or_index(request.position, request.expected_offset, true));
    }
  }

  ForwardReader reader(file_, end);
  uint64_t position = request.position;
  int64_t next_offset = request.expected_offset;
  if ((request.flags & kScanFindNext) != 0) {
    Place next;
    VARVE_RETURN_IF_FAILED(find_next(request.position, next_offset, end, &next));
    position = next.position;
    rows = rows.first(std::min<size_t>(rows.size(), 1));
  }
  result->end_position = end;
  result->stop = ScanStop::kRowsFull;
  while (result->rows < rows.size()) {
    const uint8_t* bytes = nullptr;
    uint64_t have = 0;
    VARVE_RETURN_IF_FAILED(reader.look(position, kHeaderBytes, &bytes, &have));
    if (have == 0) {
      result->stop = ScanStop::kEnd;
      break;
    }
    const bool zero = have >= kLeaderEpochAt ? load_be32(bytes + kLengthAt) == 0 : all_zero(bytes, have);
    if (zero) {
      result->stop = ScanStop::kZeroTail;
      break;
    }
    result->stop = ScanStop::kDamage;  // until this batch has passed
    if (have < kHeaderBytes) break;
    const BatchHeader header = parse_batch_header(bytes);
    if (!plausible(header) || header.size() > end - position) break;
    if (gaps ? header.base_offset < next_offset : header.base_offset != next_offset) break;
    if (header.last_offset() - options_.base_offset > offset_index::kMaxRelativeOffset) break;
    VARVE_RETURN_IF_FAILED(reader.look(position, header.size(), &bytes, &have));
    if (have < header.size() || !crc_matches({bytes, header.size()}, header)) break;
    if ((request.flags & kScanCheckRecords) != 0 && header.codec() == 0 &&
        !records_fit({bytes, header.size()}, header, !gaps)) {
      break;
    }
    result->stop = ScanStop::kRowsFull;
    rows[result->rows++] = to_row(header, position);
    if (rebuild) count_batch(header, position, true);
    position += header.size();
    next_offset = header.next_offset();
  }
  result->position = position;
  result->next_offset = next_offset;
  return Status::success();
}

// The start of the next batch behind damage that is whole and begins at or past an offset; `end` when there is none.
// First where the damaged batch says that it ends: its other bytes, which may be anything, are then not mistaken for
// batches. Else byte by byte.
Status Segment::find_next(uint64_t damage, int64_t least_offset, uint64_t end, Place* found) const {
  using namespace record_batch;
  // Checksums that a hostile file, in which headers stand at every byte, can make us compute.
  uint64_t budget = kFindNextBytes;
  const auto whole_batch_at = [&](ForwardReader& reader, uint64_t position, bool* whole) -> Status {
    const uint8_t* bytes = nullptr;
    uint64_t have = 0;
    *whole = false;
    VARVE_RETURN_IF_FAILED(reader.look(position, kHeaderBytes, &bytes, &have));
    if (have < kHeaderBytes || bytes[kMagicAt] != kMagic) return Status::success();
    const BatchHeader header = parse_batch_header(bytes);
    if (!plausible(header) || header.size() > end - position || header.size() > budget) return Status::success();
    if (header.base_offset < least_offset) return Status::success();
    if (header.last_offset() - options_.base_offset > offset_index::kMaxRelativeOffset) return Status::success();
    budget -= header.size();
    VARVE_RETURN_IF_FAILED(reader.look(position, header.size(), &bytes, &have));
    *whole = have == header.size() && crc_matches({bytes, header.size()}, header);
    if (*whole) *found = {position, header.base_offset};
    return Status::success();
  };

  *found = {end, least_offset};
  ForwardReader reader(file_, end);
  const uint8_t* bytes = nullptr;
  uint64_t have = 0;
  bool whole = false;
  VARVE_RETURN_IF_FAILED(reader.look(damage, kHeaderBytes, &bytes, &have));
  if (have == kHeaderBytes) {
    const BatchHeader damaged = parse_batch_header(bytes);
    if (plausible(damaged) && damaged.size() < end - damage) {
      VARVE_RETURN_IF_FAILED(whole_batch_at(reader, damage + damaged.size(), &whole));
    }
  }
  for (uint64_t position = damage + 1; !whole && position < end; ++position) {
    VARVE_RETURN_IF_FAILED(whole_batch_at(reader, position, &whole));
  }
  return Status::success();
}

// The slow way to a batch, taken when the quick one met damage: from a place that an index vouches for, every batch is
// checked whole, so that the first that fails is the damaged one and not its neighbour; what lies behind it is looked
// for. Damage below the batch that is asked for is not asked for, and passed over.
Status Segment::read_past_damage(const ReadRequest& request, Place place, uint64_t end, std::span<uint8_t> into,
                                 ReadResult* result) const {
  using namespace record_batch;
  ForwardReader reader(file_, end);
  for (;;) {
    const uint8_t* bytes = nullptr;
    uint64_t have = 0;
    VARVE_RETURN_IF_FAILED(reader.look(place.position, kHeaderBytes, &bytes, &have));
    bool good = have == kHeaderBytes;
    BatchHeader header;
    if (good) {
      header = parse_batch_header(bytes);
      good = plausible(header) && header.size() <= end - place.position && header.base_offset >= place.offset &&
             (!request.contiguous || header.base_offset == place.offset);
    }
    if (good) {
      VARVE_RETURN_IF_FAILED(reader.look(place.position, header.size(), &bytes, &have));
      good = have == header.size() && crc_matches({bytes, header.size()}, header);
    }
    if (good && header.last_offset() < request.offset) {
      place = {place.position + header.size(), header.next_offset()};
      continue;
    }
    if (!good) {
      Place next;
      VARVE_RETURN_IF_FAILED(find_next(place.position, place.offset + 1, end, &next));
      if (next.position < end && next.offset <= request.offset) {
        place = next;
        continue;
      }
    }
    *result = ReadResult{};
    return fill(request, place, false, end, into, result);
  }
}

void Segment::cut_indexes(uint64_t end, int64_t next_offset) {
  offset_index_.cut_from(end);
  time_index_.cut_from(next_offset - options_.base_offset);
}

// Makes the counters describe the batches in [0, end), which is the end of a batch, from what the indexes hold about
// them (cut to `end` before). With `add_entries`, or when the offset index is lost, entries that are due are made.
Status Segment::recount(uint64_t end, bool add_entries) {
  counted_ = false;
  bytes_since_entry_ = 0;
  max_timestamp_ = max_timestamp_offset_ = first_max_timestamp_ = -1;
  counted_end_ = 0;
  counted_next_offset_ = options_.base_offset;

  Place start;
  uint64_t indexed_position = 0;
  bool lost = false;
  VARVE_RETURN_IF_FAILED(recount_start(end, &start, &indexed_position, &lost));
  add_entries |= lost;
  if (start.position > 0) {
    HeaderWalk first(file_, 0, end, options_.base_offset);
    HeaderWalk::Found found;
    VARVE_RETURN_IF_FAILED(first.look(&found));
    if (found == HeaderWalk::Found::kBatch) first_max_timestamp_ = first.header().max_timestamp;
  }
  HeaderWalk walk(file_, start.position, end, start.offset);
  for (;;) {
    HeaderWalk::Found found;
    VARVE_RETURN_IF_FAILED(walk.look(&found));
    if (found == HeaderWalk::Found::kEnd) break;
    if (found != HeaderWalk::Found::kBatch) return failure(Code::kCorrupt, "batch header", walk.position());
    // Up to the last entry kept nothing is added; that entry's batch begins a new count.
    if (walk.position() <= indexed_position) bytes_since_entry_ = 0;
    count_batch(walk.header(), walk.position(), add_entries);
    walk.advance();
  }
  counted_end_ = end;
  counted_ = true;
  return Status::success();
}

// Recounts up to a place that is trusted. Where the batches below it are damaged, reading will tell of that, and
// appending goes on: then the time index serves, which in a segment that was closed ends with its largest timestamp.
Status Segment::recount_or_index(uint64_t end, int64_t next_offset, bool add_entries) {
  Status status = recount(end, add_entries);
  const bool damaged = status.code == Code::kCorrupt || (status.ok() && counted_next_offset_ > next_offset);
  if (!damaged) return status;
  cut_indexes(end, next_offset);  // entries that were made on the way for batches of wrong offsets
  bytes_since_entry_ = 0;
  max_timestamp_ = max_timestamp_offset_ = first_max_timestamp_ = -1;
  TimeEntry last;
  if (time_index_.last(&last)) {
    max_timestamp_ = last.timestamp;
    max_timestamp_offset_ = options_.base_offset + last.relative_last_offset;
  }
  counted_end_ = end;
  counted_next_offset_ = next_offset;
  counted_ = true;
  return Status::success();
}

// Where recount() must begin: at the batch of the last time entry (before it, that entry knows the maximum), but not
// behind the last offset entry. Both are compared with the log; if either lies, both indexes
// are dropped.
Status Segment::recount_start(uint64_t end, Place* start, uint64_t* indexed_position, bool* lost) {
  *start = {0, options_.base_offset};
  *indexed_position = 0;
  OffsetEntry offset_entry;
  TimeEntry time_entry;
  const bool has_offset = offset_index_.floor(std::numeric_limits<int64_t>::max(), end, &offset_entry);
  const bool has_time = time_index_.last(&time_entry);
  Place by_offset, by_time, after;
  EntryCheck time_check = EntryCheck::kHolds;
  if (has_offset) {
    const int64_t last_offset = options_.base_offset + offset_entry.relative_last_offset;
    VARVE_RETURN_IF_FAILED(start_below(last_offset, end, &by_offset));
  }
  if (has_time) VARVE_RETURN_IF_FAILED(check_time_entry(time_entry, end, &time_check, &by_time, &after));
  if (index_damaged_ || time_check != EntryCheck::kHolds) {
    cut_indexes(0, options_.base_offset);
    index_damaged_ = false;
    *lost = true;
    return Status::success();
  }
  *lost = !has_offset;
  if (has_offset) *indexed_position = offset_entry.position;
  if (!has_offset || !has_time) return Status::success();
  *start = by_time.position < by_offset.position ? by_time : by_offset;
  max_timestamp_ = time_entry.timestamp;
  max_timestamp_offset_ = options_.base_offset + time_entry.relative_last_offset;
  return Status::success();
}

Status Segment::set_end(uint64_t end_position, int64_t next_offset) {
  std::lock_guard lock(flush_mutex_);
  if (options_.mode == SegmentMode::kRead) return failure(Code::kReadOnly, "set end", end_position);
  uint64_t size = 0;
  VARVE_RETURN_IF_FAILED(file_.size(&size));
  if (ready_ || end_position > size || next_offset < options_.base_offset) {
    return failure(Code::kInvalidArgument, "set end", end_position);
  }
  VARVE_RETURN_IF_FAILED(load_indexes());
  cut_indexes(end_position, next_offset);
  if (!counted_ || counted_end_ != end_position) {
    VARVE_RETURN_IF_FAILED(recount(end_position, false));
    bytes_since_entry_ = 0;  // the counter starts anew when a segment is opened again
  }
  if (next_offset < counted_next_offset_) return failure(Code::kInvalidArgument, "set end", end_position);
  time_index_.add_if_greater({max_timestamp_, max_timestamp_offset_ - options_.base_offset});

  VARVE_RETURN_IF_FAILED(zero_from(end_position));
  VARVE_RETURN_IF_FAILED(write_again(unproven_from_, end_position));
  // What was read back from the page cache may not be on the disk yet, and neither is the zeroing.
  VARVE_RETURN_IF_FAILED(file_.sync());
  // Pages that a scan brought in sit in large folios, of which each small append would write all.
  (void)file_.drop_cache(end_position / Mapping::page_bytes() * Mapping::page_bytes(), size);
  flushed_position_.store(end_position, std::memory_order_release);
  next_offset_ = next_offset;
  end_position_.store(end_position, std::memory_order_release);
  start_writer(end_position);
  ready_ = true;
  return Status::success();
}

// Writes what a scan found once more, as it is. Where the last writer's flush had failed, the page cache holds bytes
// that the disk does not, and counts them as clean: only a new write makes the flush that follows save them. (Dropping
// the cache would not do: pages that a reader has mapped stay.) Costs at most what was appended since the last
// checkpoint, most of which is dirty after a killed process anyway.
Status Segment::write_again(uint64_t position, uint64_t end) {
  ForwardReader reader(file_, end);
  while (position < end) {
    const uint8_t* bytes = nullptr;
    uint64_t have = 0;
    VARVE_RETURN_IF_FAILED(reader.look(position, kBlockBytes, &bytes, &have));
    if (have == 0) return failure(Code::kCorrupt, "set end", position);
    VARVE_RETURN_IF_FAILED(file_.write_at(position, bytes, static_cast<size_t>(have)));
    position += have;
  }
  return Status::success();
}

// Everything from `position` to the end of the file becomes zero; blocks that are already are not written.
Status Segment::zero_from(uint64_t position) {
  uint64_t size = 0;
  VARVE_RETURN_IF_FAILED(file_.size(&size));
  ForwardReader reader(file_, size);
  const std::vector<uint8_t> zeros(position < size ? kZeroBytes : 0);
  while (position < size) {
    const uint8_t* bytes = nullptr;
    uint64_t have = 0;
    VARVE_RETURN_IF_FAILED(reader.look(position, kZeroBytes, &bytes, &have));
    if (have == 0) return Status::success();  // somebody cut the file meanwhile
    if (!all_zero(bytes, have)) {
      VARVE_RETURN_IF_FAILED(file_.write_at(position, zeros.data(), static_cast<size_t>(have)));
    }
    position += have;
  }
  return Status::success();
}

Status Segment::copy_prefix(uint64_t position, const std::string& to_stem) {
  SegmentOptions options = options_;
  options.folder = parent_folder(to_stem);
  options.stem = to_stem.substr(to_stem.rfind('/') + 1);
  options.mode = SegmentMode::kWrite;
  options.backend = SegmentBackend::kPwrite;
  {
    File to;
    VARVE_RETURN_IF_FAILED(File::open(kernel_, to_stem + ".log", O_RDWR | O_CREAT | O_TRUNC, &to));
    ForwardReader reader(file_, position);
    for (uint64_t at = 0; at < position;) {
      const uint8_t* bytes = nullptr;
      uint64_t have = 0;
      VARVE_RETURN_IF_FAILED(reader.look(at, kBlockBytes, &bytes, &have));
      if (have == 0) return failure(Code::kCorrupt, "copy prefix", at);
      VARVE_RETURN_IF_FAILED(to.write_at(at, bytes, static_cast<size_t>(have)));
      at += have;
    }
  }
  // The copy is checked and indexed as if it had been found after a crash, and then sealed.
  std::shared_ptr<Segment> copy;
  VARVE_RETURN_IF_FAILED(Segment::open(kernel_, std::move(options), &copy));
  ScanRequest request{.expected_offset = options_.base_offset, .flags = kScanRebuildIndexes | kScanAllowGaps};
  std::vector<ScanRow> rows(256);
  ScanResult scanned;
  do {
    VARVE_RETURN_IF_FAILED(copy->scan(request, rows, &scanned));
    request.position = scanned.position;
    request.expected_offset = scanned.next_offset;
  } while (scanned.stop == ScanStop::kRowsFull);
  if (scanned.stop != ScanStop::kEnd) return failure(Code::kCorrupt, "copy prefix", scanned.position);
  VARVE_RETURN_IF_FAILED(copy->set_end(scanned.position, scanned.next_offset));
  VARVE_RETURN_IF_FAILED(copy->seal());
  return sync_folder(kernel_, parent_folder(to_stem));
}

}  // namespace varve
