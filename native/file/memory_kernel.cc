#include "file/memory_kernel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace varve {

namespace {

// Far from any real descriptor, so that one that strays into a system call fails there.
constexpr int kFirstDescriptor = 1 << 20;
constexpr size_t kMaxOpenFiles = 1 << 16;
constexpr size_t kMaxNameBytes = 255;
// The memory file ends at 2^62: a file offset has 63 bits.
constexpr InodeNumber kMaxInodes = (uint64_t{1} << 62) / MemoryKernel::kMaxFileBytes;
// Told apart from a real device by nobody but fstat.
constexpr uint64_t kDevice = 0x7661727665;

constexpr uint64_t pages_of(uint64_t bytes) { return (bytes + kDiskPageBytes - 1) / kDiskPageBytes; }

off_t slot(InodeNumber inode, uint64_t position) {
  return static_cast<off_t>(inode * MemoryKernel::kMaxFileBytes + position);
}

int make_memory_file() {
#if defined(__linux__)
  const int fd = ::memfd_create("varve-disk", MFD_CLOEXEC);
#else
  char name[] = "/tmp/varve-disk-XXXXXX";
  const int fd = ::mkstemp(name);
  if (fd >= 0) ::unlink(name);
#endif
  check(fd >= 0, "no memory file for a simulated disk");
  check(::ftruncate(fd, slot(kMaxInodes, 0)) == 0, "no room for a simulated disk");
  return fd;
}

// Makes a range of the memory file zero and gives its memory back.
void zero_memory(int fd, off_t start, off_t length) {
#if defined(__linux__)
  const int result = ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, length);
  check(result == 0, "a hole in a simulated disk's memory");
#else
  const std::vector<uint8_t> zeros(64 * 1024);
  for (off_t done = 0; done < length;) {
    const ssize_t written =
        ::pwrite(fd, zeros.data(), static_cast<size_t>(std::min<off_t>(length - done, zeros.size())), start + done);
    check(written > 0, "zeros in a simulated disk's memory");
    done += written;
  }
#endif
}

// The parts of a path: "." dropped, ".." undoing the part before it (there are no symbolic links here).
int split(const char* path, std::vector<std::string>* parts) {
  std::string part;
  for (const char* at = path;; ++at) {
    if (*at != '/' && *at != '\0') {
      part.push_back(*at);
      continue;
    }
    if (part.size() > kMaxNameBytes) return -ENAMETOOLONG;
    if (part == "..") {
      if (!parts->empty()) parts->pop_back();
    } else if (!part.empty() && part != ".") {
      parts->push_back(part);
    }
    part.clear();
    if (*at == '\0') return 0;
  }
}

// Whether `inner` lies below `outer`.
bool leads_into(const char* outer, const char* inner) {
  std::vector<std::string> outer_parts;
  std::vector<std::string> inner_parts;
  (void)split(outer, &outer_parts);
  (void)split(inner, &inner_parts);
  return inner_parts.size() > outer_parts.size() &&
         std::equal(outer_parts.begin(), outer_parts.end(), inner_parts.begin());
}

const char* kind_name(OperationKind kind) {
  switch (kind) {
    case OperationKind::kWrite:
      return "write";
    case OperationKind::kResize:
      return "resize";
    case OperationKind::kAllocate:
      return "allocate";
    case OperationKind::kCreateFile:
      return "create";
    case OperationKind::kCreateFolder:
      return "mkdir";
    case OperationKind::kRename:
      return "rename";
    case OperationKind::kLink:
      return "link";
    case OperationKind::kRemove:
      return "remove";
    case OperationKind::kSyncFile:
      return "sync";
    case OperationKind::kSyncRange:
      return "msync";
    case OperationKind::kSyncFolder:
      return "sync folder";
    case OperationKind::kSyncFailed:
      return "failed sync";
  }
  return "?";
}

}  // namespace

MemoryKernel::MemoryKernel() : MemoryKernel(DiskState{}) {}

MemoryKernel::MemoryKernel(DiskState start) : memory_fd_(make_memory_file()), start_(std::move(start)) {
  next_inode_ = start_.next_inode;
  for (const auto& [number, entries] : start_.folders) {
    Inode& inode = inodes_[number];
    inode.folder = true;
    inode.entries = entries;
  }
  for (const auto& [number, file] : start_.files) {
    Inode& inode = inodes_[number];
    inode.size = file.size;
    inode.asleep = file.bytes;
    inode.allocated = file.allocated;
    if (file.bytes != nullptr && inode.allocated.size() < pages_of(file.bytes->size())) {
      inode.allocated.resize(pages_of(file.bytes->size()), true);
    }
    used_pages_ += static_cast<uint64_t>(std::count(inode.allocated.begin(), inode.allocated.end(), true));
  }
  inodes_[kRootInode].links = 1;
  for (const auto& [number, entries] : start_.folders) {
    for (const auto& [name, target] : entries) ++inodes_[target].links;
  }
}

MemoryKernel::~MemoryKernel() {
  for (const auto& [address, map] : maps_) ::munmap(reinterpret_cast<void*>(address), map.length);
  ::close(memory_fd_);
}

// ---- The simulation

size_t MemoryKernel::operations() const {
  std::lock_guard<std::mutex> hold(mutex_);
  return log_.operations.size();
}

std::unique_ptr<MemoryKernel> MemoryKernel::crash(size_t at, CrashMode mode, uint64_t seed) const {
  std::lock_guard<std::mutex> hold(mutex_);
  auto after = std::make_unique<MemoryKernel>(crash_state(start_, log_, at, mode, seed));
  after->capacity_pages_ = capacity_pages_;
  after->now_ms_ = now_ms_;
  return after;
}

std::string MemoryKernel::describe(size_t operation) const {
  std::lock_guard<std::mutex> hold(mutex_);
  if (operation >= log_.operations.size()) return "the end";
  const Operation& it = log_.operations[operation];
  std::string text = kind_name(it.kind);
  text += " inode " + std::to_string(it.inode);
  if (it.length != 0) text += " " + std::to_string(it.position) + "+" + std::to_string(it.length);
  if (it.kind == OperationKind::kResize) text += " to " + std::to_string(it.size_after);
  for (const EntryChange& entry : it.entries) {
    text += entry.inode == kNoInode ? " -" : " +";
    text += std::to_string(entry.folder) + "/" + entry.name;
  }
  return text;
}

void MemoryKernel::forget() {
  std::lock_guard<std::mutex> hold(mutex_);
  start_ = current_state();
  log_ = OperationLog{};
}

void MemoryKernel::set_capacity_bytes(uint64_t bytes) {
  std::lock_guard<std::mutex> hold(mutex_);
  capacity_pages_ = bytes / kDiskPageBytes;
}

uint64_t MemoryKernel::used_bytes() const {
  std::lock_guard<std::mutex> hold(mutex_);
  return used_pages_ * kDiskPageBytes;
}

void MemoryKernel::set_now_ms(int64_t now_ms) {
  std::lock_guard<std::mutex> hold(mutex_);
  now_ms_ = now_ms;
}

void MemoryKernel::fail_sync(int fd) {
  std::lock_guard<std::mutex> hold(mutex_);
  InodeNumber inode;
  if (open_file_of(fd, &inode) == 0 && !inodes_[inode].folder) record({OperationKind::kSyncFailed, inode});
}

void MemoryKernel::fail_sync(const void* address) {
  std::lock_guard<std::mutex> hold(mutex_);
  uint64_t position;
  const Map* map = map_of(address, 0, &position);
  if (map != nullptr && map->shared) record({OperationKind::kSyncFailed, map->inode});
}

DiskState MemoryKernel::current_state() {
  DiskState state;
  state.folders.clear();
  state.next_inode = next_inode_;
  for (const auto& [number, inode] : inodes_) {
    if (inode.links == 0) continue;  // only open, or only mapped: no power cut leaves it
    if (inode.folder) {
      state.folders[number] = inode.entries;
      continue;
    }
    DiskFile& file = state.files[number];
    file.size = inode.size;
    file.allocated = inode.allocated;
    file.bytes = inode.asleep;
    if (inode.asleep != nullptr || inode.allocated.empty()) continue;
    std::vector<uint8_t> bytes(std::min<uint64_t>(inode.size, inode.allocated.size() * kDiskPageBytes));
    const ssize_t got = ::pread(memory_fd_, bytes.data(), bytes.size(), slot(number, 0));
    check(got == static_cast<ssize_t>(bytes.size()), "a simulated file is read back whole");
    file.bytes = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
  }
  return state;
}

// ---- Parts, all under mutex_

int MemoryKernel::find(const char* path, Place* place) const {
  std::vector<std::string> parts;
  const int result = split(path, &parts);
  if (result < 0) return result;
  *place = Place{kNoInode, "", kRootInode};
  for (const std::string& part : parts) {
    if (place->inode == kNoInode) return -ENOENT;
    const Inode& folder = inodes_.at(place->inode);
    if (!folder.folder) return -ENOTDIR;
    const auto found = folder.entries.find(part);
    *place = Place{place->inode, part, found == folder.entries.end() ? kNoInode : found->second};
  }
  return 0;
}

MemoryKernel::OpenFile* MemoryKernel::open_file(int fd) {
  const size_t index = static_cast<size_t>(fd - kFirstDescriptor);
  if (fd < kFirstDescriptor || index >= open_files_.size() || open_files_[index].inode == kNoInode) return nullptr;
  return &open_files_[index];
}

int MemoryKernel::open_file_of(int fd, InodeNumber* inode) {
  const OpenFile* file = open_file(fd);
  if (file == nullptr) return -EBADF;
  *inode = file->inode;
  return 0;
}

// The map that covers [address, address + length), and where in its file that is.
const MemoryKernel::Map* MemoryKernel::map_of(const void* address, size_t length, uint64_t* position) const {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  auto found = maps_.upper_bound(at);
  if (found == maps_.begin()) return nullptr;
  --found;
  const uintptr_t offset = at - found->first;
  if (offset > found->second.length || length > found->second.length - offset) return nullptr;
  *position = found->second.position + offset;
  return &found->second;
}

bool MemoryKernel::may_record(size_t bytes) const {
  const uint64_t used = log_.bytes.size() + log_.operations.size() * sizeof(Operation);
  return used + bytes + sizeof(Operation) <= kMaxRecordedBytes;
}

void MemoryKernel::record(Operation operation) { log_.operations.push_back(std::move(operation)); }

void MemoryKernel::record_write(InodeNumber inode, const void* from, size_t length, uint64_t position) {
  Operation operation{OperationKind::kWrite, inode, position, length, inodes_[inode].size, log_.bytes.size()};
  const uint8_t* bytes = static_cast<const uint8_t*>(from);
  log_.bytes.insert(log_.bytes.end(), bytes, bytes + length);
  record(std::move(operation));
}

InodeNumber MemoryKernel::make_inode(bool folder) {
  check(next_inode_ < kMaxInodes, "a simulated disk ran out of inodes");
  const InodeNumber number = next_inode_++;
  Inode& inode = inodes_[number];
  inode.folder = folder;
  inode.links = 1;
  inode.modified_ms = now_ms_;
  return number;
}

// Puts the contents into the memory file, where descriptors and maps find them.
void MemoryKernel::wake(InodeNumber number) {
  Inode& inode = inodes_[number];
  if (inode.asleep == nullptr) return;
  const std::vector<uint8_t>& bytes = *inode.asleep;
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = ::pwrite(memory_fd_, bytes.data() + at, bytes.size() - at, slot(number, at));
    check(written > 0, "a simulated file finds memory");
    at += static_cast<size_t>(written);
  }
  inode.asleep.reset();
}

// Drops an inode that nothing leads to any more.
void MemoryKernel::release(InodeNumber number) {
  Inode& inode = inodes_[number];
  if (inode.links != 0 || inode.opens != 0 || inode.maps != 0) return;
  if (!inode.folder && !inode.allocated.empty()) {
    zero_memory(memory_fd_, slot(number, 0), static_cast<off_t>(inode.allocated.size() * kDiskPageBytes));
    free_pages_from(&inode, 0);
  }
  inodes_.erase(number);
}

void MemoryKernel::resize(InodeNumber number, uint64_t size) {
  Inode& inode = inodes_[number];
  if (size < inode.size) {
    const uint64_t had = inode.allocated.size() * kDiskPageBytes;
    if (had > size) zero_memory(memory_fd_, slot(number, size), static_cast<off_t>(had - size));
    free_pages_from(&inode, pages_of(size));
  }
  inode.size = size;
  inode.modified_ms = now_ms_;
}

// Gives blocks to the pages of the range in order, as far as the disk has any. Answers how many bytes of the range
// have blocks then.
uint64_t MemoryKernel::allocate_pages(Inode* inode, uint64_t position, uint64_t length) {
  const uint64_t end = pages_of(position + length);
  if (inode->allocated.size() < end) inode->allocated.resize(end);
  for (uint64_t page = position / kDiskPageBytes; page < end; ++page) {
    if (inode->allocated[page]) continue;
    if (used_pages_ >= capacity_pages_) {
      const uint64_t until = page * kDiskPageBytes;
      return until <= position ? 0 : until - position;
    }
    inode->allocated[page] = true;
    ++used_pages_;
  }
  return length;
}

void MemoryKernel::free_pages_from(Inode* inode, uint64_t first_page) {
  for (uint64_t page = first_page; page < inode->allocated.size(); ++page)
    used_pages_ -= inode->allocated[page] ? 1 : 0;
  if (inode->allocated.size() > first_page) inode->allocated.resize(first_page);
}

// ---- Files

int MemoryKernel::open(const char* path, int flags, int) {
  std::lock_guard<std::mutex> hold(mutex_);
  const int access = flags & O_ACCMODE;
  if ((flags & O_APPEND) != 0) return -EINVAL;  // nobody needs it, and pwrite means something else with it
  Place place;
  const int result = find(path, &place);
  if (result < 0) return result;
  if (place.inode != kNoInode) {
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return -EEXIST;
    if (inodes_[place.inode].folder && access != O_RDONLY) return -EISDIR;
    if (!inodes_[place.inode].folder && (flags & O_DIRECTORY) != 0) return -ENOTDIR;
  } else if ((flags & O_CREAT) == 0) {
    return -ENOENT;
  }
  if (!may_record(0)) return -ENOSPC;

  size_t index = 0;
  while (index < open_files_.size() && open_files_[index].inode != kNoInode) ++index;
  if (index >= kMaxOpenFiles) return -EMFILE;
  if (index == open_files_.size()) open_files_.emplace_back();

  if (place.inode == kNoInode) {
    place.inode = make_inode(false);
    inodes_[place.folder].entries[place.name] = place.inode;
    record({OperationKind::kCreateFile, place.inode, 0, 0, 0, 0, {{place.folder, place.name, place.inode}}});
  }
  Inode& inode = inodes_[place.inode];
  wake(place.inode);
  if ((flags & O_TRUNC) != 0 && access != O_RDONLY && inode.size != 0) {
    resize(place.inode, 0);
    record({OperationKind::kResize, place.inode});
  }
  ++inode.opens;
  open_files_[index] = {place.inode, access != O_WRONLY, access != O_RDONLY};
  return kFirstDescriptor + static_cast<int>(index);
}

int MemoryKernel::close(int fd) {
  std::lock_guard<std::mutex> hold(mutex_);
  OpenFile* file = open_file(fd);
  if (file == nullptr) return -EBADF;
  const InodeNumber number = std::exchange(file->inode, kNoInode);
  Inode& inode = inodes_[number];
  --inode.opens;
  if (inode.lock_holder == fd) inode.lock_holder = -1;
  release(number);
  return 0;
}

int64_t MemoryKernel::pread(int fd, void* to, size_t length, uint64_t position) {
  std::lock_guard<std::mutex> hold(mutex_);
  const OpenFile* file = open_file(fd);
  if (file == nullptr || !file->readable) return -EBADF;
  const Inode& inode = inodes_[file->inode];
  if (inode.folder) return -EISDIR;
  if (position >= inode.size) return 0;
  const ssize_t got =
      ::pread(memory_fd_, to, std::min<uint64_t>(length, inode.size - position), slot(file->inode, position));
  return got < 0 ? -errno : got;
}

int64_t MemoryKernel::pwrite(int fd, const void* from, size_t length, uint64_t position) {
  std::lock_guard<std::mutex> hold(mutex_);
  const OpenFile* file = open_file(fd);
  if (file == nullptr || !file->writable) return -EBADF;
  if (length == 0) return 0;
  if (position >= kMaxFileBytes || length > kMaxFileBytes - position) return -EFBIG;
  if (!may_record(length)) return -ENOSPC;
  Inode& inode = inodes_[file->inode];
  const uint64_t fits = allocate_pages(&inode, position, length);
  if (fits == 0) return -ENOSPC;
  const ssize_t written = ::pwrite(memory_fd_, from, fits, slot(file->inode, position));
  if (written < 0) return -errno;
  inode.size = std::max(inode.size, position + static_cast<uint64_t>(written));
  inode.modified_ms = now_ms_;
  record_write(file->inode, from, static_cast<size_t>(written), position);
  return written;
}

int MemoryKernel::ftruncate(int fd, uint64_t size) {
  std::lock_guard<std::mutex> hold(mutex_);
  const OpenFile* file = open_file(fd);
  if (file == nullptr) return -EBADF;
  if (!file->writable) return -EINVAL;
  if (size > kMaxFileBytes) return -EFBIG;
  if (!may_record(0)) return -ENOSPC;
  resize(file->inode, size);
  record({OperationKind::kResize, file->inode, 0, 0, size});
  return 0;
}

int MemoryKernel::allocate(int fd, uint64_t position, uint64_t length) {
  std::lock_guard<std::mutex> hold(mutex_);
  const OpenFile* file = open_file(fd);
  if (file == nullptr || !file->writable) return -EBADF;
  if (length == 0) return -EINVAL;
  if (position >= kMaxFileBytes || length > kMaxFileBytes - position) return -EFBIG;
  if (!may_record(0)) return -ENOSPC;
  Inode& inode = inodes_[file->inode];
  const uint64_t fits = allocate_pages(&inode, position, length);
  if (fits < length) return -ENOSPC;  // blocks it got before stay, as on a real one
  inode.size = std::max(inode.size, position + length);
  record({OperationKind::kAllocate, file->inode, position, length, inode.size});
  return 0;
}

int MemoryKernel::fdatasync(int fd) { return fsync(fd); }

int MemoryKernel::fsync(int fd) {
  std::lock_guard<std::mutex> hold(mutex_);
  InodeNumber inode;
  const int result = open_file_of(fd, &inode);
  if (result < 0) return result;
  if (!may_record(0)) return -ENOSPC;
  record({inodes_[inode].folder ? OperationKind::kSyncFolder : OperationKind::kSyncFile, inode});
  return 0;
}

int MemoryKernel::fstat(int fd, FileFacts* facts) {
  std::lock_guard<std::mutex> hold(mutex_);
  InodeNumber number;
  const int result = open_file_of(fd, &number);
  if (result < 0) return result;
  const Inode& inode = inodes_[number];
  const auto pages = std::count(inode.allocated.begin(), inode.allocated.end(), true);
  *facts = {inode.size,        kDevice,     number, static_cast<uint64_t>(pages) * kDiskPageBytes,
            inode.modified_ms, inode.folder};
  return 0;
}

int MemoryKernel::stat(const char* path, FileFacts* facts) {
  std::lock_guard<std::mutex> hold(mutex_);
  Place place;
  const int result = find(path, &place);
  if (result < 0) return result;
  if (place.inode == kNoInode) return -ENOENT;
  const Inode& inode = inodes_[place.inode];
  const auto pages = std::count(inode.allocated.begin(), inode.allocated.end(), true);
  *facts = {inode.size,        kDevice,     place.inode, static_cast<uint64_t>(pages) * kDiskPageBytes,
            inode.modified_ms, inode.folder};
  return 0;
}

int MemoryKernel::lock(int fd) {
  std::lock_guard<std::mutex> hold(mutex_);
  const OpenFile* file = open_file(fd);
  if (file == nullptr || !file->writable) return -EBADF;
  Inode& inode = inodes_[file->inode];
  if (inode.lock_holder != -1 && inode.lock_holder != fd) return -EAGAIN;
  inode.lock_holder = fd;
  return 0;
}

int MemoryKernel::unlock(int fd) {
  std::lock_guard<std::mutex> hold(mutex_);
  InodeNumber inode;
  const int result = open_file_of(fd, &inode);
  if (result < 0) return result;
  if (inodes_[inode].lock_holder == fd) inodes_[inode].lock_holder = -1;
  return 0;
}

int MemoryKernel::locked(int fd) {
  std::lock_guard<std::mutex> hold(mutex_);
  InodeNumber inode;
  const int result = open_file_of(fd, &inode);
  if (result < 0) return result;
  const int holder = inodes_[inode].lock_holder;
  return holder != -1 && holder != fd ? 1 : 0;
}

// ---- Names

int MemoryKernel::rename(const char* from, const char* to) {
  std::lock_guard<std::mutex> hold(mutex_);
  Place source;
  Place target;
  int result = find(from, &source);
  if (result == 0) result = find(to, &target);
  if (result < 0) return result;
  if (source.inode == kNoInode) return -ENOENT;
  if (source.folder == kNoInode || target.folder == kNoInode) return -EBUSY;  // the root
  if (source.inode == target.inode) return 0;
  if (leads_into(from, to)) return -EINVAL;     // a folder into itself
  if (leads_into(to, from)) return -ENOTEMPTY;  // over a folder on its own way
  if (target.inode != kNoInode) {
    const bool folder = inodes_[source.inode].folder;
    const Inode& replaced = inodes_[target.inode];
    if (folder && !replaced.folder) return -ENOTDIR;
    if (!folder && replaced.folder) return -EISDIR;
    if (!replaced.entries.empty()) return -ENOTEMPTY;
  }
  if (!may_record(0)) return -ENOSPC;
  inodes_[source.folder].entries.erase(source.name);
  inodes_[target.folder].entries[target.name] = source.inode;
  record({OperationKind::kRename,
          source.inode,
          0,
          0,
          0,
          0,
          {{source.folder, source.name, kNoInode}, {target.folder, target.name, source.inode}}});
  if (target.inode != kNoInode) {
    --inodes_[target.inode].links;
    release(target.inode);
  }
  return 0;
}

int MemoryKernel::unlink(const char* path) {
  std::lock_guard<std::mutex> hold(mutex_);
  Place place;
  const int result = find(path, &place);
  if (result < 0) return result;
  if (place.inode == kNoInode) return -ENOENT;
  if (inodes_[place.inode].folder) return -EISDIR;
  if (!may_record(0)) return -ENOSPC;
  inodes_[place.folder].entries.erase(place.name);
  record({OperationKind::kRemove, place.inode, 0, 0, 0, 0, {{place.folder, place.name, kNoInode}}});
  --inodes_[place.inode].links;
  release(place.inode);
  return 0;
}

int MemoryKernel::link(const char* from, const char* to) {
  std::lock_guard<std::mutex> hold(mutex_);
  Place source;
  Place target;
  int result = find(from, &source);
  if (result < 0) return result;
  if (source.inode == kNoInode) return -ENOENT;
  result = find(to, &target);
  if (result < 0) return result;
  if (target.inode != kNoInode) return -EEXIST;
  if (inodes_[source.inode].folder) return -EPERM;
  if (!may_record(0)) return -ENOSPC;
  inodes_[target.folder].entries[target.name] = source.inode;
  ++inodes_[source.inode].links;
  record({OperationKind::kLink, source.inode, 0, 0, 0, 0, {{target.folder, target.name, source.inode}}});
  return 0;
}

int MemoryKernel::mkdir(const char* path, int) {
  std::lock_guard<std::mutex> hold(mutex_);
  Place place;
  const int result = find(path, &place);
  if (result < 0) return result;
  if (place.inode != kNoInode) return -EEXIST;
  if (!may_record(0)) return -ENOSPC;
  const InodeNumber inode = make_inode(true);
  inodes_[place.folder].entries[place.name] = inode;
  record({OperationKind::kCreateFolder, inode, 0, 0, 0, 0, {{place.folder, place.name, inode}}});
  return 0;
}

int MemoryKernel::rmdir(const char* path) {
  std::lock_guard<std::mutex> hold(mutex_);
  Place place;
  const int result = find(path, &place);
  if (result < 0) return result;
  if (place.inode == kNoInode) return -ENOENT;
  if (place.inode == kRootInode) return -EBUSY;
  const Inode& inode = inodes_[place.inode];
  if (!inode.folder) return -ENOTDIR;
  if (!inode.entries.empty()) return -ENOTEMPTY;
  if (!may_record(0)) return -ENOSPC;
  inodes_[place.folder].entries.erase(place.name);
  record({OperationKind::kRemove, place.inode, 0, 0, 0, 0, {{place.folder, place.name, kNoInode}}});
  --inodes_[place.inode].links;
  release(place.inode);
  return 0;
}

int MemoryKernel::list(const char* path, std::vector<FolderEntry>* entries) {
  std::lock_guard<std::mutex> hold(mutex_);
  entries->clear();
  Place place;
  const int result = find(path, &place);
  if (result < 0) return result;
  if (place.inode == kNoInode) return -ENOENT;
  const Inode& folder = inodes_[place.inode];
  if (!folder.folder) return -ENOTDIR;
  for (const auto& [name, inode] : folder.entries) entries->push_back({name, inodes_[inode].folder});
  return 0;
}

int MemoryKernel::file_system(const char* path, std::string* name) {
  FileFacts facts;
  const int result = stat(path, &facts);
  if (result == 0) *name = "memory";
  return result;
}

uint64_t MemoryKernel::free_bytes(const char*) {
  std::lock_guard<std::mutex> hold(mutex_);
  return used_pages_ >= capacity_pages_ ? 0 : (capacity_pages_ - used_pages_) * kDiskPageBytes;
}

// ---- Maps

int MemoryKernel::map(int fd, uint64_t position, size_t length, bool writable, bool shared, void** address) {
  std::lock_guard<std::mutex> hold(mutex_);
  const OpenFile* file = open_file(fd);
  if (file == nullptr) return -EBADF;
  if (!file->readable || (writable && shared && !file->writable)) return -EACCES;
  if (inodes_[file->inode].folder) return -ENODEV;
  if (length == 0 || position >= kMaxFileBytes || length > kMaxFileBytes - position) return -EINVAL;
  void* mapped = ::mmap(nullptr, length, PROT_READ | (writable ? PROT_WRITE : 0), shared ? MAP_SHARED : MAP_PRIVATE,
                        memory_fd_, slot(file->inode, position));
  if (mapped == MAP_FAILED) return -errno;
  ++inodes_[file->inode].maps;
  maps_[reinterpret_cast<uintptr_t>(mapped)] = {file->inode, position, length, writable, shared};
  *address = mapped;
  return 0;
}

int MemoryKernel::unmap(void* address, size_t length) {
  std::lock_guard<std::mutex> hold(mutex_);
  const auto found = maps_.find(reinterpret_cast<uintptr_t>(address));
  if (found == maps_.end() || found->second.length != length) return -EINVAL;
  const InodeNumber number = found->second.inode;
  maps_.erase(found);
  ::munmap(address, length);
  --inodes_[number].maps;
  release(number);
  return 0;
}

int MemoryKernel::advise(void* address, size_t length, Advice advice) {
  std::lock_guard<std::mutex> hold(mutex_);
  uint64_t position;
  const Map* map = map_of(address, length, &position);
  if (map == nullptr) return -ENOMEM;
  if (advice != Advice::kPopulateRead && advice != Advice::kPopulateWrite) return 0;
  Inode& inode = inodes_[map->inode];
  // Whole pages: the rest of the file's last page may be touched, the page after it not.
  if (position + length > pages_of(inode.size) * kDiskPageBytes) return -EFAULT;
  if (advice == Advice::kPopulateRead) return 0;
  if (!map->writable) return -EINVAL;
  if (map->shared && allocate_pages(&inode, position, length) < length) return -EFAULT;
  return 0;
}

int MemoryKernel::msync(void* address, size_t length) {
  std::lock_guard<std::mutex> hold(mutex_);
  uint64_t position;
  const Map* map = map_of(address, length, &position);
  if (map == nullptr) return -ENOMEM;
  if (!map->shared) return 0;
  if (!may_record(0)) return -ENOSPC;
  record({OperationKind::kSyncRange, map->inode, position, length});
  return 0;
}

int MemoryKernel::drop_cache(int fd, uint64_t, uint64_t) {
  std::lock_guard<std::mutex> hold(mutex_);
  return open_file(fd) == nullptr ? -EBADF : 0;
}

int MemoryKernel::store(void* to, const void* from, size_t length) {
  std::lock_guard<std::mutex> hold(mutex_);
  return store_locked(to, from, length);
}

int MemoryKernel::store_locked(void* to, const void* from, size_t length) {
  uint64_t position;
  const Map* map = map_of(to, length, &position);
  if (map == nullptr || !map->writable) return -EFAULT;
  Inode& inode = inodes_[map->inode];
  if (position + length > inode.size) return -EFAULT;
  if (map->shared) {
    if (!may_record(length) || allocate_pages(&inode, position, length) < length) return -EFAULT;
    record_write(map->inode, from, length, position);
  }
  std::memcpy(to, from, length);
  return 0;
}

int MemoryKernel::load(void* to, const void* from, size_t length) {
  std::lock_guard<std::mutex> hold(mutex_);
  uint64_t position;
  const Map* map = map_of(from, length, &position);
  if (map == nullptr || position + length > inodes_[map->inode].size) return -EFAULT;
  std::memcpy(to, from, length);
  return 0;
}

int MemoryKernel::store_release(void* to, uint32_t value) {
  std::lock_guard<std::mutex> hold(mutex_);
  return store_locked(to, &value, sizeof value);
}

}  // namespace varve
