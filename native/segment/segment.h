// Segment: one piece of a partition log, that is one `.log` file of record batches and its two sparse indexes.
//
// Life cycle: open() as kCreate (a new, empty one), kWrite (an existing one, which takes no append before set_end() has
// named its valid end) or kRead. Appends go to the active segment; seal() trims the files to their contents and ends
// that. Destroying a Segment closes its files as they are: nothing is flushed or trimmed (see `native/README.md`).
//
// Threads: one *owner* thread calls everything except what is marked "any thread", which may run on a flusher thread
// at the same time. Nobody but the owner moves the published end. Hence a Segment is held by shared_ptr: jobs keep
// what they work on alive.
//
// It deliberately knows nothing of other segments, of the table of tails, of durability modes and of producers. After a
// flush that failed every later one answers that failure: the system may count the lost pages as clean, so that a new
// attempt would succeed and mean nothing. Only here can that be seen to in time: two flushes of one segment may run one
// after the other before the caller hears of the first. Reads and appends go on; what else it means is the caller's.
//
// Offsets count records, positions count bytes in the log file. `end` and `next` are exclusive, `last` is inclusive.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/status.h"
#include "file/file.h"
#include "file/kernel.h"
#include "file/mapping.h"
#include "segment/batch_check.h"
#include "segment/log_writer.h"
#include "segment/offset_index.h"
#include "segment/time_index.h"

namespace varve {

enum class SegmentMode : uint8_t { kCreate, kWrite, kRead };
enum class SegmentBackend : uint8_t { kMapped, kPwrite };

struct SegmentOptions {
  std::string folder{};
  int64_t base_offset = 0;
  std::string stem{};  // file name without extension; empty = the base offset in 20 digits
  SegmentMode mode = SegmentMode::kRead;
  SegmentBackend backend = SegmentBackend::kMapped;
  uint64_t segment_bytes = uint64_t{1} << 30;  // the log never grows past it, but for a single larger batch
  uint32_t index_interval_bytes = 4096;
  uint32_t index_max_bytes = 10 << 20;
  uint64_t disk_reserve_bytes = 0;  // free bytes of the disk that the log leaves alone (segment/preallocation.h)
  bool pretouch_on_thread = true;   // false: pages are populated inside append(), for simulated disks
};

// The same numbers as `AppendFlag` of src/storage/native/addon.ts.
enum AppendFlags : uint32_t {
  kAppendSetCrc = 1,        // the input's CRC is not set: compute it instead of verifying it
  kAppendKeepOffsets = 2,   // keep base offsets and leader epochs (a replica); they must rise, gaps are allowed
  kAppendCheckRecords = 4,  // walk the records of uncompressed batches
};

struct AppendRequest {
  std::span<const std::span<const uint8_t>> fragments{};  // together whole batches; only read, and only once
  // Instead of `fragments`: memory that nobody else touches during the call and that append() may write to (offset,
  // epoch and CRC are stamped there, which saves a copy). After kSegmentFull the same bytes may be appended elsewhere.
  std::span<uint8_t> scratch{};
  int64_t base_offset = 0;  // of the first batch; at or above next_offset()
  int32_t leader_epoch = 0;
  uint32_t flags = 0;             // AppendFlags
  int64_t append_timestamp = -1;  // >= 0: LogAppendTime
  uint32_t max_batch_bytes = 0;   // of a single batch; 0 = no limit
};

struct AppendResult {
  int64_t last_offset = -1;
  uint32_t batches = 0;
  uint64_t position = 0;      // of the first batch
  uint64_t end_position = 0;  // the new published end
  uint64_t bytes = 0;
  int64_t max_timestamp = -1;         // of these batches
  int64_t max_timestamp_offset = -1;  // last offset of the first of them that had it
  uint64_t fault_at = 0;              // on failure: where in the input the faulty batch starts
};

constexpr uint64_t kNoPosition = ~uint64_t{0};
constexpr int64_t kNoOffset = -1;

struct ReadRequest {
  int64_t offset = 0;                    // the batch that contains it, or else the first one after it, comes first
  uint64_t position_hint = kNoPosition;  // the start of a batch at or below it; ignored when it does not look like one
  uint64_t max_bytes = ~uint64_t{0};     // but at least one batch
  uint64_t end_position = kNoPosition;   // published end; kNoPosition = up to the file's end or a zero length
  int64_t end_offset = kNoOffset;        // stop before batches that start at or past it
  // The log has no gaps (never compacted): a batch that does not follow the one before is damage. Base offsets are
  // outside the CRC, so this is what finds a flipped bit in one.
  bool contiguous = false;
};

struct ReadResult {
  uint64_t bytes = 0;  // 0 with success = nothing there (yet)
  uint32_t batches = 0;
  uint64_t position = 0;       // of the first batch; on kCorrupt: of the damage
  uint64_t next_position = 0;  // after the last one
  int64_t base_offset = 0;     // of the first batch
  int64_t next_offset = 0;     // after the last one; on kCorrupt: the offset expected at the damage
  uint64_t needed_bytes = 0;   // on kBufferTooSmall
};

struct TimestampResult {
  bool found = false;
  uint64_t position = 0;  // of the first batch whose max timestamp is at or above the one asked for
  int64_t base_offset = 0;
  uint64_t size = 0;
};

// The same numbers as `ScanFlag` and `ScanStop` of addon.ts.
enum ScanFlags : uint32_t { kScanRebuildIndexes = 1, kScanAllowGaps = 2, kScanCheckRecords = 4, kScanFindNext = 8 };
enum class ScanStop : uint8_t { kRowsFull = 0, kEnd = 1, kZeroTail = 2, kDamage = 3 };

struct ScanRow {
  int64_t base_offset;
  int64_t last_offset;
  uint64_t position;
  uint32_t size;  // whole batch
  int32_t leader_epoch;
  int16_t attributes;
  int64_t base_timestamp;
  int64_t max_timestamp;
  int64_t producer_id;
  int16_t producer_epoch;
  int32_t base_sequence;
  int32_t record_count;
  uint32_t crc;
};

struct ScanRequest {
  uint64_t position = 0;                // the start of a batch
  int64_t expected_offset = 0;          // lowest allowed base offset there
  uint32_t flags = 0;                   // ScanFlags
  uint64_t end_position = kNoPosition;  // kNoPosition = the file's size
};

struct ScanResult {
  uint32_t rows = 0;
  uint64_t position = 0;    // after the last good batch
  int64_t next_offset = 0;  // after the last good batch
  ScanStop stop = ScanStop::kEnd;
  uint64_t end_position = 0;  // end of the bytes looked at
};

struct SegmentStats {
  uint64_t end_position = 0;
  int64_t next_offset = 0;
  int64_t max_timestamp = -1;
  int64_t max_timestamp_offset = -1;
  uint64_t index_entries = 0;
  uint64_t time_index_entries = 0;
  uint64_t flushed_position = 0;
  uint64_t file_size = 0;
  uint64_t allocated_bytes = 0;
  int64_t first_max_timestamp = -1;
  uint64_t stalls = 0;
  uint64_t mapped_bytes = 0;
  bool index_damaged = false;  // an index entry did not match the log: indexes are ignored until rebuilt
};

// A private copy-on-write mapping of sealed bytes; unmapped when destroyed. Writing into it changes neither the file
// nor other windows. May be destroyed on any thread, and after the Segment.
class SegmentWindow {
 public:
  SegmentWindow(Mapping mapping, uint64_t position, size_t size)
      : mapping_(std::move(mapping)), skip_(position - mapping_.start()), size_(size) {}

  uint8_t* data() const { return mapping_.address() + skip_; }
  size_t size() const { return size_; }

 private:
  Mapping mapping_;
  size_t skip_;  // mappings start at page boundaries, windows anywhere
  size_t size_;
};

class Segment {
 public:
  // `kernel` outlives the segment. kCreate: kExists when the log file is there. No file is mapped or allocated yet.
  static Status open(Kernel& kernel, SegmentOptions options, std::shared_ptr<Segment>* segment);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Appends all batches of the request or none: on failure nothing of it is visible and the segment is as before.
  // On success the bytes are in the page cache, visible up to `end_position`, not flushed.
  // kSegmentFull (roll), kCorrupt with `fault_at`, kRecordTooLarge, kNoSpace (may be tried again), kIo.
  // Cost: one copy into the file (and one before it, for `fragments`), one checksum; no system call, lock or allocation
  // but at chunk boundaries and, for a lock, once per index entry.
  Status append(const AppendRequest& request, AppendResult* result);

  // Fills `into` with whole batches, each checked against its CRC. kBufferTooSmall with `needed_bytes` when not even
  // the first fits; kCorrupt with the place when the first is damaged (damage behind good batches shows with the next
  // call).
  Status read(const ReadRequest& request, std::span<uint8_t> into, ReadResult* result);

  Status locate_timestamp(int64_t timestamp, uint64_t end_position, TimestampResult* result);

  // Checks batches one after the other from a position on and reports a row for each; ask again from `result.position`
  // while the answer is kRowsFull. Damage is an answer (ScanStop), not a failure.
  Status scan(const ScanRequest& request, std::span<ScanRow> rows, ScanResult* result);

  // After a scan, before the first append: `end_position` is where the valid batches end. What lies behind becomes
  // zero in place, entries past it leave both indexes, and the log is flushed (nothing that was cut may come back).
  Status set_end(uint64_t end_position, int64_t next_offset);

  // Any thread. Flushes what was published when it starts; with `indexes` also writes and flushes both indexes; with
  // `folder` (and the first time by itself, for a new file) the folder too. The log always goes first.
  Status flush(bool indexes, bool folder);
  // Any thread; no append may run or follow. Last time index entry, all three files trimmed to their contents and
  // flushed, mapping gone.
  Status seal();
  // Any thread. Copies the log up to `position` (the end of a batch) and the index entries that belong to it into new
  // files `<to_stem>.log`, `.index` and `.timeindex`, flushed (the files, and their folder).
  Status copy_prefix(uint64_t position, const std::string& to_stem);
  // Any thread. Makes an empty `varve.next` in the folder, its first bytes allocated, which the next kCreate there
  // takes over. A failure costs speed only.
  Status prepare_next();

  // Sealed segments only (in kRead: the caller knows). Every page is checked to be readable (kIo otherwise).
  Status window(uint64_t position, uint64_t length, std::unique_ptr<SegmentWindow>* window);

  Status stats(SegmentStats* stats);

  const SegmentOptions& options() const { return options_; }
  uint64_t end_position() const { return end_position_.load(std::memory_order_acquire); }  // any thread
  int64_t next_offset() const { return next_offset_; }

 private:
  // A place in the log: where a walk from batch to batch may start, and the lowest base offset allowed there.
  struct Place {
    uint64_t position = 0;
    int64_t offset = 0;
  };

  Segment(Kernel& kernel, SegmentOptions options);
  Status open_log();
  bool take_prepared_file();
  void start_writer(uint64_t position);
  Status write_indexes(bool always);
  Status sync_log();
  Status keep_failure(Status status);

  [[gnu::always_inline]] inline Status check_batches(const AppendRequest& request, std::span<uint8_t> bytes,
                                                     AppendResult* result, BatchHeader* last) const;
  bool full_for(uint64_t bytes) const;
  void count_batch(const BatchHeader& header, uint64_t position, bool add_entries);

  Status load_indexes();
  Status readable_end(uint64_t asked, uint64_t* end) const;
  Status start_below(int64_t offset, uint64_t end, Place* place);
  enum class EntryCheck : uint8_t { kHolds, kDiffers, kPastEnd };
  Status check_time_entry(const TimeEntry& entry, uint64_t end, EntryCheck* answer, Place* place, Place* after);
  Status fill(const ReadRequest& request, Place place, bool inside, uint64_t end, std::span<uint8_t> into,
              ReadResult* result) const;

  void cut_indexes(uint64_t end, int64_t next_offset);
  Status recount(uint64_t end, bool add_entries);
  Status recount_or_index(uint64_t end, int64_t next_offset, bool add_entries);
  Status recount_start(uint64_t end, Place* start, uint64_t* indexed_position, bool* lost);
  Status zero_from(uint64_t position);
  Status write_again(uint64_t position, uint64_t end);
  Status read_past_damage(const ReadRequest& request, Place place, uint64_t end, std::span<uint8_t> into,
                          ReadResult* result) const;
  Status find_next(uint64_t damage, int64_t least_offset, uint64_t end, Place* found) const;

  std::string path(const char* extension) const { return stem_ + extension; }
  Status sync_folder_if(bool needed);
  Status failure(Code code, const char* call, uint64_t position) const {
    return Status::failure(code, call, file_.path(), position);
  }

  Kernel& kernel_;
  const SegmentOptions options_;
  const std::string stem_;  // folder/20 digits
  File file_;
  std::unique_ptr<LogWriter> writer_;  // null until appends are allowed; see the interface for threads
  OffsetIndex offset_index_;
  TimeIndex time_index_;

  // Owner's.
  bool ready_ = false;  // the valid end is known: appends and the bounds below count
  bool indexes_loaded_ = false;
  bool index_damaged_ = false;
  int64_t next_offset_ = 0;               // the offset after the last batch
  uint64_t unproven_from_ = kNoPosition;  // where a scan after a crash began: what follows may be in the cache only
  // Invariant: while counted_, these describe the batches in [0, counted_end_).
  bool counted_ = false;
  uint64_t counted_end_ = 0;
  int64_t counted_next_offset_ = 0;
  uint64_t bytes_since_entry_ = 0;
  int64_t max_timestamp_ = -1;
  int64_t max_timestamp_offset_ = -1;
  int64_t first_max_timestamp_ = -1;

  std::atomic<uint64_t> end_position_{0};      // published end; only grows
  std::atomic<uint64_t> flushed_position_{0};  // on disk for certain
  std::atomic<bool> sealed_{false};
  std::mutex flush_mutex_;  // one flush, seal or set_end at a time
  Status flush_failure_;    // guarded by flush_mutex_; of the log file or its folder, which counts for good
  std::atomic<bool> folder_dirty_{false};  // a file was made or renamed since the folder's last flush
};

}  // namespace varve
