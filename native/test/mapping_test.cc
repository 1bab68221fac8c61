#include "file/mapping.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "base/byte_order.h"
#include "file/faulty_kernel.h"
#include "test/kernels.h"

namespace varve {
namespace {

class MappingTest : public OnEachKernel {
 protected:
  void SetUp() override {
    ASSERT_TRUE(File::open(kernel(), file("a"), O_RDWR | O_CREAT, &opened_).ok());
    ASSERT_TRUE(opened_.allocate(0, 4 * page_).ok());
  }
  std::string in_file(uint64_t position, size_t length) {
    std::string bytes(length, '?');
    size_t got = 0;
    EXPECT_TRUE(opened_.read_at(position, bytes.data(), length, &got).ok());
    bytes.resize(got);
    return bytes;
  }

  const size_t page_ = Mapping::page_bytes();
  File opened_;
};

TEST_P(MappingTest, StoresReachTheFileAndWritesReachTheMapping) {
  Mapping mapping;
  ASSERT_TRUE(Mapping::map(opened_, page_, 2 * page_, MapMode::kWrite, &mapping).ok());
  EXPECT_EQ(mapping.start(), page_);
  EXPECT_EQ(mapping.end(), 3 * page_);
  ASSERT_TRUE(mapping.store(page_ + 10, "hello", 5).ok());
  EXPECT_EQ(in_file(page_ + 10, 5), "hello");
  ASSERT_TRUE(opened_.write_at(2 * page_, "world", 5).ok());
  char bytes[5];
  ASSERT_TRUE(mapping.load(2 * page_, bytes, 5).ok());
  EXPECT_EQ(std::string(bytes, 5), "world");
  EXPECT_EQ(std::memcmp(mapping.at(page_ + 10, 5), "hello", 5), 0);
}

TEST_P(MappingTest, PublishStoresFourBytesAtAnyAddress) {
  Mapping mapping;
  ASSERT_TRUE(Mapping::map(opened_, 0, page_, MapMode::kWrite, &mapping).ok());
  for (uint64_t position : {uint64_t{8}, uint64_t{61}, uint64_t{62}, uint64_t{page_ - 4}}) {
    ASSERT_TRUE(mapping.publish(position, to_big_endian(uint32_t{0x01020304})).ok());
    EXPECT_EQ(in_file(position, 4), "\x01\x02\x03\x04");
  }
}

TEST_P(MappingTest, APrivateMappingReachesNobody) {
  ASSERT_TRUE(opened_.write_at(0, "before", 6).ok());
  Mapping mapping;
  ASSERT_TRUE(Mapping::map(opened_, 0, page_, MapMode::kPrivate, &mapping).ok());
  ASSERT_TRUE(mapping.store(0, "after!", 6).ok());
  EXPECT_EQ(std::memcmp(mapping.at(0), "after!", 6), 0);
  EXPECT_EQ(in_file(0, 6), "before");
}

TEST_P(MappingTest, AFileThatWasCutUnderItDamagesTheMappingAndNothingElse) {
  Mapping mapping;
  Mapping other;
  ASSERT_TRUE(Mapping::map(opened_, 0, 4 * page_, MapMode::kWrite, &mapping).ok());
  ASSERT_TRUE(Mapping::map(opened_, 0, 4 * page_, MapMode::kWrite, &other).ok());
  ASSERT_TRUE(opened_.truncate(page_).ok());

  const Status status = mapping.store(2 * page_ + 5, "x", 1);
  EXPECT_EQ(status.code, Code::kIo);
  EXPECT_EQ(status.error_number, EFAULT);
  EXPECT_EQ(status.path, file("a"));
  EXPECT_EQ(status.position, 2 * page_ + 5);
  EXPECT_TRUE(mapping.damaged());
  // From now on it answers the same, also for pages that are all right.
  char byte;
  EXPECT_EQ(mapping.store(0, "x", 1).error_number, EFAULT);
  EXPECT_EQ(mapping.load(0, &byte, 1).error_number, EFAULT);
  EXPECT_EQ(mapping.publish(0, 1).error_number, EFAULT);
  EXPECT_EQ(mapping.sync(0, 1).error_number, EFAULT);

  EXPECT_FALSE(other.damaged());
  EXPECT_TRUE(other.store(0, "y", 1).ok());
  EXPECT_EQ(other.load(3 * page_, &byte, 1).error_number, EFAULT);
  EXPECT_EQ(in_file(0, 1), "y");
}

TEST_P(MappingTest, PopulatingIsAFailureWhereTouchingWouldBeABusError) {
  Mapping mapping;
  ASSERT_TRUE(Mapping::map(opened_, 0, 8 * page_, MapMode::kWrite, &mapping).ok());
  EXPECT_TRUE(mapping.populate_write(0, 4 * page_).ok());
  EXPECT_TRUE(mapping.populate_read(page_ + 1, 3 * page_ - 1).ok());
  EXPECT_EQ(mapping.populate_write(3 * page_, 2 * page_).error_number, EFAULT);
  EXPECT_EQ(mapping.populate_read(4 * page_, 1).error_number, EFAULT);
  ASSERT_TRUE(opened_.allocate(0, 8 * page_).ok());
  EXPECT_TRUE(mapping.damaged() || mapping.populate_write(4 * page_, 4 * page_).ok());
}

TEST_P(MappingTest, PopulatingKeepsWhatIsStoredMeanwhile) {
  Mapping mapping;
  ASSERT_TRUE(Mapping::map(opened_, 0, 4 * page_, MapMode::kWrite, &mapping).ok());
  std::thread helper([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(mapping.populate_write(0, 4 * page_).ok());
  });
  for (size_t at = 0; at < 4 * page_; at += 16) ASSERT_TRUE(mapping.store(at, "sixteen bytes...", 16).ok());
  helper.join();
  for (size_t at = 0; at < 4 * page_; at += 16) ASSERT_EQ(in_file(at, 16), "sixteen bytes...");
}

TEST_P(MappingTest, UseInPlaceSeesTheBytesAndTellsWhenThereWereNone) {
  Mapping mapping;
  ASSERT_TRUE(opened_.write_at(page_, "hello", 5).ok());
  ASSERT_TRUE(Mapping::map(opened_, 0, 4 * page_, MapMode::kRead, &mapping).ok());
  std::string seen;
  const auto look = [&](const uint8_t* bytes) { seen.assign(reinterpret_cast<const char*>(bytes), 5); };
  EXPECT_TRUE(mapping.use_in_place(page_, 5, "crc32c", look).ok());
  EXPECT_EQ(seen, "hello");
  if (memory() != nullptr) return;  // direct reads of a simulated disk never fault
  ASSERT_TRUE(opened_.truncate(page_).ok());
  const Status status = mapping.use_in_place(page_, 5, "crc32c", look);
  EXPECT_EQ(status.error_number, EFAULT);
  EXPECT_STREQ(status.call, "crc32c");
  EXPECT_TRUE(mapping.damaged());
}

TEST_P(MappingTest, OutlivesTheFileAndItsName) {
  Mapping mapping;
  ASSERT_TRUE(Mapping::map(opened_, 0, page_, MapMode::kWrite, &mapping).ok());
  ASSERT_TRUE(mapping.store(0, "still", 5).ok());
  ASSERT_TRUE(opened_.close().ok());
  ASSERT_EQ(kernel().unlink(file("a").c_str()), 0);
  char bytes[5];
  ASSERT_TRUE(mapping.load(0, bytes, 5).ok());
  EXPECT_EQ(std::string(bytes, 5), "still");
  EXPECT_TRUE(mapping.unmap().ok());
  EXPECT_TRUE(mapping.unmap().ok());
  EXPECT_EQ(mapping.load(0, bytes, 5).code, Code::kClosed);
}

TEST_P(MappingTest, MovingHandsTheRangeOver) {
  Mapping first;
  ASSERT_TRUE(Mapping::map(opened_, 0, page_, MapMode::kWrite, &first).ok());
  Mapping second = std::move(first);
  EXPECT_FALSE(first.is_mapped());
  EXPECT_TRUE(second.store(0, "x", 1).ok());
  first = std::move(second);
  EXPECT_TRUE(first.store(1, "y", 1).ok());
  EXPECT_EQ(in_file(0, 2), "xy");
}

TEST_P(MappingTest, AnInjectedFaultIsABusErrorWhateverItsNumber) {
  FaultyKernel faulty(kernel());
  File under_fault;
  ASSERT_TRUE(File::open(faulty, file("a"), O_RDWR, &under_fault).ok());
  Mapping mapping;
  ASSERT_TRUE(Mapping::map(under_fault, 0, page_, MapMode::kWrite, &mapping).ok());
  Fault fault;
  fault.at = 1;
  fault.error_number = EIO;
  ASSERT_TRUE(parse_calls("store", &fault.calls));
  faulty.arm(fault);
  EXPECT_EQ(mapping.store(0, "x", 1).error_number, EFAULT);
  EXPECT_TRUE(mapping.damaged());
}

VARVE_ON_EACH_KERNEL(MappingTest);

}  // namespace
}  // namespace varve
