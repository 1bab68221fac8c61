#include "file/file_lock.h"

#include <algorithm>
#include <cerrno>

namespace varve {

namespace {

// The file can only change under us while somebody, against the rule, removes or replaces it.
constexpr int kMaxAttempts = 8;

std::string read_note(const File& file) {
  char note[FileLock::kMaxNoteBytes];
  size_t got = 0;
  if (!file.read_at(0, note, sizeof note, &got).ok()) return {};
  std::string text(note, got);
  const size_t end = text.find('\0');
  if (end != std::string::npos) text.resize(end);
  return text;
}

bool is_same_file(const File& file, Kernel& kernel) {
  FileFacts open_one;
  FileFacts named_one;
  return file.facts(&open_one).ok() && kernel.stat(file.path().c_str(), &named_one) == 0 &&
         open_one.device == named_one.device && open_one.inode == named_one.inode;
}

Status write_note(const File& file, std::string_view note) {
  note = note.substr(0, FileLock::kMaxNoteBytes);
  Status status = file.write_at(0, note.data(), note.size());
  if (status.ok()) status = file.truncate(note.size());
  return status.code == Code::kNoSpace ? Status::success() : status;
}

}  // namespace

Status FileLock::acquire(Kernel& kernel, const std::string& path, std::string_view note, FileLock* lock,
                         std::string* holder_note) {
  holder_note->clear();
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    File file;
    VARVE_RETURN_IF_FAILED(File::open(kernel, path, O_RDWR | O_CREAT, &file));
    int result;
    do {
      result = kernel.lock(file.fd());
    } while (result == -EINTR);
    if (result == -EAGAIN) {
      *holder_note = read_note(file);
      return Status{Code::kLocked, EAGAIN, "lock", path, Status::kNowhere};
    }
    if (result < 0) return Status::from_errno(-result, "lock", path);
    if (!is_same_file(file, kernel)) continue;  // we locked a file that nobody else will find
    VARVE_RETURN_IF_FAILED(write_note(file, note));
    lock->file_ = std::move(file);
    return Status::success();
  }
  return Status::from_errno(EBUSY, "lock", path);
}

Status FileLock::held(Kernel& kernel, const std::string& path, bool* held) {
  *held = false;
  File file;
  const Status opened = File::open(kernel, path, O_RDONLY, &file);
  if (opened.code == Code::kNotFound) return Status::success();
  VARVE_RETURN_IF_FAILED(opened);
  const int result = kernel.locked(file.fd());
  if (result < 0) return Status::from_errno(-result, "lock", path);
  *held = result != 0;
  return Status::success();
}

Status FileLock::release() {
  // First: a process that is being started has duplicates of all descriptors for a moment.
  if (file_.is_open()) (void)file_.kernel().unlock(file_.fd());
  return file_.close();
}

}  // namespace varve
