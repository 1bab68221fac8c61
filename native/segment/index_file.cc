#include "segment/index_file.h"

#include <algorithm>
#include <utility>

#include "file/file.h"

namespace varve {

IndexFile::IndexFile(Kernel& kernel, std::string path, size_t entry_bytes, uint64_t max_bytes, bool fresh)
    : kernel_(kernel), path_(std::move(path)), entry_bytes_(entry_bytes), max_bytes_(max_bytes), rewrite_(fresh) {}

Status IndexFile::load() {
  File file;
  std::vector<uint8_t> bytes;
  bool rewrite = false;
  Status opened = File::open(kernel_, path_, O_RDONLY, &file);
  if (opened.ok()) {
    uint64_t size = 0;
    VARVE_RETURN_IF_FAILED(file.size(&size));
    const uint64_t wanted = std::min(size, max_bytes_);
    bytes.resize(static_cast<size_t>(wanted - wanted % entry_bytes_));
    size_t got = 0;
    VARVE_RETURN_IF_FAILED(file.read_at(0, bytes.data(), bytes.size(), &got));
    bytes.resize(got - got % entry_bytes_);
    rewrite = bytes.size() != size;
  } else if (opened.code != Code::kNotFound) {
    return opened;
  }
  std::lock_guard lock(mutex_);
  entries_ = std::move(bytes);
  count_.store(entries_.size() / entry_bytes_, std::memory_order_relaxed);
  written_bytes_ = entries_.size();
  rewrite_ = rewrite;
  return Status::success();
}

void IndexFile::cut(size_t count) {
  std::lock_guard lock(mutex_);
  const size_t bytes = count * entry_bytes_;
  if (bytes >= entries_.size()) return;
  entries_.resize(bytes);
  count_.store(count, std::memory_order_relaxed);
  if (written_bytes_ > bytes) {
    written_bytes_ = bytes;
    rewrite_ = true;
  }
}

void IndexFile::add(const uint8_t* entry) {
  std::lock_guard lock(mutex_);
  entries_.insert(entries_.end(), entry, entry + entry_bytes_);
  count_.store(entries_.size() / entry_bytes_, std::memory_order_relaxed);
}

Status IndexFile::write(bool always, bool* created) {
  std::vector<uint8_t> pending;
  size_t from = 0;
  bool rewrite = false;
  {
    std::lock_guard lock(mutex_);
    from = written_bytes_;
    pending.assign(entries_.begin() + static_cast<ptrdiff_t>(from), entries_.end());
    rewrite = rewrite_;
  }
  if (pending.empty() && !rewrite && !always) return Status::success();

  File file;
  Status opened = File::open(kernel_, path_, O_RDWR, &file);
  if (opened.code == Code::kNotFound) {
    if (pending.empty() && !always) return Status::success();
    opened = File::open(kernel_, path_, O_RDWR | O_CREAT, &file);
    *created = true;
  }
  VARVE_RETURN_IF_FAILED(opened);
  uint64_t size = 0;
  VARVE_RETURN_IF_FAILED(file.size(&size));
  const bool cut = size > from;
  if (cut) VARVE_RETURN_IF_FAILED(file.truncate(from));
  if (!pending.empty()) VARVE_RETURN_IF_FAILED(file.write_at(from, pending.data(), pending.size()));
  if (cut || !pending.empty() || *created) VARVE_RETURN_IF_FAILED(file.sync());

  std::lock_guard lock(mutex_);
  // Nothing but add() may have come in between, see the class comment.
  written_bytes_ = from + pending.size();
  rewrite_ = false;
  return Status::success();
}

}  // namespace varve
