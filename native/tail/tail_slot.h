// TailSlot: what readers may read of one log, in 128 bytes of memory that several processes map.
//
// One thread writes a slot (the thread that appends to its log); any number of threads and processes read it, take no
// lock and are never waited for. `version` is the lock of the slot, a sequence lock: odd while a write is under way,
// two higher after it. A reader copies the fields and takes the copy only when the version was even and is still the
// same afterwards; after kTornReadsMax tries it gives up, because a writer that was killed in the middle of a write
// leaves the version odd until the next writer resets the slot.
//
// Every field is an atomic. The writer stores them with release order after making the version odd, a reader loads them
// with acquire order before it looks at the version again; on x86 these are plain moves. Only the last store of a write
// is a full barrier (see `publish`).
//
// Waking. `watched` is 0, or 1 + a version that somebody sleeps on. A watcher raises it to 1 + the version it has seen,
// then sleeps on the low half of `version` (a futex compares before it sleeps, so a change in between is not missed).
// The writer looks at `watched` after each publish; in the end-of-turn wake it wakes all sleepers and clears the mark,
// unless the mark names the version that stands now: then somebody waits for a change that is still to come.
// So there is no count that could go wrong: a watcher that died leaves a mark which costs one futile wake and is gone.
// Barriers: the writer stores `version`, then loads `watched`; the watcher stores `watched`, then loads `version`. All
// four are sequentially consistent, so at least one of the two sees the other.
//
// Somebody who cuts the file makes every touch of its slots a bus error: callers hold a BusGuard over the slot and
// treat a fault as "the table is gone". (Publishing from an append then goes nowhere, and readers find out when they
// look.)
//
// Byte order and layout are those of the machine: the memory is shared by processes of one machine, and nothing is ever
// recovered from it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace varve {

// A consistent copy of what a slot says, and what a writer publishes. -1 in an offset or position: not known yet.
struct TailFields {
  uint64_t generation = 0;           // raised with every change of files (roll, truncation, retention)
  int64_t segment_base_offset = -1;  // of the active segment
  int64_t end_position = -1;         // exclusive; bytes of the active segment that are whole batches
  int64_t log_start_offset = -1;
  int64_t log_end_offset = -1;      // exclusive
  int64_t high_watermark = -1;      // exclusive
  int64_t last_stable_offset = -1;  // exclusive
  int64_t flushed_offset = -1;      // exclusive
  int32_t leader_epoch = -1;
};

// What a reader learns besides the fields.
struct TailView {
  uint64_t version = 0;
  uint64_t epoch = 0;  // of the writer that wrote this
  TailFields fields;
};

constexpr size_t kSlotKeyWords = 4;

// Names the log of a slot: see slot_key in tail_table.h. All zero: the slot is free.
struct SlotKey {
  uint64_t words[kSlotKeyWords] = {};

  bool operator==(const SlotKey& other) const = default;
};

class TailSlot {
 public:
  // ---- The writer's side: one thread.

  // Publishes the end of the active segment: what an append changes. True when somebody waits for a wake.
  bool publish_end(int64_t segment_base_offset, int64_t end_position, int64_t log_end_offset) {
    uint64_t version = begin();
    segment_base_offset_.store(segment_base_offset, std::memory_order_release);
    end_position_.store(end_position, std::memory_order_release);
    log_end_offset_.store(log_end_offset, std::memory_order_release);
    return publish(version);
  }
  // Publishes all fields. True when somebody waits for a wake.
  bool publish_fields(const TailFields& fields);
  // Takes the slot over for a new writer: a raised version, its epoch, its key, the generation raised, no offsets.
  void reset(uint64_t epoch, const SlotKey& key);
  // The key, for the one who alone may change it: no version is looked at.
  SlotKey own_key() const;
  // Wakes everyone who sleeps on this slot; costs a load when nobody does.
  void wake();

  // ---- Readers.

  // False when no consistent copy could be had; `view->version` is then the last version seen, to be waited on.
  bool read(TailView* view) const;
  // The same for the key.
  bool read_key(SlotKey* key) const;
  uint64_t version() const { return version_.load(std::memory_order_seq_cst); }
  bool is_watched() const { return watched_.load(std::memory_order_seq_cst) != 0; }
  // Announces that somebody is about to sleep until the version differs from `version`.
  void mark_watched(uint64_t version);
  // The word to sleep on, and what it holds at `version`.
  const void* futex_word() const;
  static uint32_t futex_value(uint64_t version) { return static_cast<uint32_t>(version); }

 private:
  // A slot whose writer died between `begin` and `publish` has an odd version; the next write starts from there.
  uint64_t begin() {
    uint64_t version = version_.load(std::memory_order_relaxed) | 1;
    version_.store(version, std::memory_order_relaxed);
    return version;
  }
  // An exchange is a full barrier (about 20 cycles): the store must be out before `watched` is looked at.
  bool publish(uint64_t version) {
    version_.exchange(version + 1, std::memory_order_seq_cst);
    return watched_.load(std::memory_order_seq_cst) != 0;
  }

  // The first cache line is what an append touches.
  std::atomic<uint64_t> version_;
  std::atomic<uint64_t> watched_;
  std::atomic<uint64_t> epoch_;
  std::atomic<uint64_t> generation_;
  std::atomic<int64_t> segment_base_offset_;
  std::atomic<int64_t> end_position_;
  std::atomic<int64_t> log_start_offset_;
  std::atomic<int64_t> log_end_offset_;
  // The second one.
  std::atomic<int64_t> high_watermark_;
  std::atomic<int64_t> last_stable_offset_;
  std::atomic<int64_t> flushed_offset_;
  std::atomic<int32_t> leader_epoch_;
  [[maybe_unused]] uint32_t reserved_;
  std::atomic<uint64_t> key_[kSlotKeyWords];
};

// A torn read is tried again this often: first at once, then giving up the processor each time, so that a writer which
// was interrupted in the middle of its few nanoseconds gets to finish them.
constexpr int kTornReadsSpun = 64;
constexpr int kTornReadsMax = 320;

static_assert(sizeof(TailSlot) == 128);
static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);
static_assert(std::atomic<int32_t>::is_always_lock_free && sizeof(std::atomic<int32_t>) == 4);

}  // namespace varve
