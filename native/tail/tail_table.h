// TailTable: the file of all tail slots of a store, mapped by its writer and by everyone who follows it.
//
//   position  size  content
//   0         128   header: TailHeader below
//   128 * i   128   slot i - 1 (tail_slot.h): slot 0 stands at 128
//
// The file keeps its inode for ever and only grows: 4 KiB first (31 slots), then doubled when full, with real blocks.
// Each doubling is mapped by itself, so a slot stays where it is for as long as the table is open.
//
// Writer: one at a time, which the lock of the store sees to; a lock on this file, held while the table is open (and
// that dies with the process), shows readers that it lives. Opening for writing raises the store's epoch, resets every
// slot in place and wakes all who sleep on one, and then takes that lock: slots are believed only while it is held. A
// log keeps its slot for ever. Readers see by the epoch that what they knew of the files is old. A file that is damaged
// is made anew in place, for nothing is ever recovered from it; one of a newer format is refused.
// Readers: any number. Those that may not write to the file map it read-only and poll.
//
// Somebody who cuts the file turns the touch of a slot into a bus error; every touch is guarded (BusGuard), and a table
// that met one answers kIo from then on.
//
// Ownership: shared by the handle, by watches that sleep on its slots and by segments that publish to one.
// Threads: `slot_of` and opening on the owner's thread; slots as tail_slot.h says.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "file/file.h"
#include "file/kernel.h"
#include "tail/tail_slot.h"

namespace varve {

struct TailHeader {
  std::atomic<uint64_t> magic;           // kTailMagic; stored last when the file is made
  std::atomic<uint32_t> format_version;  // kTailFormatVersion
  std::atomic<uint32_t> slot_bytes;      // 128
  std::atomic<uint64_t> epoch;           // rises with every writer
  std::atomic<uint32_t> slot_count;      // slots ever claimed; readers look no further
  uint32_t reserved_[25];
};
static_assert(sizeof(TailHeader) == sizeof(TailSlot));

constexpr uint64_t kTailMagic = 0x31534c4941545256;  // "VRTAILS1" in little-endian memory
constexpr uint32_t kTailFormatVersion = 1;

// A name of up to 31 bytes stands in the key as it is, behind its length. A longer one: 255, its first 15 bytes, and
// 128 bits of FNV-1a over all of it.
SlotKey slot_key(std::string_view name);

class TailTable {
 public:
  enum class Access { kWrite, kRead };

  // kLocked: another writer has it open. kNotFound (reading): no writer has made it yet. kTooNew, kCorrupt (reading).
  static Status open(std::shared_ptr<Kernel> kernel, std::string path, Access access,
                     std::shared_ptr<TailTable>* table);
  ~TailTable();
  TailTable(const TailTable&) = delete;
  TailTable& operator=(const TailTable&) = delete;

  // The slot of a log; a writer claims one if there is none. kNotFound for a reader (the writer may claim it later),
  // kNoSpace when all kSlotsMax are taken.
  Status slot_of(std::string_view name, uint32_t* index);
  // nullptr for an index that slot_of cannot have answered. Costs no look at shared memory.
  TailSlot* slot(uint32_t index) const { return index < known_slots_ ? at(index) : nullptr; }

  // Frees a writer's lock now, and closes the file: jobs on other threads may hold the table for a while longer, and
  // touch slots that are mapped already. Owner's thread; nothing but slots may be used afterwards.
  void release();

  // Of the writer that opened this table; 0 for a reader, whom the slots tell.
  uint64_t own_epoch() const { return epoch_; }
  bool writable() const { return access_ == Access::kWrite; }
  // Whether readers of this table can leave a mark and be woken.
  bool can_mark() const { return can_mark_; }
  // The failure to answer after a bus error at a slot.
  Status gone() const;
  // Whether a writer, in any process, has the table open.
  Status writer_alive(bool* alive) const;

  static constexpr uint64_t kFirstBytes = 4096;
  // 4 KiB, then doublings of the whole up to 8 MiB: 65,535 slots.
  static constexpr size_t kExtentsMax = 12;
  static constexpr uint32_t kSlotsMax = (kFirstBytes << (kExtentsMax - 1)) / sizeof(TailSlot) - 1;

 private:
  struct Extent {
    void* mapped = nullptr;  // from a page boundary at or below its first byte
    size_t mapped_bytes = 0;
    char* bytes = nullptr;  // its first byte
  };

  TailTable(std::shared_ptr<Kernel> kernel, std::string path, Access access)
      : kernel_(std::move(kernel)), path_(std::move(path)), access_(access) {}

  Status open_for_writing();
  Status open_for_reading();
  Status map_extent(size_t extent);
  // Maps what is needed for `slot_count` slots; a writer lets the file grow first.
  Status map_slots(uint32_t slot_count);
  Status grow(uint64_t size, uint64_t wanted);
  TailSlot* at(uint32_t index) const;
  // The count in the header, checked.
  Status load_slot_count(uint32_t* slot_count) const;
  Status failure(int result, const char* call) const;

  const std::shared_ptr<Kernel> kernel_;
  const std::string path_;
  const Access access_;
  File file_;  // a writer's holds the lock
  bool can_mark_ = false;
  TailHeader* header_ = nullptr;
  uint64_t epoch_ = 0;
  uint32_t known_slots_ = 0;  // slots that are mapped and were there at the last look
  size_t extent_count_ = 0;   // mapped
  std::array<Extent, kExtentsMax> extents_;
};

}  // namespace varve
