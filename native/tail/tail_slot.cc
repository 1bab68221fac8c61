#include "tail/tail_slot.h"

#include <sched.h>

#include <bit>

#include "tail/futex.h"

namespace varve {

namespace {

// Runs `copy` until it ran between two equal even versions. Leaves the last version seen in `version`.
template <typename Copy>
bool read_consistent(const std::atomic<uint64_t>& word, uint64_t* version, Copy copy) {
  for (int tries = 0; tries < kTornReadsMax; ++tries) {
    if (tries >= kTornReadsSpun) sched_yield();
    uint64_t before = word.load(std::memory_order_acquire);
    *version = before;
    if (before & 1) continue;
    copy();
    if (word.load(std::memory_order_relaxed) == before) return true;
  }
  return false;
}

}  // namespace

bool TailSlot::publish_fields(const TailFields& fields) {
  uint64_t version = begin();
  generation_.store(fields.generation, std::memory_order_release);
  segment_base_offset_.store(fields.segment_base_offset, std::memory_order_release);
  end_position_.store(fields.end_position, std::memory_order_release);
  log_start_offset_.store(fields.log_start_offset, std::memory_order_release);
  log_end_offset_.store(fields.log_end_offset, std::memory_order_release);
  high_watermark_.store(fields.high_watermark, std::memory_order_release);
  last_stable_offset_.store(fields.last_stable_offset, std::memory_order_release);
  flushed_offset_.store(fields.flushed_offset, std::memory_order_release);
  leader_epoch_.store(fields.leader_epoch, std::memory_order_release);
  return publish(version);
}

void TailSlot::reset(uint64_t epoch, const SlotKey& key) {
  // Versions travel as doubles: one past 2^52 is damage, not the work of a writer.
  if (version_.load(std::memory_order_relaxed) >> 52 != 0) version_.store(0, std::memory_order_relaxed);
  uint64_t version = begin();
  epoch_.store(epoch, std::memory_order_release);
  for (size_t i = 0; i < kSlotKeyWords; ++i) key_[i].store(key.words[i], std::memory_order_release);
  generation_.store(generation_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  for (std::atomic<int64_t>* offset : {&segment_base_offset_, &end_position_, &log_start_offset_, &log_end_offset_,
                                       &high_watermark_, &last_stable_offset_, &flushed_offset_}) {
    offset->store(-1, std::memory_order_release);
  }
  leader_epoch_.store(-1, std::memory_order_release);
  if (publish(version)) wake();
}

void TailSlot::wake() {
  uint64_t mark = watched_.load(std::memory_order_seq_cst);
  if (mark == 0) return;
  // Cleared before the wake: who is woken and goes on waiting marks the slot again.
  if (mark - 1 != version()) watched_.compare_exchange_strong(mark, 0, std::memory_order_seq_cst);
  futex_wake_all(futex_word());
}

bool TailSlot::read(TailView* view) const {
  return read_consistent(version_, &view->version, [&] {
    view->epoch = epoch_.load(std::memory_order_acquire);
    TailFields& fields = view->fields;
    fields.generation = generation_.load(std::memory_order_acquire);
    fields.segment_base_offset = segment_base_offset_.load(std::memory_order_acquire);
    fields.end_position = end_position_.load(std::memory_order_acquire);
    fields.log_start_offset = log_start_offset_.load(std::memory_order_acquire);
    fields.log_end_offset = log_end_offset_.load(std::memory_order_acquire);
    fields.high_watermark = high_watermark_.load(std::memory_order_acquire);
    fields.last_stable_offset = last_stable_offset_.load(std::memory_order_acquire);
    fields.flushed_offset = flushed_offset_.load(std::memory_order_acquire);
    fields.leader_epoch = leader_epoch_.load(std::memory_order_acquire);
  });
}

bool TailSlot::read_key(SlotKey* key) const {
  uint64_t version;
  return read_consistent(version_, &version, [&] {
    for (size_t i = 0; i < kSlotKeyWords; ++i) key->words[i] = key_[i].load(std::memory_order_acquire);
  });
}

SlotKey TailSlot::own_key() const {
  SlotKey key;
  for (size_t i = 0; i < kSlotKeyWords; ++i) key.words[i] = key_[i].load(std::memory_order_relaxed);
  return key;
}

void TailSlot::mark_watched(uint64_t version) {
  // The highest mark stands: who waits for an older version is woken by the next wake in any case.
  uint64_t mark = watched_.load(std::memory_order_seq_cst);
  while (mark < version + 1 && !watched_.compare_exchange_weak(mark, version + 1, std::memory_order_seq_cst)) {
  }
}

const void* TailSlot::futex_word() const {
  const char* start = reinterpret_cast<const char*>(&version_);
  return std::endian::native == std::endian::little ? start : start + 4;
}

}  // namespace varve
