#include "binding/error_names.h"

#include <cerrno>

namespace varve {

namespace {

struct ErrnoName {
  int number;
  const char* name;
};

// The inverse is what arms a FaultyKernel, so tests name failures as users see them.
constexpr ErrnoName kErrnoNames[] = {
    {EACCES, "EACCES"},
    {EAGAIN, "EAGAIN"},
    {EBADF, "EBADF"},
    {EBUSY, "EBUSY"},
    {EDQUOT, "EDQUOT"},
    {EEXIST, "EEXIST"},
    {EFAULT, "EFAULT"},
    {EFBIG, "EFBIG"},
    {EINTR, "EINTR"},
    {EINVAL, "EINVAL"},
    {EIO, "EIO"},
    {EISDIR, "EISDIR"},
    {ELOOP, "ELOOP"},
    {EMFILE, "EMFILE"},
    {EMLINK, "EMLINK"},
    {ENFILE, "ENFILE"},
    {ENODEV, "ENODEV"},
    {ENOENT, "ENOENT"},
    {ENOLCK, "ENOLCK"},
    {ENOMEM, "ENOMEM"},
    {ENOSPC, "ENOSPC"},
    {ENOSYS, "ENOSYS"},
    {ENOTDIR, "ENOTDIR"},
    {ENOTEMPTY, "ENOTEMPTY"},
    {ENXIO, "ENXIO"},
    {EPERM, "EPERM"},
    {EROFS, "EROFS"},
    {ESTALE, "ESTALE"},
    {EXDEV, "EXDEV"},
    {ENAMETOOLONG, "ENAMETOOLONG"},
    {EOVERFLOW, "EOVERFLOW"},
    {EOPNOTSUPP, "EOPNOTSUPP"},
    {ETXTBSY, "ETXTBSY"},
};

}  // namespace

const char* errno_name(int error_number) {
  for (const ErrnoName& known : kErrnoNames) {
    if (known.number == error_number) return known.name;
  }
  return "";
}

}  // namespace varve
