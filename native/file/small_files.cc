#include "file/small_files.h"

#include <cerrno>

#include "file/file.h"

namespace varve {

namespace {

// Read in steps, so that a file that grows meanwhile, or lies about its size, takes no more than it really has.
constexpr size_t kReadStepBytes = 64 * 1024;

Status too_large(const std::string& path, uint64_t max_bytes) {
  return Status{Code::kInvalidArgument, EFBIG, "read", path, max_bytes};
}

}  // namespace

Status read_whole(Kernel& kernel, const std::string& path, uint64_t max_bytes, std::vector<uint8_t>* bytes) {
  bytes->clear();
  File file;
  VARVE_RETURN_IF_FAILED(File::open(kernel, path, O_RDONLY, &file));
  for (;;) {
    const size_t before = bytes->size();
    bytes->resize(before + kReadStepBytes);
    size_t got = 0;
    const Status status = file.read_at(before, bytes->data() + before, kReadStepBytes, &got);
    bytes->resize(before + got);
    VARVE_RETURN_IF_FAILED(status);
    if (bytes->size() > max_bytes) {
      bytes->clear();
      return too_large(path, max_bytes);
    }
    if (got < kReadStepBytes) return Status::success();
  }
}

Status replace_file(Kernel& kernel, const std::string& path, const void* bytes, size_t length) {
  const std::string temporary = path + ".tmp";
  File file;
  VARVE_RETURN_IF_FAILED(File::open(kernel, temporary, O_WRONLY | O_CREAT | O_TRUNC, &file));
  VARVE_RETURN_IF_FAILED(file.write_at(0, bytes, length));
  VARVE_RETURN_IF_FAILED(file.sync());
  VARVE_RETURN_IF_FAILED(file.close());
  const int result = kernel.rename(temporary.c_str(), path.c_str());
  if (result < 0) return Status::from_errno(-result, "rename", path);
  return sync_folder(kernel, parent_folder(path));
}

Status write_file_at(Kernel& kernel, const std::string& path, uint64_t position, const void* bytes, size_t length,
                     bool sync) {
  File file;
  bool made = false;
  Status status = File::open(kernel, path, O_WRONLY, &file);
  if (status.code == Code::kNotFound) {
    made = true;
    status = File::open(kernel, path, O_WRONLY | O_CREAT, &file);
  }
  VARVE_RETURN_IF_FAILED(status);
  VARVE_RETURN_IF_FAILED(file.write_at(position, bytes, length));
  if (sync) {
    VARVE_RETURN_IF_FAILED(file.sync());
    if (made) VARVE_RETURN_IF_FAILED(sync_folder(kernel, parent_folder(path)));
  }
  return file.close();
}

Status sync_folder(Kernel& kernel, const std::string& path) {
  File folder;
  VARVE_RETURN_IF_FAILED(File::open(kernel, path, O_RDONLY, &folder));
  return folder.sync_all();
}

std::string parent_folder(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace varve
