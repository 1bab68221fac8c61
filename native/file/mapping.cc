#include "file/mapping.h"

#include <unistd.h>

#include <cerrno>

namespace varve {

Mapping::~Mapping() { (void)unmap(); }

Mapping::Mapping(Mapping&& other) noexcept { *this = std::move(other); }

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    (void)unmap();
    kernel_ = other.kernel_;
    address_ = std::exchange(other.address_, nullptr);
    length_ = std::exchange(other.length_, 0);
    start_ = std::exchange(other.start_, 0);
    path_ = std::move(other.path_);
    damaged_.store(other.damaged(), std::memory_order_relaxed);
  }
  return *this;
}

size_t Mapping::page_bytes() {
  static const size_t bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

Status Mapping::map(const File& file, uint64_t position, size_t length, MapMode mode, Mapping* mapping) {
  if (!file.is_open()) return Status::failure(Code::kClosed, "mmap", file.path(), position);
  check(position % page_bytes() == 0 && length > 0, "a mapping starts at a page and is not empty");
  void* address = nullptr;
  const bool writable = mode != MapMode::kRead;
  const bool shared = mode != MapMode::kPrivate;
  const int result = file.kernel().map(file.fd(), position, length, writable, shared, &address);
  if (result < 0) return Status::from_errno(-result, "mmap", file.path(), position);
  (void)mapping->unmap();
  mapping->kernel_ = &file.kernel();
  mapping->address_ = static_cast<uint8_t*>(address);
  mapping->length_ = length;
  mapping->start_ = position;
  mapping->path_ = file.path();
  mapping->damaged_.store(false, std::memory_order_relaxed);
  return Status::success();
}

Status Mapping::store(uint64_t position, const void* from, size_t length) {
  VARVE_RETURN_IF_FAILED(usable("store", position));
  check(covers(position, length), "a store outside of its mapping");
  return answer(kernel_->store(address_ + (position - start_), from, length), "store", position);
}

Status Mapping::load(uint64_t position, void* to, size_t length) const {
  VARVE_RETURN_IF_FAILED(usable("load", position));
  return answer(kernel_->load(to, at(position, length), length), "load", position);
}

Status Mapping::publish(uint64_t position, uint32_t value) {
  VARVE_RETURN_IF_FAILED(usable("store", position));
  check(covers(position, sizeof value), "a store outside of its mapping");
  return answer(kernel_->store_release(address_ + (position - start_), value), "store", position);
}

Status Mapping::populate_write(uint64_t position, size_t length) {
  return populate(position, length, Advice::kPopulateWrite, "populate_write");
}

Status Mapping::populate_read(uint64_t position, size_t length) const {
  return populate(position, length, Advice::kPopulateRead, "populate_read");
}

Status Mapping::populate(uint64_t position, size_t length, Advice advice, const char* call) const {
  VARVE_RETURN_IF_FAILED(usable(call, position));
  check(covers(position, length), "pages to populate outside of their mapping");
  const uint64_t skipped = (position - start_) % page_bytes();
  uint8_t* first = address_ + (position - start_ - skipped);
  int result;
  do {
    result = kernel_->advise(first, length + skipped, advice);
  } while (result == -EINTR);
  if (result < 0) return Status::from_errno(-result, call, path_, position);
  return Status::success();
}

Status Mapping::sync(uint64_t position, size_t length) const {
  VARVE_RETURN_IF_FAILED(usable("msync", position));
  check(covers(position, length), "pages to flush outside of their mapping");
  const uint64_t skipped = (position - start_) % page_bytes();
  const int result = kernel_->msync(address_ + (position - start_ - skipped), length + skipped);
  return result < 0 ? Status::from_errno(-result, "msync", path_, position) : Status::success();
}

void Mapping::advise(uint64_t position, size_t length, Advice advice) const {
  if (address_ == nullptr || !covers(position, length)) return;
  const uint64_t skipped = (position - start_) % page_bytes();
  (void)kernel_->advise(address_ + (position - start_ - skipped), length + skipped, advice);
}

Status Mapping::unmap() {
  if (address_ == nullptr) return Status::success();
  const int result = kernel_->unmap(std::exchange(address_, nullptr), std::exchange(length_, 0));
  return result < 0 ? Status::from_errno(-result, "munmap", path_, start_) : Status::success();
}

Status Mapping::usable(const char* call, uint64_t position) const {
  if (address_ == nullptr) return Status::failure(Code::kClosed, call, path_, position);
  if (damaged()) return Status::from_errno(EFAULT, call, path_, position);
  return Status::success();
}

Status Mapping::damage(const char* call, uint64_t position) const {
  damaged_.store(true, std::memory_order_relaxed);
  return Status::from_errno(EFAULT, call, path_, position);
}

Status Mapping::answer(int result, const char* call, uint64_t position) const {
  return result < 0 ? damage(call, position) : Status::success();
}

}  // namespace varve
