#include "file/small_files.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "file/faulty_kernel.h"
#include "test/kernels.h"

namespace varve {
namespace {

class SmallFilesTest : public OnEachKernel {
 protected:
  std::string contents(Kernel& kernel, const std::string& path) {
    std::vector<uint8_t> bytes;
    const Status status = read_whole(kernel, path, 1 << 20, &bytes);
    return status.ok() ? std::string(bytes.begin(), bytes.end()) : "(failed)";
  }
  std::string contents(const std::string& name) { return contents(kernel(), file(name)); }
};

TEST_P(SmallFilesTest, WhatIsReplacedIsReadWhole) {
  for (const size_t length : {size_t{0}, size_t{1}, size_t{65535}, size_t{65536}, size_t{65537}, size_t{200000}}) {
    std::string bytes(length, 'x');
    if (length > 0) bytes.back() = 'y';
    ASSERT_TRUE(replace_file(kernel(), file("a"), bytes.data(), bytes.size()).ok());
    EXPECT_EQ(contents("a"), bytes) << length;
  }
  FileFacts facts;
  EXPECT_EQ(kernel().stat(file("a.tmp").c_str(), &facts), -ENOENT);
}

TEST_P(SmallFilesTest, AFileOverTheLimitIsRefused) {
  ASSERT_TRUE(replace_file(kernel(), file("a"), "12345", 5).ok());
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(read_whole(kernel(), file("a"), 5, &bytes).ok());
  const Status status = read_whole(kernel(), file("a"), 4, &bytes);
  EXPECT_EQ(status.error_number, EFBIG);
  EXPECT_TRUE(bytes.empty());
}

TEST_P(SmallFilesTest, WritingInPlaceKeepsTheRest) {
  ASSERT_TRUE(write_file_at(kernel(), file("a"), 2, "cd", 2, true).ok());
  ASSERT_TRUE(write_file_at(kernel(), file("a"), 0, "ab", 2, false).ok());
  EXPECT_EQ(contents("a"), "abcd");
}

TEST_P(SmallFilesTest, WhateverCallFailsWhileReplacingTheOldFileOrTheNewOneIsThere) {
  FaultyKernel faulty(kernel());
  bool reached_the_end = false;
  int not_reported = 0;
  for (uint64_t k = 1; !reached_the_end; ++k) {
    ASSERT_LT(k, 30U);
    ASSERT_TRUE(replace_file(kernel(), file("a"), "old", 3).ok());
    Fault fault;
    fault.at = k;
    fault.error_number = EIO;
    faulty.arm(fault);
    const Status status = replace_file(faulty, file("a"), "new!", 4);
    reached_the_end = faulty.injected() == 0;
    const std::string found = contents("a");
    EXPECT_TRUE(found == "new!" || (found == "old" && !status.ok())) << found << " after call " << k;
    not_reported += status.ok() && !reached_the_end ? 1 : 0;
  }
  EXPECT_LE(not_reported, 1);  // closing the folder, after it was flushed
}

VARVE_ON_EACH_KERNEL(SmallFilesTest);

TEST(SmallFilesOnASimulatedDisk, AReplacedFileIsTheOldOrTheNewOneInEveryCrashStateAndTheNewOneAfterwards) {
  MemoryKernel disk;
  ASSERT_TRUE(replace_file(disk, "/a", "the old one", 11).ok());
  const size_t before = disk.operations();
  const std::string renewed(9000, 'n');
  ASSERT_TRUE(replace_file(disk, "/a", renewed.data(), renewed.size()).ok());
  int old_ones = 0;
  int new_ones = 0;
  for (size_t at = before; at <= disk.operations(); ++at) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      auto after = disk.crash(at,
                              seed == 0   ? CrashMode::kLost
                              : seed == 1 ? CrashMode::kKept
                                          : CrashMode::kSampled,
                              seed);
      std::vector<uint8_t> bytes;
      ASSERT_TRUE(read_whole(*after, "/a", 1 << 20, &bytes).ok());
      const std::string found(bytes.begin(), bytes.end());
      if (at == disk.operations()) {
        ASSERT_EQ(found, renewed);
      } else {
        ASSERT_TRUE(found == renewed || found == "the old one") << at << " " << seed;
      }
      (found == renewed ? new_ones : old_ones) += 1;
    }
  }
  EXPECT_GT(old_ones, 0);
  EXPECT_GT(new_ones, 0);
}

TEST(ParentFolder, IsTheWayToTheName) {
  EXPECT_EQ(parent_folder("a/b/c"), "a/b");
  EXPECT_EQ(parent_folder("/a"), "/");
  EXPECT_EQ(parent_folder("a"), ".");
}

}  // namespace
}  // namespace varve
