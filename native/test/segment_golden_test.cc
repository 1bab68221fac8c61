// Kafka's own files: what we append, index, rebuild and recover equals what Kafka 4.3 wrote, byte for byte, wherever
// that is determined. The folders are described in test/golden/kafka-4.3/README.md.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "segment/batch_check.h"
#include "segment/segment.h"
#include "test/batches.h"
#include "test/segment_fixture.h"

namespace varve::test {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(__FILE__).parent_path() / "../../test/golden/kafka-4.3";

Bytes read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

struct Golden {
  fs::path stem;  // without extension
  int64_t base_offset;
  Bytes log, index, time_index;
  std::string name() const { return stem.parent_path().filename().string() + "/" + stem.filename().string(); }
};

std::vector<Golden> golden_segments(const char* directory) {
  std::vector<Golden> all;
  for (const auto& entry : fs::recursive_directory_iterator(kGolden / directory)) {
    if (entry.path().extension() != ".log") continue;
    fs::path stem = entry.path();
    stem.replace_extension();
    all.push_back({stem, std::stoll(stem.filename().string()), read_all(stem.string() + ".log"),
                   read_all(stem.string() + ".index"), read_all(stem.string() + ".timeindex")});
  }
  std::sort(all.begin(), all.end(), [](const Golden& a, const Golden& b) { return a.stem < b.stem; });
  return all;
}

class GoldenSegmentTest : public testing::TestWithParam<SegmentBackend> {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "varve-golden-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::shared_ptr<Segment> open(SegmentMode mode, int64_t base_offset) {
    std::shared_ptr<Segment> segment;
    EXPECT_OK(Segment::open(
        real_kernel(), {.folder = folder_, .base_offset = base_offset, .mode = mode, .backend = GetParam()}, &segment));
    return segment;
  }
  Bytes written(const Golden& golden, const char* extension) {
    return read_all(fs::path(folder_) / (golden.stem.filename().string() + extension));
  }
  // Appends the golden log's batches one by one, from `position` on until one would begin at `stop_offset`.
  static uint64_t replay(Segment& segment, const Golden& golden, uint64_t position, int64_t stop_offset) {
    while (position < golden.log.size()) {
      const BatchHeader header = parse_batch_header(golden.log.data() + position);
      if (header.base_offset >= stop_offset) break;
      const std::span<const uint8_t> batch(golden.log.data() + position, header.size());
      AppendResult result;
      EXPECT_OK(segment.append({.fragments = {&batch, 1},
                                .base_offset = segment.next_offset(),
                                .flags = kAppendKeepOffsets | kAppendCheckRecords},
                               &result));
      position += header.size();
    }
    return position;
  }

  std::string folder_;
};
INSTANTIATE_TEST_SUITE_P(Backends, GoldenSegmentTest, testing::Values(SegmentBackend::kMapped, SegmentBackend::kPwrite),
                         [](const auto& info) { return info.param == SegmentBackend::kMapped ? "mapped" : "pwrite"; });

// Segments that Kafka closed and opened again in the middle carry the marks of that, see the next test; the
// coordinators' internal topics and the killed folders do too.
bool restarted(const Golden& golden) {
  const std::string folder = golden.stem.parent_path().filename().string();
  return folder == "epochs-0" || folder.starts_with("__");
}

TEST_P(GoldenSegmentTest, AppendingKafkasBatchesGivesKafkasFiles) {
  size_t compared = 0;
  for (const Golden& golden : golden_segments("clean")) {
    if (restarted(golden)) continue;
    SCOPED_TRACE(golden.name());
    auto segment = open(SegmentMode::kCreate, golden.base_offset);
    replay(*segment, golden, 0, INT64_MAX);
    EXPECT_OK(segment->seal());
    EXPECT_EQ(written(golden, ".log"), golden.log);
    EXPECT_EQ(written(golden, ".index"), golden.index);
    EXPECT_EQ(written(golden, ".timeindex"), golden.time_index);
    segment.reset();
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    ++compared;
  }
  EXPECT_GT(compared, 25u);
}

// DISK.md's worked example: clean closes before offsets 150 and 300 reset the counter and add a time entry each.
TEST_P(GoldenSegmentTest, RestartsLeaveKafkasMarksInTheIndexes) {
  const auto all = golden_segments("clean");
  const auto golden = std::find_if(all.begin(), all.end(),
                                   [](const Golden& g) { return g.stem.parent_path().filename() == "epochs-0"; });
  ASSERT_NE(golden, all.end());
  auto segment = open(SegmentMode::kCreate, 0);
  uint64_t position = 0;
  for (const int64_t stop : {150, 300, 450}) {
    position = replay(*segment, *golden, position, stop);
    EXPECT_OK(segment->seal());
    EXPECT_EQ(segment->next_offset(), stop);
    segment = open(SegmentMode::kWrite, 0);
    EXPECT_OK(segment->set_end(position, stop));
  }
  EXPECT_OK(segment->seal());
  EXPECT_EQ(written(*golden, ".log"), golden->log);
  EXPECT_EQ(written(*golden, ".index"), golden->index);
  EXPECT_EQ(written(*golden, ".timeindex"), golden->time_index);
}

// Kafka's own recovery of the killed folders, and ours: cut at the same place, the same indexes. Where Kafka left the
// segments alone (below the recovery point), only the log must be equal.
TEST_P(GoldenSegmentTest, RecoveringAKilledFolderGivesWhatKafkaRecovered) {
  const auto recovered = golden_segments("recovered");
  size_t rebuilt = 0;
  for (const Golden& killed : golden_segments("killed")) {
    SCOPED_TRACE(killed.name());
    const auto same = std::find_if(recovered.begin(), recovered.end(),
                                   [&](const Golden& other) { return other.name() == killed.name(); });
    ASSERT_NE(same, recovered.end());
    for (const char* extension : {".log", ".index", ".timeindex"}) {
      const fs::path to = fs::path(folder_) / (killed.stem.filename().string() + extension);
      fs::copy_file(killed.stem.string() + extension, to, fs::copy_options::overwrite_existing);
      fs::permissions(to, fs::perms::owner_all);
    }
    auto segment = open(SegmentMode::kWrite, killed.base_offset);
    ScanRequest request{.expected_offset = killed.base_offset, .flags = kScanRebuildIndexes | kScanCheckRecords};
    std::vector<ScanRow> rows(1024);
    ScanResult found;
    EXPECT_OK(segment->scan(request, rows, &found));
    EXPECT_OK(segment->set_end(found.position, found.next_offset));
    EXPECT_OK(segment->seal());
    EXPECT_EQ(written(killed, ".log"), same->log);
    if (written(killed, ".index") == same->index && written(killed, ".timeindex") == same->time_index) ++rebuilt;
    if (killed.stem.parent_path().filename() != "rolled-0" && !restarted(killed)) {
      EXPECT_EQ(written(killed, ".index"), same->index);
      EXPECT_EQ(written(killed, ".timeindex"), same->time_index);
    }
  }
  EXPECT_GE(rebuilt, 5u);
}

}  // namespace
}  // namespace varve::test
