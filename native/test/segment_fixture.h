// SegmentTest: the same tests on both backends, over the operating system's files and over the simulated disk.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "file/memory_kernel.h"
#include "file/small_files.h"
#include "segment/segment.h"
#include "test/batches.h"

namespace varve::test {

enum class Disk { kReal, kSimulated };
using SegmentSetup = std::tuple<Disk, SegmentBackend>;

#define EXPECT_OK(expression)                                                                            \
  do {                                                                                                   \
    const ::varve::Status expect_ok_ = (expression);                                                     \
    EXPECT_TRUE(expect_ok_.ok()) << #expression << ": code " << static_cast<int>(expect_ok_.code) << " " \
                                 << expect_ok_.call << " errno " << expect_ok_.error_number << " at "    \
                                 << expect_ok_.path << ":" << expect_ok_.position;                       \
  } while (0)

class SegmentTest : public testing::TestWithParam<SegmentSetup> {
 protected:
  void SetUp() override {
    if (std::get<Disk>(GetParam()) == Disk::kReal) {
      std::string name = testing::TempDir() + "varve-segment-XXXXXX";
      ASSERT_NE(::mkdtemp(name.data()), nullptr);
      folder_ = name;
    } else {
      memory_ = std::make_unique<MemoryKernel>();
      folder_ = "/log";
      ASSERT_EQ(memory_->mkdir(folder_.c_str(), 0755), 0);
      memory_->forget();  // the folder is on disk
    }
  }
  void TearDown() override {
    if (!memory_) std::filesystem::remove_all(folder_);
  }

  Kernel& kernel() { return memory_ ? static_cast<Kernel&>(*memory_) : real_kernel(); }
  SegmentBackend backend() const { return std::get<SegmentBackend>(GetParam()); }

  SegmentOptions options(SegmentMode mode, int64_t base_offset = 0) {
    return SegmentOptions{.folder = folder_,
                          .base_offset = base_offset,
                          .mode = mode,
                          .backend = backend(),
                          .segment_bytes = 1 << 20,
                          .pretouch_on_thread = !memory_};
  }
  std::shared_ptr<Segment> open(const SegmentOptions& options) {
    std::shared_ptr<Segment> segment;
    EXPECT_OK(Segment::open(kernel(), options, &segment));
    return segment;
  }
  std::shared_ptr<Segment> create() { return open(options(SegmentMode::kCreate)); }
  std::shared_ptr<Segment> reader() { return open(options(SegmentMode::kRead)); }

  static Status append(Segment& segment, const Bytes& bytes, AppendResult* result, AppendRequest request = {}) {
    const std::span<const uint8_t> fragment(bytes);
    request.fragments = {&fragment, 1};
    request.base_offset = segment.next_offset();
    return segment.append(request, result);
  }
  static AppendResult must_append(Segment& segment, const Bytes& bytes, AppendRequest request = {}) {
    AppendResult result;
    EXPECT_OK(append(segment, bytes, &result, request));
    return result;
  }

  // Recovery as the log layer does it: scan everything, keep what is good. Answers the scan's last result.
  ScanResult recover(Segment& segment, std::vector<ScanRow>* rows = nullptr, uint32_t flags = kScanRebuildIndexes) {
    ScanRequest request{.position = 0, .expected_offset = segment.options().base_offset, .flags = flags};
    ScanResult result = scan_all(segment, request, rows);
    EXPECT_OK(segment.set_end(result.position, result.next_offset));
    return result;
  }
  static ScanResult scan_all(Segment& segment, ScanRequest request, std::vector<ScanRow>* rows = nullptr) {
    std::vector<ScanRow> some(7);
    ScanResult result;
    do {
      EXPECT_OK(segment.scan(request, some, &result));
      if (rows) rows->insert(rows->end(), some.begin(), some.begin() + result.rows);
      request.position = result.position;
      request.expected_offset = result.next_offset;
    } while (result.stop == ScanStop::kRowsFull && result.rows > 0);
    return result;
  }

  // Small files of the folder, whole.
  std::string in_folder(const std::string& name) const { return folder_ + "/" + name; }
  Bytes read_file(const std::string& name) {
    Bytes bytes;
    EXPECT_OK(read_whole(kernel(), in_folder(name), 1 << 28, &bytes));
    return bytes;
  }
  void write_file(const std::string& name, const Bytes& bytes) {
    File file;
    EXPECT_OK(File::open(kernel(), in_folder(name), O_RDWR | O_CREAT | O_TRUNC, &file));
    EXPECT_OK(file.write_at(0, bytes.data(), bytes.size()));
  }
  void change_byte(const std::string& name, uint64_t position, uint8_t value) {
    File file;
    EXPECT_OK(File::open(kernel(), in_folder(name), O_RDWR, &file));
    EXPECT_OK(file.write_at(position, &value, 1));
  }
  bool exists(const std::string& name) {
    FileFacts facts;
    return kernel().stat(in_folder(name).c_str(), &facts) == 0;
  }

  static constexpr char kLog[] = "00000000000000000000.log";
  static constexpr char kIndex[] = "00000000000000000000.index";
  static constexpr char kTimeIndex[] = "00000000000000000000.timeindex";

  std::string folder_;
  std::unique_ptr<MemoryKernel> memory_;  // null on the real one
};

inline std::string setup_name(const testing::TestParamInfo<SegmentSetup>& info) {
  return std::string(std::get<Disk>(info.param) == Disk::kReal ? "real" : "simulated") +
         (std::get<SegmentBackend>(info.param) == SegmentBackend::kMapped ? "_mapped" : "_pwrite");
}

// For the test files: every setup.
#define VARVE_SEGMENT_SETUPS(Suite)                                                                             \
  INSTANTIATE_TEST_SUITE_P(All, Suite,                                                                          \
                           testing::Combine(testing::Values(Disk::kReal, Disk::kSimulated),                     \
                                            testing::Values(SegmentBackend::kMapped, SegmentBackend::kPwrite)), \
                           setup_name)

}  // namespace varve::test
