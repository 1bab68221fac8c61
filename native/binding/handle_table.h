// HandleTable: what JavaScript holds instead of pointers. A handle is a positive integer that fits a small integer of
// any V8 build:
//
//   bits 0-17   index + 1, so that no handle is 0
//   bits 18-20  kind, so that a handle of another kind is not taken for one of this
//   bits 21-29  generation, raised at each reuse of an index; freed indexes are reused oldest first, so that it takes
//               512 rounds through all free ones until a handle that was closed could be taken for a new one
//
// Owner: one environment; its thread only. Entries are shared_ptrs, since jobs on other threads may outlive a handle.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace varve {

enum class HandleKind : uint32_t { kKernel = 1, kLock = 2, kSegment = 3, kTails = 4 };

template <typename T>
class HandleTable {
 public:
  static constexpr uint32_t kIndexBits = 18;
  static constexpr uint32_t kKindBits = 3;
  static constexpr uint32_t kGenerationBits = 9;
  static constexpr uint32_t kEntriesMax = (1u << kIndexBits) - 1;

  explicit HandleTable(HandleKind kind) : kind_(static_cast<uint32_t>(kind)) {}

  // 0 when the table is full; the entry is then dropped.
  uint32_t insert(std::shared_ptr<T> entry) {
    uint32_t index;
    // Reused only when there is a stock of free ones: the longer an index rests, the less its handle is confused.
    if (free_.size() > kRestingMin || (entries_.size() == kEntriesMax && !free_.empty())) {
      index = free_.front();
      free_.pop_front();
    } else if (entries_.size() < kEntriesMax) {
      index = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      return 0;
    }
    entries_[index].value = std::move(entry);
    return (entries_[index].generation << (kIndexBits + kKindBits)) | (kind_ << kIndexBits) | (index + 1);
  }

  // nullptr for anything that is not an open handle of this kind; takes any number as JavaScript has them.
  T* find(double handle) const {
    const Entry* entry = look_up(handle);
    return entry == nullptr ? nullptr : entry->value.get();
  }
  std::shared_ptr<T> share(double handle) const {
    const Entry* entry = look_up(handle);
    return entry == nullptr ? nullptr : entry->value;
  }
  // Closes the handle.
  std::shared_ptr<T> remove(double handle) {
    Entry* entry = const_cast<Entry*>(look_up(handle));
    if (entry == nullptr) return nullptr;
    std::shared_ptr<T> value = std::move(entry->value);
    entry->value.reset();
    entry->generation = (entry->generation + 1) & ((1u << kGenerationBits) - 1);
    free_.push_back(static_cast<uint32_t>(entry - entries_.data()));
    return value;
  }
  // Closes all, in the order of their indexes.
  void clear() {
    for (Entry& entry : entries_) entry.value.reset();
    entries_.clear();
    free_.clear();
  }

 private:
  static constexpr size_t kRestingMin = 64;

  struct Entry {
    std::shared_ptr<T> value;  // empty: free
    uint32_t generation = 0;
  };

  const Entry* look_up(double handle) const {
    if (!(handle >= 1 && handle < static_cast<double>(1u << 30))) return nullptr;  // not NaN either
    uint32_t bits = static_cast<uint32_t>(handle);
    if (bits != handle) return nullptr;
    uint32_t index = (bits & ((1u << kIndexBits) - 1)) - 1;
    if (((bits >> kIndexBits) & ((1u << kKindBits) - 1)) != kind_ || index >= entries_.size()) return nullptr;
    const Entry& entry = entries_[index];
    if (entry.value == nullptr || entry.generation != bits >> (kIndexBits + kKindBits)) return nullptr;
    return &entry;
  }

  const uint32_t kind_;
  std::vector<Entry> entries_;
  std::deque<uint32_t> free_;  // oldest first
};

}  // namespace varve
