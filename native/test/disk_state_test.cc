// The laws of a power cut: what is flushed stays, what is not may go, and nothing else ever appears.
#include "file/disk_state.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "file/memory_kernel.h"

namespace varve {
namespace {

constexpr size_t kPage = kDiskPageBytes;

class PowerCut : public ::testing::Test {
 protected:
  PowerCut() { folder_ = disk_.open("/", O_RDONLY, 0); }

  int make(const std::string& path, bool flushed = true) {
    const int fd = disk_.open(path.c_str(), O_RDWR | O_CREAT, 0644);
    if (flushed) disk_.fsync(folder_);
    return fd;
  }
  void write(int fd, const std::string& bytes, uint64_t position = 0) {
    ASSERT_EQ(disk_.pwrite(fd, bytes.data(), bytes.size(), position), static_cast<int64_t>(bytes.size()));
  }
  // The file's contents after a cut now, or "(gone)".
  std::string after(CrashMode mode, uint64_t seed, const std::string& path = "/a") {
    return contents(*disk_.crash(disk_.operations(), mode, seed), path);
  }
  static std::string contents(MemoryKernel& disk, const std::string& path) {
    const int fd = disk.open(path.c_str(), O_RDONLY, 0);
    if (fd < 0) return "(gone)";
    FileFacts facts;
    disk.fstat(fd, &facts);
    std::string bytes(facts.size, '?');
    EXPECT_EQ(disk.pread(fd, bytes.data(), bytes.size(), 0), static_cast<int64_t>(facts.size));
    disk.close(fd);
    return bytes;
  }
  // Every different outcome of many sampled cuts now.
  std::set<std::string> outcomes(const std::function<std::string(MemoryKernel&)>& look, uint64_t seeds = 600) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      seen.insert(look(*disk_.crash(disk_.operations(), CrashMode::kSampled, seed)));
    }
    return seen;
  }
  std::set<std::string> outcomes_of(const std::string& path, uint64_t seeds = 600) {
    return outcomes([&](MemoryKernel& disk) { return contents(disk, path); }, seeds);
  }
  // The first letter of each page, '0' for a zero.
  static std::string letters(const std::string& bytes) {
    std::string text;
    for (size_t at = 0; at < bytes.size(); at += kPage) text.push_back(bytes[at] == '\0' ? '0' : bytes[at]);
    return text;
  }
  std::set<std::string> letters_of(const std::string& path) {
    return outcomes([&](MemoryKernel& disk) { return letters(contents(disk, path)); });
  }
  static std::string names(MemoryKernel& disk, const char* path = "/") {
    std::vector<FolderEntry> entries;
    if (disk.list(path, &entries) != 0) return "(gone)";
    std::string text;
    for (const FolderEntry& entry : entries) text += entry.name + " ";
    return text;
  }

  MemoryKernel disk_;
  int folder_ = -1;
};

using Set = std::set<std::string>;

TEST_F(PowerCut, AFlushedByteIsNeverLost) {
  const int fd = make("/a");
  write(fd, "flushed");
  disk_.fdatasync(fd);
  write(fd, std::string(3 * kPage, 'x'), 2 * kPage);  // other pages of the same file
  EXPECT_EQ(after(CrashMode::kLost, 0), "flushed");
  EXPECT_EQ(after(CrashMode::kKept, 0).substr(0, 7), "flushed");
  for (const std::string& found : outcomes_of("/a")) EXPECT_EQ(found.substr(0, 7), "flushed");
}

TEST_F(PowerCut, AnUnflushedByteMayBeLostOrKept) {
  const int fd = make("/a");
  write(fd, "old");
  disk_.fdatasync(fd);
  write(fd, "new");
  EXPECT_EQ(after(CrashMode::kLost, 0), "old");
  EXPECT_EQ(after(CrashMode::kKept, 0), "new");
  EXPECT_EQ(outcomes_of("/a"), (Set{"old", "new"}));
}

TEST_F(PowerCut, APageHoldsAnyOfItsContentsSinceTheLastFlush) {
  const int fd = make("/a");
  write(fd, "0");
  disk_.fdatasync(fd);
  for (const char* each : {"1", "2", "3"}) write(fd, each);
  EXPECT_EQ(outcomes_of("/a"), (Set{"0", "1", "2", "3"}));
}

TEST_F(PowerCut, PagesAreIndependentOfTheOrderOfTheirWrites) {
  const int fd = make("/a");
  write(fd, std::string(2 * kPage, 'o'));
  disk_.fdatasync(fd);
  write(fd, "1", 0);
  write(fd, "2", kPage);
  EXPECT_EQ(letters_of("/a"), (Set{"oo", "1o", "o2", "12"}));
}

TEST_F(PowerCut, AWriteOverTwoPagesMayBeHalfThere) {
  const int fd = make("/a");
  write(fd, std::string(2 * kPage, 'o'));
  disk_.fdatasync(fd);
  write(fd, std::string(2 * kPage, 'n'));
  EXPECT_EQ(letters_of("/a"), (Set{"oo", "no", "on", "nn"}));
}

TEST_F(PowerCut, ATornPageHasSectorsOfDifferentTimes) {
  const int fd = make("/a");
  write(fd, std::string(kPage, 'o'));
  disk_.fdatasync(fd);
  write(fd, std::string(kPage, 'n'));
  bool torn = false;
  for (const std::string& found : outcomes_of("/a")) {
    ASSERT_EQ(found.size(), kPage);
    for (size_t at = 0; at < kPage; at += kDiskSectorBytes) {
      // Never inside of a sector.
      ASSERT_EQ(found.substr(at, kDiskSectorBytes), std::string(kDiskSectorBytes, found[at]));
      torn = torn || found[at] != found[0];
    }
  }
  EXPECT_TRUE(torn);
}

TEST_F(PowerCut, TheSizeIsAnyOfThoseSinceTheLastFlush) {
  const int fd = make("/a");
  write(fd, "x");
  disk_.fdatasync(fd);
  disk_.ftruncate(fd, 3);
  disk_.ftruncate(fd, 2);
  std::set<size_t> sizes;
  for (const std::string& found : outcomes_of("/a")) sizes.insert(found.size());
  EXPECT_EQ(sizes, (std::set<size_t>{1, 2, 3}));
  EXPECT_EQ(after(CrashMode::kLost, 0).size(), 1U);
  EXPECT_EQ(after(CrashMode::kKept, 0).size(), 2U);
}

TEST_F(PowerCut, ASizeMayOutliveTheDataThatMadeIt) {
  const int fd = make("/a");
  disk_.fdatasync(fd);
  write(fd, "data");
  const Set found = outcomes_of("/a");
  EXPECT_EQ(found, (Set{"", "data", std::string(4, '\0')}));
}

TEST_F(PowerCut, APageBehindACutBelongsToTheCut) {
  const int fd = make("/a");
  write(fd, std::string(2 * kPage, 'o'));
  disk_.fdatasync(fd);
  disk_.ftruncate(fd, kPage);
  disk_.ftruncate(fd, 3 * kPage);
  // Cut not survived: all as before. Survived: gone for good, also when the file has grown again.
  EXPECT_EQ(letters_of("/a"), (Set{"oo", "o", "o00"}));
  write(fd, "n", kPage);
  EXPECT_EQ(letters_of("/a"), (Set{"oo", "o", "o00", "on0"}));
}

TEST_F(PowerCut, ACutThatWasFlushedNeverComesBack) {
  const int fd = make("/a");
  write(fd, std::string(2 * kPage, 'o'));
  disk_.fdatasync(fd);
  disk_.ftruncate(fd, 0);
  disk_.fdatasync(fd);
  disk_.ftruncate(fd, 2 * kPage);
  EXPECT_EQ(letters_of("/a"), (Set{"", "00"}));
}

TEST_F(PowerCut, AStoreIntoAMappingIsLikeAWrite) {
  const int fd = make("/a");
  disk_.allocate(fd, 0, 4 * kPage);
  disk_.fdatasync(fd);
  void* address = nullptr;
  ASSERT_EQ(disk_.map(fd, 0, 4 * kPage, true, true, &address), 0);
  char* mapped = static_cast<char*>(address);
  disk_.store(mapped + kPage, "1", 1);
  disk_.store(mapped + 3 * kPage, "3", 1);
  EXPECT_EQ(letters_of("/a"), (Set{"0000", "0100", "0003", "0103"}));
  disk_.msync(mapped + kPage, kPage);
  EXPECT_EQ(letters_of("/a"), (Set{"0100", "0103"}));
  disk_.store(mapped + kPage, "2", 1);
  disk_.fdatasync(fd);
  EXPECT_EQ(letters_of("/a"), (Set{"0203"}));
  disk_.unmap(address, 4 * kPage);
}

TEST_F(PowerCut, AStoreIntoAPrivateMappingIsNotOnTheDisk) {
  const int fd = make("/a");
  write(fd, "old");
  disk_.fdatasync(fd);
  void* address = nullptr;
  ASSERT_EQ(disk_.map(fd, 0, kPage, true, false, &address), 0);
  const size_t before = disk_.operations();
  disk_.store(address, "new", 3);
  EXPECT_EQ(disk_.operations(), before);
  EXPECT_EQ(after(CrashMode::kKept, 0), "old");
  disk_.unmap(address, kPage);
}

TEST_F(PowerCut, ANameNeedsItsFolderFlushedNotItsFile) {
  const int fd = make("/a", false);
  write(fd, "data");
  disk_.fsync(fd);
  EXPECT_EQ(outcomes_of("/a"), (Set{"(gone)", "data"}));
  disk_.fsync(folder_);
  EXPECT_EQ(outcomes_of("/a"), (Set{"data"}));
}

TEST_F(PowerCut, ChangesOfOneFolderSurviveInTheirOrder) {
  make("/1", false);
  make("/2", false);
  disk_.rename("/1", "/3");
  disk_.unlink("/2");
  const auto look = [](MemoryKernel& disk) { return names(disk); };
  EXPECT_EQ(outcomes(look), (Set{"", "1 ", "1 2 ", "2 3 ", "3 "}));
}

TEST_F(PowerCut, ARenameIsAtomicAndKeepsTheOldFileUntilItIsThere) {
  const int old_one = make("/a");
  write(old_one, "old");
  disk_.fsync(old_one);
  const int new_one = make("/a.tmp");
  write(new_one, "new");
  disk_.fsync(new_one);
  disk_.rename("/a.tmp", "/a");
  const auto look = [](MemoryKernel& disk) { return names(disk) + contents(disk, "/a"); };
  EXPECT_EQ(outcomes(look), (Set{"a a.tmp old", "a new"}));
  disk_.fsync(folder_);
  EXPECT_EQ(outcomes(look), (Set{"a new"}));
}

TEST_F(PowerCut, ARenamedFileThatWasNotFlushedMayBeEmpty) {
  const int old_one = make("/a");
  write(old_one, "old");
  disk_.fsync(old_one);
  const int new_one = make("/a.tmp");
  write(new_one, "new");
  disk_.rename("/a.tmp", "/a");
  disk_.fsync(folder_);
  EXPECT_EQ(outcomes_of("/a"), (Set{"", "new", std::string(3, '\0')}));
}

TEST_F(PowerCut, AMoveBetweenFoldersNeverDoublesNorLosesTheFile) {
  disk_.mkdir("/d", 0755);
  const int fd = make("/a");
  write(fd, "x");
  disk_.fsync(fd);
  const int inner = disk_.open("/d", O_RDONLY, 0);
  make("/z", false);
  disk_.rename("/a", "/d/a");
  make("/d/b", false);
  const auto look = [](MemoryKernel& disk) { return names(disk) + "| " + names(disk, "/d"); };
  EXPECT_EQ(outcomes(look), (Set{"a d | ", "a d z | ", "d z | a ", "d z | a b "}));
  // Flushing one of the two folders takes the move along, and what came before it in the other.
  disk_.fsync(inner);
  EXPECT_EQ(outcomes(look), (Set{"d z | a b "}));
}

TEST_F(PowerCut, AFolderThatWasNotFlushedTakesItsFilesWithIt) {
  disk_.mkdir("/d", 0755);
  const int inner = disk_.open("/d", O_RDONLY, 0);
  make("/d/a", false);
  disk_.fsync(inner);
  const auto look = [](MemoryKernel& disk) { return names(disk) + "| " + names(disk, "/d"); };
  EXPECT_EQ(outcomes(look), (Set{"| (gone)", "d | a "}));
}

TEST_F(PowerCut, TheMomentIsBeforeTheOperation) {
  const int fd = make("/a");
  write(fd, "x");
  const size_t before = disk_.operations();
  disk_.fdatasync(fd);
  EXPECT_EQ(contents(*disk_.crash(before, CrashMode::kLost, 0), "/a"), "");
  EXPECT_EQ(contents(*disk_.crash(before + 1, CrashMode::kLost, 0), "/a"), "x");
  EXPECT_EQ(names(*disk_.crash(0, CrashMode::kKept, 0)), "");
}

TEST_F(PowerCut, TheSameThreeNumbersGiveTheSameState) {
  const int fd = make("/a");
  write(fd, std::string(20 * kPage, 'x'));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(after(CrashMode::kSampled, seed), after(CrashMode::kSampled, seed));
  }
}

TEST_F(PowerCut, OneChangeAloneIsLostOrKeptForSomeSeed) {
  const int fd = make("/a");
  write(fd, std::string(6 * kPage, 'o'));
  disk_.fdatasync(fd);
  for (uint64_t page = 0; page < 6; ++page) write(fd, "n", page * kPage);
  const Set found = letters_of("/a");
  for (size_t page = 0; page < 6; ++page) {
    std::string one_lost(6, 'n');
    std::string one_kept(6, 'o');
    one_lost[page] = 'o';
    one_kept[page] = 'n';
    EXPECT_TRUE(found.count(one_lost)) << one_lost;
    EXPECT_TRUE(found.count(one_kept)) << one_kept;
  }
}

TEST_F(PowerCut, ACrashedDiskWorksAndCanCrashAgain) {
  const int fd = make("/a");
  write(fd, "one");
  disk_.fsync(fd);
  auto second = disk_.crash(disk_.operations(), CrashMode::kLost, 0);
  const int again = second->open("/a", O_RDWR, 0);
  ASSERT_EQ(second->pwrite(again, "two", 3, 3), 3);
  EXPECT_EQ(contents(*second->crash(second->operations(), CrashMode::kLost, 0), "/a"), "one");
  EXPECT_EQ(contents(*second->crash(second->operations(), CrashMode::kKept, 0), "/a"), "onetwo");
  second->fdatasync(again);
  EXPECT_EQ(contents(*second->crash(second->operations(), CrashMode::kLost, 0), "/a"), "onetwo");
  EXPECT_EQ(contents(disk_, "/a"), "one");  // the first one goes on unchanged
  // New files do not collide with those from before.
  const int other = second->open("/b", O_RDWR | O_CREAT, 0644);
  ASSERT_EQ(second->pwrite(other, "other", 5, 0), 5);
  EXPECT_EQ(contents(*second, "/a"), "onetwo");
}

TEST_F(PowerCut, ForgettingMakesAllOfItFlushed) {
  const int fd = make("/a", false);
  write(fd, "data");
  disk_.forget();
  EXPECT_EQ(disk_.operations(), 0U);
  EXPECT_EQ(after(CrashMode::kLost, 0), "data");
  write(fd, "D");
  EXPECT_EQ(outcomes_of("/a"), (Set{"data", "Data"}));
}

TEST_F(PowerCut, BlocksAreCountedAfterIt) {
  const int fd = make("/a");
  disk_.allocate(fd, 0, 4 * kPage);
  disk_.fsync(fd);
  EXPECT_EQ(disk_.crash(disk_.operations(), CrashMode::kLost, 0)->used_bytes(), 4 * kPage);
  disk_.unlink("/a");
  EXPECT_EQ(disk_.crash(disk_.operations(), CrashMode::kKept, 0)->used_bytes(), 0U);
  EXPECT_EQ(disk_.crash(disk_.operations(), CrashMode::kLost, 0)->used_bytes(), 4 * kPage);
}

TEST_F(PowerCut, NothingThatWasNeverThereAppears) {
  // Each write of a page puts one letter all over it; whatever survives, a sector is one letter or zeros.
  const int fd = make("/a");
  void* address = nullptr;
  disk_.allocate(fd, 0, 8 * kPage);
  ASSERT_EQ(disk_.map(fd, 0, 8 * kPage, true, true, &address), 0);
  for (int i = 0; i < 60; ++i) {
    const std::string bytes(kPage, static_cast<char>('a' + i % 26));
    disk_.store(static_cast<char*>(address) + (i * 5 % 8) * kPage, bytes.data(), bytes.size());
    if (i % 9 == 0) disk_.msync(static_cast<char*>(address) + (i % 4) * kPage, 3 * kPage);
    if (i % 17 == 0) disk_.fdatasync(fd);
  }
  for (uint64_t seed = 0; seed < 300; ++seed) {
    auto after = disk_.crash(seed % (disk_.operations() + 1), CrashMode::kSampled, seed);
    const std::string found = contents(*after, "/a");
    if (found == "(gone)") continue;
    for (size_t at = 0; at + kDiskSectorBytes <= found.size(); at += kDiskSectorBytes) {
      ASSERT_EQ(found.substr(at, kDiskSectorBytes), std::string(kDiskSectorBytes, found[at]));
    }
  }
  disk_.unmap(address, 8 * kPage);
}

}  // namespace
}  // namespace varve
