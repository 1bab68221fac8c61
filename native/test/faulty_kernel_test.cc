#include "file/faulty_kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "file/memory_kernel.h"

namespace varve {
namespace {

class FaultyKernelTest : public ::testing::Test {
 protected:
  FaultyKernelTest() : faulty_(disk_), fd_(faulty_.open("/a", O_RDWR | O_CREAT, 0644)) {}

  void arm(uint64_t at, const char* kind, const char* calls, bool for_good = false) {
    Fault fault;
    fault.at = at;
    fault.for_good = for_good;
    ASSERT_TRUE(parse_fault_kind(kind, &fault));
    ASSERT_TRUE(parse_calls(calls, &fault.calls));
    faulty_.arm(fault);
  }
  // Five one-byte writes; the answers.
  std::vector<int64_t> five_writes() {
    std::vector<int64_t> answers;
    for (int i = 0; i < 5; ++i) answers.push_back(faulty_.pwrite(fd_, "x", 1, 0));
    return answers;
  }

  MemoryKernel disk_;
  FaultyKernel faulty_;
  int fd_;
};

using Answers = std::vector<int64_t>;

TEST_F(FaultyKernelTest, TheKthCallFailsOnce) {
  arm(3, "EIO", "");
  EXPECT_EQ(five_writes(), (Answers{1, 1, -EIO, 1, 1}));
  EXPECT_EQ(faulty_.calls(), 5U);
  EXPECT_EQ(faulty_.injected(), 1U);
}

TEST_F(FaultyKernelTest, TheKthCallAndAllLaterOnesFailForGood) {
  arm(3, "ENOSPC", "", true);
  EXPECT_EQ(five_writes(), (Answers{1, 1, -ENOSPC, -ENOSPC, -ENOSPC}));
}

TEST_F(FaultyKernelTest, ZeroOnlyCounts) {
  arm(0, "EIO", "");
  EXPECT_EQ(five_writes(), (Answers{1, 1, 1, 1, 1}));
  EXPECT_EQ(faulty_.calls(), 5U);
}

TEST_F(FaultyKernelTest, OnlyTheNamedCallsCount) {
  arm(1, "EIO", "fdatasync,ftruncate");
  EXPECT_EQ(five_writes(), (Answers{1, 1, 1, 1, 1}));
  EXPECT_EQ(faulty_.calls(), 0U);
  EXPECT_EQ(faulty_.fdatasync(fd_), -EIO);
  EXPECT_EQ(faulty_.ftruncate(fd_, 0), 0);
  EXPECT_EQ(faulty_.calls(), 2U);
}

TEST_F(FaultyKernelTest, ShortTransfersMoveHalf) {
  arm(1, "short", "");
  EXPECT_EQ(faulty_.pwrite(fd_, "x", 1, 0), 1);  // too small to be short: not counted
  EXPECT_EQ(faulty_.pwrite(fd_, "abcde", 5, 0), 2);
  EXPECT_EQ(faulty_.pwrite(fd_, "abcde", 5, 0), 5);
}

TEST_F(FaultyKernelTest, InterruptingForGoodLetsEveryRepeatedCallThrough) {
  arm(1, "interrupt", "", true);
  EXPECT_EQ(five_writes(), (Answers{-EINTR, 1, -EINTR, 1, -EINTR}));
  FileFacts facts;
  EXPECT_EQ(faulty_.fstat(fd_, &facts), 0);  // no signal interrupts this one
}

TEST_F(FaultyKernelTest, AFailedCallDoesNotReachTheDisk) {
  arm(1, "EIO", "unlink");
  EXPECT_EQ(faulty_.unlink("/a"), -EIO);
  FileFacts facts;
  EXPECT_EQ(disk_.stat("/a", &facts), 0);
}

TEST_F(FaultyKernelTest, AFailedCloseGivesTheDescriptorBackAllTheSame) {
  arm(1, "EIO", "close");
  EXPECT_EQ(faulty_.close(fd_), -EIO);
  EXPECT_EQ(disk_.close(fd_), -EBADF);
}

TEST_F(FaultyKernelTest, UnknownNamesAreRefused) {
  CallSet calls;
  Fault fault;
  EXPECT_FALSE(parse_calls("pwrite,pwrit", &calls));
  EXPECT_FALSE(parse_calls(",", &calls));
  EXPECT_FALSE(parse_fault_kind("EWHAT", &fault));
  for (uint8_t i = 0; i < static_cast<uint8_t>(Call::kCount); ++i) {
    ASSERT_TRUE(parse_calls(call_name(static_cast<Call>(i)), &calls));
    EXPECT_EQ(calls, CallSet{1} << i);
  }
}

TEST_F(FaultyKernelTest, CountsExactlyUnderThreads) {
  arm(100, "EIO", "pread", true);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      char byte;
      for (int i = 0; i < 50; ++i) (void)faulty_.pread(fd_, &byte, 1, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(faulty_.calls(), 200U);
  EXPECT_EQ(faulty_.injected(), 101U);
}

TEST_F(FaultyKernelTest, AFlushThatFailedIsNotMadeGoodByTheNextOne) {
  ASSERT_EQ(disk_.fsync(disk_.open("/", O_RDONLY, 0)), 0);
  ASSERT_EQ(faulty_.pwrite(fd_, "old", 3, 0), 3);
  ASSERT_EQ(faulty_.fdatasync(fd_), 0);
  ASSERT_EQ(faulty_.pwrite(fd_, "new", 3, 0), 3);
  arm(1, "EIO", "fdatasync");
  ASSERT_EQ(faulty_.fdatasync(fd_), -EIO);
  ASSERT_EQ(faulty_.fdatasync(fd_), 0);
  const auto found = [&] {
    auto after = disk_.crash(disk_.operations(), CrashMode::kLost, 0);
    char bytes[3] = {};
    EXPECT_EQ(after->pread(after->open("/a", O_RDONLY, 0), bytes, 3, 0), 3);
    return std::string(bytes, 3);
  };
  EXPECT_EQ(found(), "old");
  // Changed again, the page is flushed with everything in it.
  ASSERT_EQ(faulty_.pwrite(fd_, "N", 1, 0), 1);
  ASSERT_EQ(faulty_.fdatasync(fd_), 0);
  EXPECT_EQ(found(), "New");
}

}  // namespace
}  // namespace varve
