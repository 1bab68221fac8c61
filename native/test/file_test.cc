#include "file/file.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "file/faulty_kernel.h"
#include "test/kernels.h"

namespace varve {
namespace {

class FileTest : public OnEachKernel {
 protected:
  std::string read(const File& opened, uint64_t position, size_t length) {
    std::string bytes(length, '?');
    size_t got = 0;
    EXPECT_TRUE(opened.read_at(position, bytes.data(), length, &got).ok());
    bytes.resize(got);
    return bytes;
  }
};

TEST_P(FileTest, WhatIsWrittenIsReadAndTheEndCutsAReadShort) {
  File opened;
  ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &opened).ok());
  ASSERT_TRUE(opened.write_at(3, "hello", 5).ok());
  uint64_t size = 0;
  ASSERT_TRUE(opened.size(&size).ok());
  EXPECT_EQ(size, 8U);
  EXPECT_EQ(read(opened, 3, 5), "hello");
  EXPECT_EQ(read(opened, 6, 100), "lo");
  EXPECT_EQ(read(opened, 8, 100), "");
  EXPECT_EQ(read(opened, 0, 3), std::string(3, '\0'));
}

TEST_P(FileTest, AllocateGivesBlocksThatReadAsZeroAndNeverShrinks) {
  File opened;
  ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &opened).ok());
  ASSERT_TRUE(opened.write_at(0, "x", 1).ok());
  ASSERT_TRUE(opened.allocate(0, 65536).ok());
  FileFacts facts;
  ASSERT_TRUE(opened.facts(&facts).ok());
  EXPECT_EQ(facts.size, 65536U);
  EXPECT_GE(facts.allocated_bytes, 65536U);
  EXPECT_EQ(read(opened, 0, 2), std::string("x\0", 2));
  ASSERT_TRUE(opened.allocate(0, 100).ok());
  ASSERT_TRUE(opened.facts(&facts).ok());
  EXPECT_EQ(facts.size, 65536U);
}

TEST_P(FileTest, WhatWasCutAwayIsZeroWhenTheFileGrowsAgain) {
  File opened;
  ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &opened).ok());
  ASSERT_TRUE(opened.write_at(0, std::string(9000, 'x').data(), 9000).ok());
  ASSERT_TRUE(opened.truncate(5000).ok());
  ASSERT_TRUE(opened.truncate(9000).ok());
  EXPECT_EQ(read(opened, 4999, 10000), "x" + std::string(4000, '\0'));
}

TEST_P(FileTest, FailuresNameTheCallThePathAndThePosition) {
  File opened;
  Status status = File::open(kernel(), file("missing"), O_RDONLY, &opened);
  EXPECT_EQ(status.code, Code::kNotFound);
  EXPECT_STREQ(status.call, "open");
  EXPECT_EQ(status.path, file("missing"));
  EXPECT_FALSE(opened.is_open());

  ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &opened).ok());
  FaultyKernel faulty(kernel());
  File under_fault;
  ASSERT_TRUE(File::open(faulty, file("a"), O_RDWR, &under_fault).ok());
  Fault fault;
  fault.at = 1;
  fault.error_number = EIO;
  faulty.arm(fault);
  status = under_fault.write_at(77, "x", 1);
  EXPECT_EQ(status.code, Code::kIo);
  EXPECT_EQ(status.error_number, EIO);
  EXPECT_STREQ(status.call, "pwrite");
  EXPECT_EQ(status.path, file("a"));
  EXPECT_EQ(status.position, 77U);
}

TEST_P(FileTest, AFlushThatFindsNoSpaceIsAFailedFlush) {
  FaultyKernel faulty(kernel());
  File opened;
  ASSERT_TRUE(File::open(faulty, file("a"), O_RDWR | O_CREAT, &opened).ok());
  Fault fault;
  fault.at = 1;
  fault.error_number = ENOSPC;
  fault.for_good = true;
  faulty.arm(fault);
  EXPECT_EQ(opened.sync().code, Code::kIo);
  EXPECT_EQ(opened.sync_all().code, Code::kIo);
  EXPECT_EQ(opened.write_at(0, "x", 1).code, Code::kNoSpace);
}

TEST_P(FileTest, AFailureInTheMiddleNamesTheFirstByteThatWasNotWritten) {
  File opened;
  ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &opened).ok());
  if (memory() == nullptr) GTEST_SKIP() << "needs a disk of a chosen size";
  memory()->set_capacity_bytes(8192);
  const std::string bytes(20000, 'x');
  const Status status = opened.write_at(100, bytes.data(), bytes.size());
  EXPECT_EQ(status.code, Code::kNoSpace);
  EXPECT_EQ(status.position, 8192U);
  EXPECT_EQ(read(opened, 100, 30000), bytes.substr(0, 8092));
}

TEST_P(FileTest, AClosedFileAnswersSoAndClosingTwiceIsFine) {
  File opened;
  ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &opened).ok());
  EXPECT_TRUE(opened.close().ok());
  EXPECT_TRUE(opened.close().ok());
  size_t got = 1;
  char byte;
  EXPECT_EQ(opened.read_at(0, &byte, 1, &got).code, Code::kClosed);
  EXPECT_EQ(got, 0U);
  EXPECT_EQ(opened.write_at(0, &byte, 1).code, Code::kClosed);
  EXPECT_EQ(opened.sync().code, Code::kClosed);
  EXPECT_EQ(opened.truncate(0).code, Code::kClosed);
}

TEST_P(FileTest, MovingHandsTheDescriptorOver) {
  File first;
  ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &first).ok());
  File second = std::move(first);
  EXPECT_FALSE(first.is_open());
  EXPECT_TRUE(second.write_at(0, "x", 1).ok());
  File third;
  ASSERT_TRUE(File::open(kernel(), file("b"), O_RDWR | O_CREAT, &third).ok());
  third = std::move(second);
  EXPECT_EQ(read(third, 0, 1), "x");
}

TEST_P(FileTest, ShortTransfersAreContinued) {
  FaultyKernel faulty(kernel());
  File opened;
  ASSERT_TRUE(File::open(faulty, file("a"), O_RDWR | O_CREAT, &opened).ok());
  Fault fault;
  fault.at = 1;
  fault.kind = FaultKind::kShort;
  fault.for_good = true;
  faulty.arm(fault);
  const std::string bytes = "the quick brown fox jumps over the lazy dog";
  ASSERT_TRUE(opened.write_at(5, bytes.data(), bytes.size()).ok());
  EXPECT_GT(faulty.injected(), 3U);
  EXPECT_EQ(read(opened, 5, bytes.size()), bytes);
}

TEST_P(FileTest, InterruptedCallsAreRepeated) {
  FaultyKernel faulty(kernel());
  Fault fault;
  fault.at = 1;
  fault.kind = FaultKind::kInterrupt;
  fault.for_good = true;
  faulty.arm(fault);
  File opened;
  ASSERT_TRUE(File::open(faulty, file("a"), O_RDWR | O_CREAT, &opened).ok());
  ASSERT_TRUE(opened.write_at(0, "abc", 3).ok());
  ASSERT_TRUE(opened.allocate(0, 4096).ok());
  ASSERT_TRUE(opened.truncate(3).ok());
  ASSERT_TRUE(opened.sync().ok());
  ASSERT_TRUE(opened.sync_all().ok());
  EXPECT_EQ(read(opened, 0, 10), "abc");
  EXPECT_GE(faulty.injected(), 7U);
}

TEST_P(FileTest, EveryCallReportsEveryFailure) {
  const struct {
    Call call;
    Status (*run)(const File&);
  } cases[] = {
      {Call::kPread,
       [](const File& f) {
         char byte;
         size_t got;
         return f.read_at(0, &byte, 1, &got);
       }},
      {Call::kPwrite, [](const File& f) { return f.write_at(0, "x", 1); }},
      {Call::kFdatasync, [](const File& f) { return f.sync(); }},
      {Call::kFsync, [](const File& f) { return f.sync_all(); }},
      {Call::kAllocate, [](const File& f) { return f.allocate(0, 1); }},
      {Call::kFtruncate, [](const File& f) { return f.truncate(1); }},
      {Call::kFstat,
       [](const File& f) {
         uint64_t size;
         return f.size(&size);
       }},
      {Call::kDropCache, [](const File& f) { return f.drop_cache(0, 1); }},
  };
  FaultyKernel faulty(kernel());
  File opened;
  ASSERT_TRUE(File::open(faulty, file("a"), O_RDWR | O_CREAT, &opened).ok());
  for (const auto& it : cases) {
    Fault fault;
    fault.at = 1;
    fault.error_number = EIO;
    faulty.arm(fault);
    const Status status = it.run(opened);
    EXPECT_EQ(status.error_number, EIO) << call_name(it.call);
    EXPECT_EQ(faulty.injected(), 1U) << call_name(it.call);
    EXPECT_TRUE(it.run(opened).ok()) << call_name(it.call);
  }
}

TEST_P(FileTest, ANameWithANulInsideIsRefused) {
  File opened;
  EXPECT_EQ(File::open(kernel(), file(std::string("a\0b", 3)), O_RDWR | O_CREAT, &opened).code, Code::kInvalidArgument);
  EXPECT_EQ(File::open(kernel(), "", O_RDWR | O_CREAT, &opened).code, Code::kInvalidArgument);
}

VARVE_ON_EACH_KERNEL(FileTest);

TEST(RealKernel, EveryDescriptorIsCloseOnExec) {
  TestFolder folder;
  File opened;
  ASSERT_TRUE(File::open(real_kernel(), folder.file("a"), O_RDWR | O_CREAT, &opened).ok());
  EXPECT_NE(::fcntl(opened.fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(RealKernel, NamesTheFileSystemAndItsSpace) {
  TestFolder folder;
  std::string name;
  EXPECT_EQ(real_kernel().file_system(folder.path().c_str(), &name), 0);
  EXPECT_NE(name, "");
  EXPECT_EQ(real_kernel().file_system(folder.file("missing").c_str(), &name), -ENOENT);
  EXPECT_NE(real_kernel().free_bytes(folder.path().c_str()), Kernel::kUnknownBytes);
  EXPECT_EQ(real_kernel().free_bytes(folder.file("missing").c_str()), Kernel::kUnknownBytes);
}

}  // namespace
}  // namespace varve
