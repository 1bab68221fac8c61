#include "tail/tail_table.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cstring>

#include "file/bus_guard.h"

namespace varve {

namespace {

// The file's size when its first `extent` + 1 extents are there.
uint64_t bytes_through(size_t extent) { return TailTable::kFirstBytes << extent; }
uint64_t extent_start(size_t extent) { return extent == 0 ? 0 : bytes_through(extent - 1); }

// The extent that holds a byte of the file.
size_t extent_of(uint64_t position) { return static_cast<size_t>(std::bit_width(position / TailTable::kFirstBytes)); }

uint64_t slot_position(uint32_t index) { return (uint64_t{index} + 1) * sizeof(TailSlot); }

}  // namespace

SlotKey slot_key(std::string_view name) {
  unsigned char bytes[sizeof(SlotKey)] = {};
  constexpr size_t kLiteralMax = sizeof(bytes) - 1;
  if (name.size() <= kLiteralMax) {
    // One more than the length, so that the empty name is no free slot.
    bytes[0] = static_cast<unsigned char>(name.size() + 1);
    std::memcpy(bytes + 1, name.data(), name.size());
  } else {
    using Hash = unsigned __int128;
    constexpr Hash kPrime = (Hash{1} << 88) + 0x13b;
    Hash hash = (Hash{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
    for (char byte : name) hash = (hash ^ static_cast<unsigned char>(byte)) * kPrime;
    bytes[0] = 255;
    std::memcpy(bytes + 1, name.data(), 15);
    std::memcpy(bytes + 16, &hash, 16);
  }
  SlotKey key;
  std::memcpy(key.words, bytes, sizeof(bytes));
  return key;
}

Status TailTable::failure(int result, const char* call) const { return Status::from_errno(-result, call, path_); }

Status TailTable::open(std::shared_ptr<Kernel> kernel, std::string path, Access access,
                       std::shared_ptr<TailTable>* table) {
  std::shared_ptr<TailTable> opened(new TailTable(std::move(kernel), std::move(path), access));
  VARVE_RETURN_IF_FAILED(access == Access::kWrite ? opened->open_for_writing() : opened->open_for_reading());
  *table = std::move(opened);
  return Status::success();
}

TailTable::~TailTable() {
  release();
  for (size_t i = 0; i < extent_count_; ++i) kernel_->unmap(extents_[i].mapped, extents_[i].mapped_bytes);
}

void TailTable::release() {
  // The maps belong to the same open file as the descriptor, so the lock would stay until they go too.
  if (access_ == Access::kWrite && file_.is_open()) (void)kernel_->unlock(file_.fd());
  (void)file_.close();
}

Status TailTable::map_extent(size_t index) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t start = extent_start(index);
  const uint64_t from = start & ~(page - 1);
  Extent extent;
  extent.mapped_bytes = bytes_through(index) - from;
  int result = kernel_->map(file_.fd(), from, extent.mapped_bytes, can_mark_, true, &extent.mapped);
  if (result < 0) return failure(result, "mmap");
  extent.bytes = static_cast<char*>(extent.mapped) + (start - from);
  extents_[index] = extent;
  extent_count_ = index + 1;
  return Status::success();
}

Status TailTable::map_slots(uint32_t slot_count) {
  if (slot_count <= known_slots_) return Status::success();
  size_t needed = extent_of(slot_position(slot_count - 1)) + 1;
  if (needed > extent_count_) {
    FileFacts facts;
    VARVE_RETURN_IF_FAILED(file_.facts(&facts));
    if (facts.size < bytes_through(needed - 1)) {
      // A map that reaches past the end of the file would be a bus error.
      if (access_ == Access::kRead) return Status::failure(Code::kCorrupt, "tail table size", path_, facts.size);
      VARVE_RETURN_IF_FAILED(grow(facts.size, bytes_through(needed - 1)));
    }
    while (extent_count_ < needed) VARVE_RETURN_IF_FAILED(map_extent(extent_count_));
  }
  known_slots_ = slot_count;
  return Status::success();
}

Status TailTable::grow(uint64_t size, uint64_t wanted) {
  Status status = file_.allocate(size, wanted - size);
  // A file system that cannot allocate: full disks are then met as bus errors, which are guarded.
  return status.code == Code::kUnsupported ? file_.truncate(wanted) : status;
}

Status TailTable::open_for_writing() {
  VARVE_RETURN_IF_FAILED(File::open(*kernel_, path_, O_RDWR | O_CREAT, &file_));
  can_mark_ = true;
  int result = kernel_->locked(file_.fd());
  if (result < 0) return failure(result, "lock query");
  if (result != 0) return Status{Code::kLocked, EAGAIN, "lock", path_, Status::kNowhere};

  // The file is never shrunk: readers have it mapped. A new or short one is zero from its end on.
  FileFacts facts;
  VARVE_RETURN_IF_FAILED(file_.facts(&facts));
  if (facts.size < kFirstBytes) {
    VARVE_RETURN_IF_FAILED(grow(facts.size, kFirstBytes));
    facts.size = kFirstBytes;
  }
  VARVE_RETURN_IF_FAILED(map_extent(0));
  header_ = reinterpret_cast<TailHeader*>(extents_[0].bytes);
  uint32_t slot_count = 0;
  {
    BusGuard guard(header_, sizeof *header_);
    bool is_ours = header_->magic.load(std::memory_order_acquire) == kTailMagic;
    if (is_ours && header_->format_version.load(std::memory_order_relaxed) > kTailFormatVersion) {
      return Status::failure(Code::kTooNew, "tail table format", path_);
    }
    slot_count = header_->slot_count.load(std::memory_order_relaxed);
    bool sound = is_ours && header_->slot_bytes.load(std::memory_order_relaxed) == sizeof(TailSlot) &&
                 slot_count <= kSlotsMax && (slot_count == 0 || slot_position(slot_count - 1) < facts.size);
    if (!sound) {
      // No slot of it can be believed. The magic goes first and comes last: who opens meanwhile finds no table.
      header_->magic.store(0, std::memory_order_release);
      header_->epoch.store(0, std::memory_order_release);
      header_->slot_count.store(0, std::memory_order_release);
      slot_count = 0;
    }
    header_->format_version.store(kTailFormatVersion, std::memory_order_release);
    header_->slot_bytes.store(sizeof(TailSlot), std::memory_order_release);
    // Epochs travel as doubles: one past 2^52 is damage.
    epoch_ = (header_->epoch.load(std::memory_order_relaxed) & ((uint64_t{1} << 52) - 1)) + 1;
    header_->epoch.store(epoch_, std::memory_order_release);
    header_->magic.store(kTailMagic, std::memory_order_release);
    if (guard.faulted()) return gone();
  }
  VARVE_RETURN_IF_FAILED(map_slots(slot_count));
  for (uint32_t i = 0; i < slot_count; ++i) {
    BusGuard guard(at(i), sizeof(TailSlot));
    at(i)->reset(epoch_, at(i)->own_key());
    if (guard.faulted()) return gone();
  }
  // Only now: the lock tells readers to believe the slots, and until here they may be older than a power cut.
  do {
    result = kernel_->lock(file_.fd());
  } while (result == -EINTR);
  if (result == -EAGAIN) return Status{Code::kLocked, EAGAIN, "lock", path_, Status::kNowhere};
  if (result < 0) return failure(result, "lock");
  return Status::success();
}

Status TailTable::open_for_reading() {
  Status opened = File::open(*kernel_, path_, O_RDWR, &file_);
  can_mark_ = opened.ok();
  if (opened.code == Code::kPermission || opened.code == Code::kReadOnly) {
    opened = File::open(*kernel_, path_, O_RDONLY, &file_);
  }
  VARVE_RETURN_IF_FAILED(opened);
  FileFacts facts;
  VARVE_RETURN_IF_FAILED(file_.facts(&facts));
  if (facts.size < kFirstBytes) return Status::failure(Code::kNotFound, "tail table", path_);
  VARVE_RETURN_IF_FAILED(map_extent(0));
  header_ = reinterpret_cast<TailHeader*>(extents_[0].bytes);
  BusGuard guard(header_, sizeof *header_);
  const uint64_t magic = header_->magic.load(std::memory_order_acquire);
  const uint32_t format_version = header_->format_version.load(std::memory_order_acquire);
  const uint32_t slot_bytes = header_->slot_bytes.load(std::memory_order_acquire);
  if (guard.faulted()) return gone();
  if (magic == 0) return Status::failure(Code::kNotFound, "tail table", path_);  // its first writer is just making it
  if (magic != kTailMagic) return Status::failure(Code::kCorrupt, "tail table magic", path_, 0);
  if (format_version > kTailFormatVersion) return Status::failure(Code::kTooNew, "tail table format", path_);
  if (slot_bytes != sizeof(TailSlot)) return Status::failure(Code::kCorrupt, "tail table slot size", path_, 12);
  return Status::success();
}

TailSlot* TailTable::at(uint32_t index) const {
  uint64_t position = slot_position(index);
  size_t extent = extent_of(position);
  return reinterpret_cast<TailSlot*>(extents_[extent].bytes + (position - extent_start(extent)));
}

Status TailTable::gone() const {
  Status status = Status::from_errno(EFAULT, "tail table map", path_);
  status.code = Code::kIo;
  return status;
}

Status TailTable::load_slot_count(uint32_t* slot_count) const {
  BusGuard guard(header_, sizeof *header_);
  *slot_count = header_->slot_count.load(std::memory_order_acquire);
  if (guard.faulted()) return gone();
  if (*slot_count > kSlotsMax) return Status::failure(Code::kCorrupt, "tail table slot count", path_, 24);
  return Status::success();
}

Status TailTable::slot_of(std::string_view name, uint32_t* index) {
  const SlotKey wanted = slot_key(name);
  uint32_t slot_count = 0;
  VARVE_RETURN_IF_FAILED(load_slot_count(&slot_count));
  VARVE_RETURN_IF_FAILED(map_slots(slot_count));
  for (uint32_t i = 0; i < slot_count; ++i) {
    BusGuard guard(at(i), sizeof(TailSlot));
    SlotKey key;
    bool found = at(i)->read_key(&key) && key == wanted;
    if (guard.faulted()) return gone();
    if (found) {
      *index = i;
      return Status::success();
    }
  }
  if (access_ == Access::kRead) return Status::failure(Code::kNotFound, "tail slot", path_);
  if (slot_count == kSlotsMax) return Status::failure(Code::kNoSpace, "tail table", path_);
  VARVE_RETURN_IF_FAILED(map_slots(slot_count + 1));
  // The slot first, then the count: a reader that sees the count finds the key.
  {
    BusGuard guard(at(slot_count), sizeof(TailSlot));
    at(slot_count)->reset(epoch_, wanted);
    if (guard.faulted()) return gone();
  }
  BusGuard guard(header_, sizeof *header_);
  header_->slot_count.store(slot_count + 1, std::memory_order_release);
  if (guard.faulted()) return gone();
  *index = slot_count;
  return Status::success();
}

Status TailTable::writer_alive(bool* alive) const {
  if (access_ == Access::kWrite) {
    *alive = true;
    return Status::success();
  }
  int result = kernel_->locked(file_.fd());
  if (result < 0) return failure(result, "lock query");
  *alive = result == 1;
  return Status::success();
}

}  // namespace varve
