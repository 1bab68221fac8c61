#include "file/file.h"

#include <cerrno>
#include <utility>

namespace varve {

namespace {

// Runs a system call until no signal interrupts it.
template <typename Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result != -EINTR) return result;
  }
}

}  // namespace

File::~File() { (void)close(); }

File::File(File&& other) noexcept { *this = std::move(other); }

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    (void)close();
    kernel_ = other.kernel_;
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

Status File::open(Kernel& kernel, std::string path, int flags, File* file) {
  // A name with a NUL inside would open another file than the one that was meant.
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Status::failure(Code::kInvalidArgument, "open", std::move(path));
  }
  const int fd = uninterrupted([&] { return kernel.open(path.c_str(), flags, 0644); });
  if (fd < 0) return Status::from_errno(-fd, "open", std::move(path));
  (void)file->close();
  file->kernel_ = &kernel;
  file->fd_ = fd;
  file->path_ = std::move(path);
  return Status::success();
}

Status File::read_at(uint64_t position, void* to, size_t length, size_t* got) const {
  *got = 0;
  if (fd_ < 0) return Status::failure(Code::kClosed, "pread", path_, position);
  uint8_t* bytes = static_cast<uint8_t*>(to);
  while (*got < length) {
    const int64_t result =
        uninterrupted([&] { return kernel_->pread(fd_, bytes + *got, length - *got, position + *got); });
    if (result < 0) return Status::from_errno(static_cast<int>(-result), "pread", path_, position + *got);
    if (result == 0) break;
    *got += static_cast<size_t>(result);
  }
  return Status::success();
}

Status File::write_at(uint64_t position, const void* from, size_t length) const {
  if (fd_ < 0) return Status::failure(Code::kClosed, "pwrite", path_, position);
  const uint8_t* bytes = static_cast<const uint8_t*>(from);
  size_t written = 0;
  while (written < length) {
    const int64_t result =
        uninterrupted([&] { return kernel_->pwrite(fd_, bytes + written, length - written, position + written); });
    if (result < 0) return Status::from_errno(static_cast<int>(-result), "pwrite", path_, position + written);
    if (result == 0) return Status::from_errno(EIO, "pwrite", path_, position + written);  // no progress: would loop
    written += static_cast<size_t>(result);
  }
  return Status::success();
}

namespace {

// Some file systems find out only here that there is no space, and then what was written before may be lost: a failed
// flush like any other, and not kNoSpace, which says that trying again is harmless.
Status flush_failure(int error_number, const char* call, const std::string& path) {
  Status status = Status::from_errno(error_number, call, path);
  if (status.code == Code::kNoSpace) status.code = Code::kIo;
  return status;
}

}  // namespace

Status File::sync() const {
  if (fd_ < 0) return Status::failure(Code::kClosed, "fdatasync", path_);
  const int result = uninterrupted([&] { return kernel_->fdatasync(fd_); });
  return result < 0 ? flush_failure(-result, "fdatasync", path_) : Status::success();
}

Status File::sync_all() const {
  if (fd_ < 0) return Status::failure(Code::kClosed, "fsync", path_);
  const int result = uninterrupted([&] { return kernel_->fsync(fd_); });
  return result < 0 ? flush_failure(-result, "fsync", path_) : Status::success();
}

Status File::allocate(uint64_t position, uint64_t length) const {
  if (fd_ < 0) return Status::failure(Code::kClosed, "allocate", path_, position);
  const int result = uninterrupted([&] { return kernel_->allocate(fd_, position, length); });
  return result < 0 ? Status::from_errno(-result, "allocate", path_, position) : Status::success();
}

Status File::truncate(uint64_t size) const {
  if (fd_ < 0) return Status::failure(Code::kClosed, "ftruncate", path_, size);
  const int result = uninterrupted([&] { return kernel_->ftruncate(fd_, size); });
  return result < 0 ? Status::from_errno(-result, "ftruncate", path_, size) : Status::success();
}

Status File::size(uint64_t* size) const {
  FileFacts found;
  VARVE_RETURN_IF_FAILED(facts(&found));
  *size = found.size;
  return Status::success();
}

Status File::facts(FileFacts* facts) const {
  if (fd_ < 0) return Status::failure(Code::kClosed, "fstat", path_);
  const int result = kernel_->fstat(fd_, facts);
  return result < 0 ? Status::from_errno(-result, "fstat", path_) : Status::success();
}

Status File::drop_cache(uint64_t position, uint64_t length) const {
  if (fd_ < 0) return Status::failure(Code::kClosed, "drop_cache", path_, position);
  const int result = kernel_->drop_cache(fd_, position, length);
  return result < 0 ? Status::from_errno(-result, "drop_cache", path_, position) : Status::success();
}

Status File::close() {
  if (fd_ < 0) return Status::success();
  const int result = kernel_->close(std::exchange(fd_, -1));
  // Never retried: on Linux the descriptor is gone even after EINTR, and its number may be somebody else's by now.
  return result < 0 && result != -EINTR ? Status::from_errno(-result, "close", path_) : Status::success();
}

}  // namespace varve
