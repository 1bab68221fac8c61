#include "file/faulty_kernel.h"

#include <cerrno>
#include <string>

#include "file/memory_kernel.h"

namespace varve {

namespace {

constexpr const char* kCallNames[] = {
    "open",  "close",  "pread", "pwrite",     "ftruncate", "allocate",    "fdatasync",
    "fsync", "fstat",  "stat",  "rename",     "unlink",    "link",        "mkdir",
    "rmdir", "list",   "lock",  "unlock",     "locked",    "file_system", "map",
    "unmap", "advise", "msync", "drop_cache", "store",     "load",        "store_release",
};
static_assert(sizeof kCallNames / sizeof kCallNames[0] == static_cast<size_t>(Call::kCount));
static_assert(static_cast<unsigned>(Call::kCount) <= 32, "a CallSet has 32 bits");

constexpr CallSet bit(Call call) { return CallSet{1} << static_cast<unsigned>(call); }

constexpr CallSet kInterruptible = bit(Call::kOpen) | bit(Call::kPread) | bit(Call::kPwrite) | bit(Call::kFtruncate) |
                                   bit(Call::kAllocate) | bit(Call::kFdatasync) | bit(Call::kFsync) | bit(Call::kLock);
constexpr CallSet kTransfers = bit(Call::kPread) | bit(Call::kPwrite);

struct ErrorName {
  const char* name;
  int number;
};

constexpr ErrorName kErrorNames[] = {
    {"EIO", EIO},         {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},       {"EACCES", EACCES}, {"EPERM", EPERM},
    {"EROFS", EROFS},     {"ENOENT", ENOENT}, {"EEXIST", EEXIST},       {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
    {"ENOMEM", ENOMEM},   {"EFAULT", EFAULT}, {"EAGAIN", EAGAIN},       {"EBUSY", EBUSY},   {"EFBIG", EFBIG},
    {"ENOTDIR", ENOTDIR}, {"EINVAL", EINVAL}, {"ENOTEMPTY", ENOTEMPTY}, {"ESTALE", ESTALE}, {"EOPNOTSUPP", EOPNOTSUPP},
};

// What a guarded copy answers to any injected error.
int as_bus_error(int result) { return result < 0 ? -EFAULT : result; }

}  // namespace

const char* call_name(Call call) { return kCallNames[static_cast<size_t>(call)]; }

bool parse_calls(std::string_view names, CallSet* calls) {
  if (names.empty()) {
    *calls = kAllCalls;
    return true;
  }
  CallSet found = 0;
  while (!names.empty()) {
    const size_t comma = names.find(',');
    const std::string_view name = names.substr(0, comma);
    names = comma == std::string_view::npos ? std::string_view{} : names.substr(comma + 1);
    bool known = false;
    for (size_t i = 0; i < static_cast<size_t>(Call::kCount); ++i) {
      if (name != kCallNames[i]) continue;
      found |= bit(static_cast<Call>(i));
      known = true;
    }
    if (!known) return false;
  }
  *calls = found;
  return true;
}

bool parse_fault_kind(std::string_view name, Fault* fault) {
  if (name == "short") {
    fault->kind = FaultKind::kShort;
    return true;
  }
  if (name == "interrupt") {
    fault->kind = FaultKind::kInterrupt;
    return true;
  }
  for (const ErrorName& known : kErrorNames) {
    if (name != known.name) continue;
    fault->kind = FaultKind::kError;
    fault->error_number = known.number;
    return true;
  }
  return false;
}

FaultyKernel::FaultyKernel(MemoryKernel& disk) : under_(disk), disk_(&disk) {}

void FaultyKernel::arm(const Fault& fault) {
  std::lock_guard<std::mutex> hold(mutex_);
  fault_ = fault;
  calls_ = 0;
  injected_ = 0;
}

uint64_t FaultyKernel::calls() const {
  std::lock_guard<std::mutex> hold(mutex_);
  return calls_;
}

uint64_t FaultyKernel::injected() const {
  std::lock_guard<std::mutex> hold(mutex_);
  return injected_;
}

int FaultyKernel::verdict(Call call, size_t length) {
  std::lock_guard<std::mutex> hold(mutex_);
  CallSet counted = fault_.calls;
  if (fault_.kind == FaultKind::kInterrupt) counted &= kInterruptible;
  if (fault_.kind == FaultKind::kShort) counted &= length >= 2 ? kTransfers : 0;
  if ((counted & bit(call)) == 0) return 0;
  ++calls_;
  if (fault_.at == 0 || calls_ < fault_.at) return 0;
  if (calls_ > fault_.at) {
    if (!fault_.for_good) return 0;
    if (fault_.kind == FaultKind::kInterrupt && (calls_ - fault_.at) % 2 != 0) return 0;
  }
  ++injected_;
  switch (fault_.kind) {
    case FaultKind::kShort:
      return kMoveLess;
    case FaultKind::kInterrupt:
      return -EINTR;
    case FaultKind::kError:
      break;
  }
  return -fault_.error_number;
}

int FaultyKernel::open(const char* path, int flags, int mode) {
  const int fault = verdict(Call::kOpen);
  return fault < 0 ? fault : under_.open(path, flags, mode);
}

int FaultyKernel::close(int fd) {
  const int fault = verdict(Call::kClose);
  const int result = under_.close(fd);
  return fault < 0 ? fault : result;
}

int64_t FaultyKernel::pread(int fd, void* to, size_t length, uint64_t position) {
  const int fault = verdict(Call::kPread, length);
  return fault < 0 ? fault : under_.pread(fd, to, fault == kMoveLess ? length / 2 : length, position);
}

int64_t FaultyKernel::pwrite(int fd, const void* from, size_t length, uint64_t position) {
  const int fault = verdict(Call::kPwrite, length);
  return fault < 0 ? fault : under_.pwrite(fd, from, fault == kMoveLess ? length / 2 : length, position);
}

int FaultyKernel::ftruncate(int fd, uint64_t size) {
  const int fault = verdict(Call::kFtruncate);
  return fault < 0 ? fault : under_.ftruncate(fd, size);
}

int FaultyKernel::allocate(int fd, uint64_t position, uint64_t length) {
  const int fault = verdict(Call::kAllocate);
  return fault < 0 ? fault : under_.allocate(fd, position, length);
}

int FaultyKernel::fdatasync(int fd) {
  const int fault = verdict(Call::kFdatasync);
  if (fault < 0 && fault != -EINTR && disk_ != nullptr) disk_->fail_sync(fd);
  return fault < 0 ? fault : under_.fdatasync(fd);
}

int FaultyKernel::fsync(int fd) {
  const int fault = verdict(Call::kFsync);
  if (fault < 0 && fault != -EINTR && disk_ != nullptr) disk_->fail_sync(fd);
  return fault < 0 ? fault : under_.fsync(fd);
}

int FaultyKernel::fstat(int fd, FileFacts* facts) {
  const int fault = verdict(Call::kFstat);
  return fault < 0 ? fault : under_.fstat(fd, facts);
}

int FaultyKernel::stat(const char* path, FileFacts* facts) {
  const int fault = verdict(Call::kStat);
  return fault < 0 ? fault : under_.stat(path, facts);
}

int FaultyKernel::rename(const char* from, const char* to) {
  const int fault = verdict(Call::kRename);
  return fault < 0 ? fault : under_.rename(from, to);
}

int FaultyKernel::unlink(const char* path) {
  const int fault = verdict(Call::kUnlink);
  return fault < 0 ? fault : under_.unlink(path);
}

int FaultyKernel::link(const char* from, const char* to) {
  const int fault = verdict(Call::kLink);
  return fault < 0 ? fault : under_.link(from, to);
}

int FaultyKernel::mkdir(const char* path, int mode) {
  const int fault = verdict(Call::kMkdir);
  return fault < 0 ? fault : under_.mkdir(path, mode);
}

int FaultyKernel::rmdir(const char* path) {
  const int fault = verdict(Call::kRmdir);
  return fault < 0 ? fault : under_.rmdir(path);
}

int FaultyKernel::list(const char* path, std::vector<FolderEntry>* entries) {
  const int fault = verdict(Call::kList);
  return fault < 0 ? fault : under_.list(path, entries);
}

int FaultyKernel::lock(int fd) {
  const int fault = verdict(Call::kLock);
  return fault < 0 ? fault : under_.lock(fd);
}

int FaultyKernel::unlock(int fd) {
  const int fault = verdict(Call::kUnlock);
  return fault < 0 ? fault : under_.unlock(fd);
}

int FaultyKernel::locked(int fd) {
  const int fault = verdict(Call::kLocked);
  return fault < 0 ? fault : under_.locked(fd);
}

int FaultyKernel::file_system(const char* path, std::string* name) {
  const int fault = verdict(Call::kFileSystem);
  return fault < 0 ? fault : under_.file_system(path, name);
}

uint64_t FaultyKernel::free_bytes(const char* path) { return under_.free_bytes(path); }

int FaultyKernel::map(int fd, uint64_t position, size_t length, bool writable, bool shared, void** address) {
  const int fault = verdict(Call::kMap);
  return fault < 0 ? fault : under_.map(fd, position, length, writable, shared, address);
}

int FaultyKernel::unmap(void* address, size_t length) {
  const int fault = verdict(Call::kUnmap);
  const int result = under_.unmap(address, length);
  return fault < 0 ? fault : result;
}

int FaultyKernel::advise(void* address, size_t length, Advice advice) {
  const int fault = verdict(Call::kAdvise);
  return fault < 0 ? as_bus_error(fault) : under_.advise(address, length, advice);
}

int FaultyKernel::msync(void* address, size_t length) {
  const int fault = verdict(Call::kMsync);
  if (fault < 0 && disk_ != nullptr) disk_->fail_sync(address);
  return fault < 0 ? fault : under_.msync(address, length);
}

int FaultyKernel::drop_cache(int fd, uint64_t position, uint64_t length) {
  const int fault = verdict(Call::kDropCache);
  return fault < 0 ? fault : under_.drop_cache(fd, position, length);
}

int FaultyKernel::store(void* to, const void* from, size_t length) {
  const int fault = verdict(Call::kStore);
  return fault < 0 ? as_bus_error(fault) : under_.store(to, from, length);
}

int FaultyKernel::load(void* to, const void* from, size_t length) {
  const int fault = verdict(Call::kLoad);
  return fault < 0 ? as_bus_error(fault) : under_.load(to, from, length);
}

int FaultyKernel::store_release(void* to, uint32_t value) {
  const int fault = verdict(Call::kStoreRelease);
  return fault < 0 ? as_bus_error(fault) : under_.store_release(to, value);
}

}  // namespace varve
