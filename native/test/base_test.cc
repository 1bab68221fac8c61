#include <gtest/gtest.h>

#include <cerrno>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/status.h"

namespace varve {
namespace {

TEST(ByteOrder, FieldsAreBigEndianAtAnyAddress) {
  uint8_t bytes[16] = {};
  store_be64(bytes + 1, 0x0102030405060708U);
  for (uint8_t i = 0; i < 8; ++i) EXPECT_EQ(bytes[1 + i], i + 1);
  EXPECT_EQ(load_be64(bytes + 1), 0x0102030405060708U);
  EXPECT_EQ(load_be32(bytes + 3), 0x03040506U);
  EXPECT_EQ(load_be16(bytes + 7), 0x0708U);
  store_be32(bytes + 3, 0xAABBCCDDU);
  store_be16(bytes + 9, 0xEEFFU);
  EXPECT_EQ(load_be64(bytes + 2), 0x02AABBCCDD0708EEU);
}

TEST(Check, AFalseConditionEndsTheProcessAndNamesThePlace) {
  check(true, "is fine");
  EXPECT_DEATH(check(false, "the sky is up"), "base_test\\.cc.*the sky is up");
}

TEST(Status, AnErrnoBecomesTheKindAUserCanActOn) {
  const struct {
    int error_number;
    Code code;
  } cases[] = {
      {ENOSPC, Code::kNoSpace},
      {EDQUOT, Code::kNoSpace},
      {ENOENT, Code::kNotFound},
      {EEXIST, Code::kExists},
      {EACCES, Code::kPermission},
      {EPERM, Code::kPermission},
      {EROFS, Code::kReadOnly},
      {ENOTDIR, Code::kNotAFolder},
      {EMFILE, Code::kTooManyFiles},
      {ENFILE, Code::kTooManyFiles},
      {ENOMEM, Code::kNoMemory},
      {EOPNOTSUPP, Code::kUnsupported},
      {EIO, Code::kIo},
      {EFAULT, Code::kIo},
      {12345, Code::kIo},
  };
  for (const auto& it : cases) {
    const Status status = Status::from_errno(it.error_number, "pwrite", "/a/b", 42);
    EXPECT_EQ(status.code, it.code) << it.error_number;
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.error_number, it.error_number);
    EXPECT_STREQ(status.call, "pwrite");
    EXPECT_EQ(status.path, "/a/b");
    EXPECT_EQ(status.position, 42U);
  }
  EXPECT_TRUE(Status::success().ok());
}

}  // namespace
}  // namespace varve
