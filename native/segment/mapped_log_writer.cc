// The fast way to write: copies into a shared mapping of preallocated blocks, whose pages the pretoucher made present
// ahead of the tail (figures: HOUSE D2; a copy into a warm page costs tens of nanoseconds, a page fault microseconds).
//
// The frontier: bytes below `populated_end_` are backed by blocks and present for writing. Nothing is ever stored
// beyond it, so that a full disk, a sparse file and an I/O error are errors of system calls. An append that meets the
// frontier moves it itself and counts a stall.
//
// Who touches what: the owner thread stores below the frontier without a lock. Allocating, populating, mapping and
// unmapping happen under `mutex_`, by the owner or by the pretoucher, whoever is first; a pretoucher that holds it
// gives it up after the step in hand when the owner wants it. `populated_end_` only grows, with release order.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/byte_order.h"
#include "file/mapping.h"
#include "file/pretoucher.h"
#include "format/record_batch.h"
#include "segment/log_writer.h"
#include "segment/preallocation.h"

namespace varve {

namespace {

// One populate call: bounds how long an append can wait for the pretoucher (about 100 us for 64 pages of 4 KiB, each
// cleared, charged and mapped).
constexpr uint64_t kStepBytes = 256 << 10;
// How far ahead of the tail: 4 MiB are 2-4 ms of appending at 1-2 GB/s, and a helper's wake-up takes well under one. A
// segment's first bytes need less: the distance starts at 64 KiB and grows with what was appended, so that ten thousand
// quiet logs do not hold 40 GiB of zero pages.
constexpr uint64_t kMinAheadBytes = 64 << 10;
constexpr uint64_t kMaxAheadBytes = 4 << 20;

// Pages behind the tail are let go of in pieces of this size at least.
constexpr uint64_t kLetGoBytes = 1 << 20;

uint64_t round_down(uint64_t position, uint64_t unit) { return position / unit * unit; }
uint64_t round_up(uint64_t position, uint64_t unit) { return round_down(position + unit - 1, unit); }

class MappedTail final : public Pretouchable {
 public:
  MappedTail(const File& file, const LogWriterOptions& options)
      : file_(file),
        options_(options),
        start_(round_down(options.position, Mapping::page_bytes())),
        blocks_(file, start_, options.disk_reserve_bytes),
        tail_(options.position) {}

  // Owner. Answers whether the helper should be woken.
  bool passed(uint64_t end) {
    if (end < wake_at_) return false;
    tail_.store(end, std::memory_order_relaxed);
    wake_at_ = end + ahead(end) / 4;
    return populated_end_.load(std::memory_order_relaxed) < end + ahead(end) / 4 * 3;
  }

  bool has_room(uint64_t end) const { return end <= populated_end_.load(std::memory_order_acquire); }

  // Owner, when has_room() is false.
  Status make_room(uint64_t end) {
    owner_waits_.store(true, std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    owner_waits_.store(false, std::memory_order_relaxed);
    if (closed_) return Status::failure(Code::kClosed, "append", file_.path(), end);
    if (has_room(end)) return Status::success();  // the helper was faster
    if (!mapping_.is_mapped() || end > mapping_.end()) {
      VARVE_RETURN_IF_FAILED(map_anew(end));
    } else if (options_.pretouch_on_thread) {
      stalls_.fetch_add(1, std::memory_order_relaxed);
    }
    return extend(end);
  }

  // Owner, below the frontier.
  Status write(uint64_t position, uint8_t* bytes, size_t length) {
    using record_batch::kLengthAt;
    uint32_t batch_length;  // in file order
    std::memcpy(&batch_length, bytes + kLengthAt, sizeof batch_length);
    std::memset(bytes + kLengthAt, 0, sizeof batch_length);
    // All batches but the first have their lengths already, but nobody can step over the first one's zero: publishing
    // it makes all of them visible at once.
    Status status = mapping_.store_and_publish(position, bytes, length, position + kLengthAt, batch_length);
    std::memcpy(bytes + kLengthAt, &batch_length, sizeof batch_length);
    return status;
  }

  // Pretoucher's thread.
  void pretouch() override {
    for (;;) {
      std::lock_guard lock(mutex_);
      // A waiting owner goes first: it populates what it needs and asks again at the next step.
      if (closed_ || !mapping_.is_mapped() || owner_waits_.load(std::memory_order_relaxed)) return;
      const uint64_t tail = tail_.load(std::memory_order_relaxed);
      const uint64_t goal = std::min(tail + ahead(tail), limit_);
      const uint64_t populated = populated_end_.load(std::memory_order_relaxed);
      if (populated >= goal) return let_go_behind(tail);
      if (!extend(std::min(populated + kStepBytes, goal)).ok()) return;
    }
  }

  Status close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    populated_end_.store(0, std::memory_order_release);
    mapped_bytes_.store(0, std::memory_order_relaxed);
    return mapping_.unmap();
  }

  uint64_t stalls() const { return stalls_.load(std::memory_order_relaxed); }
  uint64_t mapped_bytes() const { return mapped_bytes_.load(std::memory_order_relaxed); }

 private:
  uint64_t ahead(uint64_t tail) const { return std::clamp(tail - start_, kMinAheadBytes, kMaxAheadBytes); }

  // Under mutex_. The first time, or for a single batch larger than the segment (which is alone in it).
  Status map_anew(uint64_t end) {
    populated_end_.store(0, std::memory_order_release);
    VARVE_RETURN_IF_FAILED(mapping_.unmap());
    limit_ = std::max(options_.segment_bytes, end);
    const uint64_t length = round_up(limit_ - start_, Mapping::page_bytes());
    VARVE_RETURN_IF_FAILED(Mapping::map(file_, start_, length, MapMode::kWrite, &mapping_));
    mapped_bytes_.store(length, std::memory_order_relaxed);
    populated_end_.store(start_, std::memory_order_release);
    let_go_end_ = start_;
    return Status::success();
  }

  // Under mutex_. Pages below the tail are never stored to again, but stay mapped: each one that the system writes to
  // disk would be write-protected first, at the price of interrupting every processor that runs this process. Letting
  // go of many at once costs one such interruption; what they hold stays in the page cache.
  void let_go_behind(uint64_t tail) {
    const uint64_t behind = round_down(tail, Mapping::page_bytes());
    if (behind < let_go_end_ + kLetGoBytes) return;
    mapping_.advise(let_go_end_, behind - let_go_end_, Advice::kDropCache);
    let_go_end_ = behind;
  }

  // Under mutex_: blocks first, then pages, then the frontier.
  Status extend(uint64_t end) {
    VARVE_RETURN_IF_FAILED(blocks_.cover(end, limit_));
    const uint64_t populated = populated_end_.load(std::memory_order_relaxed);
    // A little more than asked for, so that small appends do not populate page by page.
    const uint64_t goal = std::min(std::max(end, populated + kMinAheadBytes), blocks_.end());
    VARVE_RETURN_IF_FAILED(mapping_.populate_write(populated, goal - populated));
    populated_end_.store(goal, std::memory_order_release);
    return Status::success();
  }

  const File& file_;  // not touched once closed_
  const LogWriterOptions options_;
  const uint64_t start_;  // page in which the segment's end was when it was opened
  uint64_t wake_at_ = 0;  // owner only

  std::mutex mutex_;
  bool closed_ = false;      // guarded by mutex_
  uint64_t let_go_end_ = 0;  // guarded by mutex_; pages from start_ up to here were let go of
  uint64_t limit_ = 0;       // guarded by mutex_; end of the range that may be allocated
  Preallocation blocks_;     // guarded by mutex_
  Mapping mapping_;          // mapped and unmapped under mutex_; stored to by the owner below the frontier

  std::atomic<uint64_t> populated_end_{0};
  std::atomic<uint64_t> tail_;  // the owner's end, as of the last wake-up
  std::atomic<bool> owner_waits_{false};
  std::atomic<uint64_t> stalls_{0};
  std::atomic<uint64_t> mapped_bytes_{0};
};

class MappedLogWriter final : public LogWriter {
 public:
  MappedLogWriter(const File& file, const LogWriterOptions& options)
      : tail_(std::make_shared<MappedTail>(file, options)),
        pretoucher_(options.pretouch_on_thread ? Pretoucher::shared() : nullptr) {}
  ~MappedLogWriter() override { close(); }

  Status write(uint64_t position, uint8_t* bytes, size_t length) override {
    const uint64_t end = position + length;
    if (!tail_->has_room(end)) [[unlikely]]
      VARVE_RETURN_IF_FAILED(tail_->make_room(end));
    if (pretoucher_ && tail_->passed(end)) [[unlikely]]
      pretoucher_->wake(tail_);
    return tail_->write(position, bytes, length);
  }
  Status close() override { return tail_->close(); }
  uint64_t stalls() const override { return tail_->stalls(); }
  uint64_t mapped_bytes() const override { return tail_->mapped_bytes(); }

 private:
  // Shared with the pretoucher's queue, which may outlive this writer; the Pretoucher itself is not.
  std::shared_ptr<MappedTail> tail_;
  std::shared_ptr<Pretoucher> pretoucher_;
};

}  // namespace

std::unique_ptr<LogWriter> make_mapped_log_writer(const File& file, const LogWriterOptions& options) {
  return std::make_unique<MappedLogWriter>(file, options);
}

}  // namespace varve
