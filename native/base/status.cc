#include "base/status.h"

#include <cerrno>

namespace varve {

namespace {

Code code_of(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return Code::kExists;
    case EACCES:
    case EPERM:
      return Code::kPermission;
    case EROFS:
      return Code::kReadOnly;
    case ENOTDIR:
      return Code::kNotAFolder;
    case EMFILE:
    case ENFILE:
      return Code::kTooManyFiles;
    case ENOMEM:
      return Code::kNoMemory;
    case EINVAL:
    case EISDIR:  // a folder where a file should be
    case ENAMETOOLONG:
    case ELOOP:
      return Code::kInvalidArgument;
    case ENOSYS:
    case EOPNOTSUPP:
#if ENOTSUP != EOPNOTSUPP
    case ENOTSUP:
#endif
      return Code::kUnsupported;
    default:
      return Code::kIo;  // EIO, EFAULT (a bus error), EFBIG, ESTALE, EBADF and whatever else a file system answers
  }
}

}  // namespace

Status Status::failure(Code code, const char* call, std::string path, uint64_t position) {
  return Status{code, 0, call, std::move(path), position};
}

Status Status::from_errno(int error_number, const char* call, std::string path, uint64_t position) {
  return Status{code_of(error_number), error_number, call, std::move(path), position};
}

}  // namespace varve
