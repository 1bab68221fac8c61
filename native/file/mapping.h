// Mapping: one address range over a part of a file.
//
// All positions are positions in the *file*, so that a caller never converts. Stores and loads go through the Kernel
// and are guarded: a bus error becomes a failure of kind kIo with EFAULT and the position, not the end of the process.
// After one, the mapping is `damaged()`: one of its pages is no longer the file's, and every later call fails the same
// way. There is no way back but to map anew.
//
// Lifecycle: a default Mapping is empty; map() fills it; unmap(), or the destructor, ends it. Move only. The file may
// be closed, renamed or unlinked while the mapping lives.
// Owner: whoever holds the object; nobody may use an address from it afterwards. The Kernel must outlive it.
// Threads: one thread stores (two threads may store to ranges that do not overlap); any thread may load, populate or
// sync at the same time, but only below what was published to it. map, unmap and moving need the object for themselves.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "file/bus_guard.h"
#include "file/file.h"
#include "file/kernel.h"

namespace varve {

enum class MapMode : uint8_t {
  kRead,     // shared, read only
  kWrite,    // shared, stores reach the file
  kPrivate,  // writable copy-on-write: stores reach neither the file nor anybody else
};

class Mapping {
 public:
  Mapping() = default;
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;

  // Maps [position, position + length) of the file. `position` is a multiple of page_bytes(); the range may reach
  // beyond the end of the file, but may not be touched there until the file has grown.
  static Status map(const File& file, uint64_t position, size_t length, MapMode mode, Mapping* mapping);
  // The unit in which maps start and pages are populated.
  static size_t page_bytes();

  Status store(uint64_t position, const void* from, size_t length);
  Status load(uint64_t position, void* to, size_t length) const;
  // Stores four bytes with release order: everything stored before is visible to whoever sees them. `value` is in
  // the byte order of the file already (to_big_endian).
  Status publish(uint64_t position, uint32_t value);
  // store(), and then publish() of four of those bytes, at `field`.
  Status store_and_publish(uint64_t position, const void* from, size_t length, uint64_t field, uint32_t value) {
    constexpr const char* kCall = "store";
    if (address_ == nullptr || damaged()) [[unlikely]]
      return usable(kCall, position);
    check(covers(position, length) && field >= position && field - position + sizeof value <= length,
          "a store outside of its mapping");
    uint8_t* to = address_ + (position - start_);
    const int result = kernel_->store_and_release(to, from, length, to + (field - position), value);
    if (result < 0) [[unlikely]]
      return damage(kCall, position);
    return Status::success();
  }

  // Runs `use(const uint8_t* bytes)` over the mapped bytes in place, guarded. When pages could not be had the answer
  // is a failure and whatever `use` concluded is void (it may have seen zeros). `use` must not map, guard or throw.
  template <typename Use>
  Status use_in_place(uint64_t position, size_t length, const char* call, Use&& use) const {
    VARVE_RETURN_IF_FAILED(usable(call, position));
    const uint8_t* bytes = at(position, length);
    BusGuard guard(bytes, length);
    std::forward<Use>(use)(bytes);
    return guard.faulted() ? damage(call, position) : Status::success();
  }

  // Makes the pages of the range present, for storing or for reading; where touching one would be a bus error this is
  // a failure and nothing is damaged (on Linux before 5.14: the mapping is damaged). The range may be unaligned.
  Status populate_write(uint64_t position, size_t length);
  Status populate_read(uint64_t position, size_t length) const;
  // Writes the range's dirty pages to disk and waits.
  Status sync(uint64_t position, size_t length) const;
  // A hint about the range; never fails.
  void advise(uint64_t position, size_t length, Advice advice) const;
  // A second call is success.
  Status unmap();

  bool is_mapped() const { return address_ != nullptr; }
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }
  uint64_t start() const { return start_; }          // first file position covered
  uint64_t end() const { return start_ + length_; }  // first file position not covered
  size_t length() const { return length_; }
  // The address of a file position, for code that runs under use_in_place or owns the risk of a bus error.
  const uint8_t* at(uint64_t position, size_t length = 0) const {
    check(covers(position, length), "a mapping was asked for bytes outside of it");
    return address_ + (position - start_);
  }
  uint8_t* address() const { return address_; }  // for a window handed to JavaScript
  bool covers(uint64_t position, size_t length) const {
    return position >= start_ && position - start_ <= length_ && length <= length_ - (position - start_);
  }

 private:
  Status usable(const char* call, uint64_t position) const;
  Status damage(const char* call, uint64_t position) const;
  Status answer(int result, const char* call, uint64_t position) const;
  Status populate(uint64_t position, size_t length, Advice advice, const char* call) const;

  Kernel* kernel_ = nullptr;  // not owned
  uint8_t* address_ = nullptr;
  size_t length_ = 0;
  uint64_t start_ = 0;
  std::string path_;                          // for failures; the name when it was mapped
  mutable std::atomic<bool> damaged_{false};  // set by any thread, never cleared
};

}  // namespace varve
