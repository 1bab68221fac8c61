// The life of a segment: opening, appending, flushing, sealing. Reading is in segment_read.cc, finding the valid end
// and making indexes anew in segment_recovery.cc.
#include "segment/segment.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "base/byte_order.h"
#include "file/small_files.h"
#include "format/offset_index.h"
#include "format/record_batch.h"
#include "segment/header_walk.h"
#include "segment/preallocation.h"

namespace varve {

namespace {

// The next segment's file, made ahead of time. Its name is no partition file's, and a leftover does no harm.
constexpr char kPreparedName[] = "varve.next";
// As much as is read to prove that it is empty: 30 us, at a roll.
constexpr uint64_t kPreparedBytes = 256 << 10;

// Held while a prepared file is made, and while one is taken over: a helper that was late would else cut, or lengthen,
// what is an active segment by then. The owner does not wait for it but makes a new file.
std::mutex& preparing() {
  static std::mutex& mutex = *new std::mutex;  // never destroyed: a helper may still hold it
  return mutex;
}

// Staging memory that a thread keeps for appends of fragments: the size of a producer's large request. Beyond it,
// memory is taken and given back with each call.
constexpr size_t kKeptStagingBytes = 1 << 20;

std::string stem_path(const SegmentOptions& options) {
  if (!options.stem.empty()) return options.folder + "/" + options.stem;
  char digits[32];
  std::snprintf(digits, sizeof digits, "%020" PRId64, options.base_offset);
  return options.folder + "/" + digits;
}

uint8_t* staging(size_t bytes, std::unique_ptr<uint8_t[]>* large) {
  thread_local std::unique_ptr<uint8_t[]> kept;
  if (bytes <= kKeptStagingBytes) {
    if (!kept) kept.reset(new (std::nothrow) uint8_t[kKeptStagingBytes]);
    return kept.get();
  }
  large->reset(new (std::nothrow) uint8_t[bytes]);
  return large->get();
}

}  // namespace

Segment::Segment(Kernel& kernel, SegmentOptions options)
    : kernel_(kernel),
      options_(std::move(options)),
      stem_(stem_path(options_)),
      offset_index_(kernel, stem_ + ".index", options_.index_max_bytes, options_.mode == SegmentMode::kCreate),
      time_index_(kernel, stem_ + ".timeindex", options_.index_max_bytes, options_.mode == SegmentMode::kCreate) {}

Segment::~Segment() {
  if (writer_) (void)writer_->close();
}

Status Segment::open(Kernel& kernel, SegmentOptions options, std::shared_ptr<Segment>* segment) {
  if (options.base_offset < 0 || options.segment_bytes == 0 || options.segment_bytes > offset_index::kMaxPosition) {
    return Status::failure(Code::kInvalidArgument, "open segment", options.folder);
  }
  std::shared_ptr<Segment> opened(new Segment(kernel, std::move(options)));
  VARVE_RETURN_IF_FAILED(opened->open_log());
  *segment = std::move(opened);
  return Status::success();
}

Status Segment::open_log() {
  switch (options_.mode) {
    case SegmentMode::kRead:
      return File::open(kernel_, path(".log"), O_RDONLY, &file_);
    case SegmentMode::kWrite:
      return File::open(kernel_, path(".log"), O_RDWR, &file_);
    case SegmentMode::kCreate:
      break;
  }
  if (!take_prepared_file())
    VARVE_RETURN_IF_FAILED(File::open(kernel_, path(".log"), O_RDWR | O_CREAT | O_EXCL, &file_));
  folder_dirty_.store(true, std::memory_order_relaxed);
  indexes_loaded_ = counted_ = ready_ = true;
  next_offset_ = options_.base_offset;
  start_writer(0);
  return Status::success();
}

void Segment::start_writer(uint64_t position) {
  const LogWriterOptions options{.position = position,
                                 .segment_bytes = options_.segment_bytes,
                                 .disk_reserve_bytes = options_.disk_reserve_bytes,
                                 .pretouch_on_thread = options_.pretouch_on_thread};
  writer_ = options_.backend == SegmentBackend::kMapped ? make_mapped_log_writer(file_, options)
                                                        : make_pwrite_log_writer(file_, options);
}

// A prepared file is taken over when it is empty beyond doubt; otherwise it is left alone (the next prepare_next() cuts
// it), and the segment gets a new file.
bool Segment::take_prepared_file() {
  const std::unique_lock lock(preparing(), std::try_to_lock);
  if (!lock.owns_lock()) return false;
  const std::string prepared = options_.folder + "/" + kPreparedName;
  File file;
  if (!File::open(kernel_, prepared, O_RDWR, &file).ok()) return false;
  uint64_t size = 0;
  if (!file.size(&size).ok() || size > kPreparedBytes || size > options_.segment_bytes) return false;
  std::unique_ptr<uint8_t[]> large;
  uint8_t* bytes = staging(kPreparedBytes, &large);
  size_t got = 0;
  if (bytes == nullptr || !file.read_at(0, bytes, static_cast<size_t>(size), &got).ok()) return false;
  if (std::any_of(bytes, bytes + got, [](uint8_t byte) { return byte != 0; })) return false;
  FileFacts facts;
  // One writer per folder: nobody makes the file between this look and the rename.
  if (kernel_.stat(path(".log").c_str(), &facts) != -ENOENT) return false;
  if (kernel_.rename(prepared.c_str(), path(".log").c_str()) != 0) return false;
  file.renamed(path(".log"));
  // Pages that came in by reading sit in large folios, of which every small append would write all.
  (void)file.drop_cache(0, size);
  file_ = std::move(file);
  return true;
}

Status Segment::prepare_next() {
  const uint64_t length = std::min(kPreparedBytes, options_.segment_bytes);
  if (length > Preallocation::spare_bytes(kernel_, options_.folder, options_.disk_reserve_bytes)) {
    return Status::failure(Code::kNoSpace, "disk reserve", options_.folder, 0);
  }
  const std::lock_guard lock(preparing());
  File file;
  VARVE_RETURN_IF_FAILED(File::open(kernel_, options_.folder + "/" + kPreparedName, O_RDWR | O_CREAT | O_TRUNC, &file));
  return file.allocate(0, length);
}

// ---- Appending

bool Segment::full_for(uint64_t bytes) const {
  const uint64_t end = end_position_.load(std::memory_order_relaxed);
  if (end == 0) return false;
  return end + bytes > options_.segment_bytes || offset_index_.full() || time_index_.full();
}

// Checks all batches and stamps them; fills in what the result says about offsets and timestamps, and the last batch's
// header as stamped. Stamping the same bytes a second time, after kSegmentFull, gives the same bytes as stamping once.
Status Segment::check_batches(const AppendRequest& request, std::span<uint8_t> bytes, AppendResult* result,
                              BatchHeader* last) const {
  using namespace record_batch;
  const bool keep = (request.flags & kAppendKeepOffsets) != 0;
  const uint64_t position = end_position_.load(std::memory_order_relaxed);
  int64_t next_offset = request.base_offset;
  for (size_t at = 0; at < bytes.size();) {
    result->fault_at = at;
    const auto bad = [&](Code code, const char* call) { return failure(code, call, position + at); };
    if (bytes.size() - at < kHeaderBytes) return bad(Code::kCorrupt, "batch length");
    uint8_t* start = bytes.data() + at;
    BatchHeader header = parse_batch_header(start);
    if (!keep) header.base_offset = next_offset;
    if (!plausible(header)) return bad(Code::kCorrupt, "batch header");
    if (header.size() > bytes.size() - at) return bad(Code::kCorrupt, "batch length");
    if (request.max_batch_bytes != 0 && header.size() > request.max_batch_bytes) {
      return bad(Code::kRecordTooLarge, "append");
    }
    if (header.base_offset < next_offset) return bad(Code::kCorrupt, "base offset");
    if (!keep && (header.attributes & kReservedBits) != 0) return bad(Code::kCorrupt, "batch attributes");
    // Only compaction leaves a batch with fewer records than offsets, and that comes by way of a replica.
    if (!keep && header.record_count - 1 != header.last_offset_delta) return bad(Code::kCorrupt, "record count");
    const std::span<uint8_t> batch(start, header.size());
    const bool set_crc = (request.flags & kAppendSetCrc) != 0;
    if (!set_crc && !crc_matches(batch, header)) return bad(Code::kCorrupt, "batch checksum");
    if ((request.flags & kAppendCheckRecords) != 0 && header.codec() == 0 && !records_fit(batch, header, !keep)) {
      return bad(Code::kCorrupt, "records");
    }
    if (header.last_offset() - options_.base_offset > offset_index::kMaxRelativeOffset) {
      return bad(Code::kSegmentFull, "append");
    }

    if (!keep) {
      store_be64(start + kBaseOffsetAt, static_cast<uint64_t>(header.base_offset));
      store_be32(start + kLeaderEpochAt, static_cast<uint32_t>(request.leader_epoch));
    }
    if (request.append_timestamp >= 0) {
      header.max_timestamp = request.append_timestamp;
      store_be16(start + kAttributesAt, header.attributes | kAppendTimeBit);
      store_be64(start + kMaxTimestampAt, static_cast<uint64_t>(header.max_timestamp));
    }
    if (set_crc || request.append_timestamp >= 0) store_be32(start + kCrcAt, compute_batch_crc(batch));

    if (result->batches == 0 || header.max_timestamp > result->max_timestamp) {
      result->max_timestamp = header.max_timestamp;
      result->max_timestamp_offset = header.last_offset();
    }
    ++result->batches;
    result->last_offset = header.last_offset();
    next_offset = header.next_offset();
    at += header.size();
    *last = header;
  }
  result->fault_at = 0;
  return Status::success();
}

Status Segment::append(const AppendRequest& request, AppendResult* result) {
  *result = AppendResult{};
  const uint64_t position = end_position_.load(std::memory_order_relaxed);
  if (options_.mode == SegmentMode::kRead || sealed_.load(std::memory_order_relaxed)) {
    return failure(Code::kReadOnly, "append", position);
  }
  if (!ready_ || request.base_offset < next_offset_) return failure(Code::kInvalidArgument, "append", position);

  uint64_t total = request.scratch.size();
  for (const std::span<const uint8_t>& fragment : request.fragments) total += fragment.size();
  if (total < record_batch::kHeaderBytes) return failure(Code::kCorrupt, "batch length", position);
  if (total > offset_index::kMaxPosition) return failure(Code::kRecordTooLarge, "append", position);
  if (full_for(total)) return failure(Code::kSegmentFull, "append", position);

  // The copy comes first, and only the copy is checked: the source may be shared memory that changes meanwhile. It is
  // made in private memory, not in the file, so that what fails its checks never was there, not even for a crash.
  std::unique_ptr<uint8_t[]> large;
  std::span<uint8_t> bytes = request.scratch;
  if (!request.fragments.empty()) {
    uint8_t* copy = staging(total, &large);
    if (copy == nullptr) return failure(Code::kNoMemory, "append", position);
    size_t at = 0;
    for (const std::span<const uint8_t>& fragment : request.fragments) {
      if (!fragment.empty()) std::memcpy(copy + at, fragment.data(), fragment.size());
      at += fragment.size();
    }
    bytes = {copy, total};
  }
  BatchHeader last;
  VARVE_RETURN_IF_FAILED(check_batches(request, bytes, result, &last));
  VARVE_RETURN_IF_FAILED(writer_->write(position, bytes.data(), bytes.size()));

  if (result->batches == 1) {  // most appends: its header is at hand
    count_batch(last, position, true);
  } else {
    for (size_t at = 0; at < bytes.size();) {
      const BatchHeader header = parse_batch_header(bytes.data() + at);
      count_batch(header, position + at, true);
      at += header.size();
    }
  }
  result->position = position;
  result->bytes = bytes.size();
  result->end_position = position + bytes.size();
  next_offset_ = result->last_offset + 1;
  // Publish last: whoever sees this end sees all bytes below it.
  end_position_.store(result->end_position, std::memory_order_release);
  return Status::success();
}

// The index rules: format/offset_index.h and format/time_index.h.
void Segment::count_batch(const BatchHeader& header, uint64_t position, bool add_entries) {
  if (position == 0) first_max_timestamp_ = header.max_timestamp;
  if (header.max_timestamp > max_timestamp_) {
    max_timestamp_ = header.max_timestamp;
    max_timestamp_offset_ = header.last_offset();
  }
  if (bytes_since_entry_ > options_.index_interval_bytes) {
    if (add_entries) {
      offset_index_.add({header.last_offset() - options_.base_offset, position});
      time_index_.add_if_greater({max_timestamp_, max_timestamp_offset_ - options_.base_offset});
    }
    bytes_since_entry_ = 0;
  }
  bytes_since_entry_ += header.size();
  counted_end_ = position + header.size();
  counted_next_offset_ = header.next_offset();
}

// ---- Flushing and sealing

Status Segment::sync_folder_if(bool needed) {
  // Taken before the flush: what is made during it is for the next one.
  const bool dirty = folder_dirty_.exchange(false);
  if (!needed && !dirty) return Status::success();
  return keep_failure(sync_folder(kernel_, options_.folder));
}

Status Segment::sync_log() {
  if (!flush_failure_.ok()) return flush_failure_;
  return keep_failure(file_.sync());
}

Status Segment::keep_failure(Status status) {
  // A full disk that a flush meets is lost data, not something to wait out.
  if (status.code == Code::kNoSpace) status.code = Code::kIo;
  if (!status.ok()) flush_failure_ = status;
  return status;
}

Status Segment::write_indexes(bool always) {
  // The time index goes first: an entry of the offset index then implies its partner.
  for (IndexFile* index : {&time_index_.file(), &offset_index_.file()}) {
    bool created = false;
    Status status = index->write(always, &created);
    if (created) folder_dirty_.store(true);
    VARVE_RETURN_IF_FAILED(status);
  }
  return Status::success();
}

Status Segment::flush(bool indexes, bool folder) {
  std::lock_guard lock(flush_mutex_);
  const uint64_t end = end_position_.load(std::memory_order_acquire);
  VARVE_RETURN_IF_FAILED(sync_log());
  if (indexes && options_.mode != SegmentMode::kRead) VARVE_RETURN_IF_FAILED(write_indexes(false));
  VARVE_RETURN_IF_FAILED(sync_folder_if(folder));
  flushed_position_.store(end, std::memory_order_release);
  return Status::success();
}

Status Segment::seal() {
  std::lock_guard lock(flush_mutex_);
  if (!ready_) return failure(Code::kInvalidArgument, "seal", 0);
  sealed_.store(true, std::memory_order_relaxed);
  VARVE_RETURN_IF_FAILED(writer_->close());
  const uint64_t end = end_position_.load(std::memory_order_acquire);
  time_index_.add_if_greater({max_timestamp_, max_timestamp_offset_ - options_.base_offset});
  uint64_t size = 0;
  VARVE_RETURN_IF_FAILED(file_.size(&size));
  // What is cut off was never published.
  if (size > end) VARVE_RETURN_IF_FAILED(file_.truncate(end));
  VARVE_RETURN_IF_FAILED(sync_log());
  VARVE_RETURN_IF_FAILED(write_indexes(true));
  VARVE_RETURN_IF_FAILED(sync_folder_if(false));
  flushed_position_.store(end, std::memory_order_release);
  return Status::success();
}

Status Segment::stats(SegmentStats* stats) {
  FileFacts facts;
  VARVE_RETURN_IF_FAILED(file_.facts(&facts));
  stats->file_size = facts.size;
  stats->allocated_bytes = facts.allocated_bytes;
  if (ready_) {
    stats->end_position = end_position_.load(std::memory_order_relaxed);
    stats->next_offset = next_offset_;
    stats->max_timestamp = max_timestamp_;
    stats->max_timestamp_offset = max_timestamp_offset_;
    stats->first_max_timestamp = first_max_timestamp_;
    stats->stalls = writer_->stalls();
    stats->mapped_bytes = writer_->mapped_bytes();
  } else {
    // As the files say, unchecked: what a sealed segment is asked for by retention.
    VARVE_RETURN_IF_FAILED(load_indexes());
    stats->end_position = facts.size;
    stats->next_offset = options_.base_offset;
    TimeEntry last;
    if (time_index_.last(&last)) {
      stats->max_timestamp = last.timestamp;
      stats->max_timestamp_offset = options_.base_offset + last.relative_last_offset;
    }
    HeaderWalk walk(file_, 0, facts.size, options_.base_offset);
    HeaderWalk::Found found;
    VARVE_RETURN_IF_FAILED(walk.look(&found));
    if (found == HeaderWalk::Found::kBatch) stats->first_max_timestamp = walk.header().max_timestamp;
  }
  stats->index_entries = offset_index_.file().count();
  stats->time_index_entries = time_index_.file().count();
  stats->flushed_position = flushed_position_.load(std::memory_order_acquire);
  stats->index_damaged = index_damaged_;
  return Status::success();
}

}  // namespace varve
