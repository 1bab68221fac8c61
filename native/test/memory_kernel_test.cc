// The simulated disk as a file system: it must answer like the real one.
#include "file/memory_kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "test/test_folder.h"

namespace varve {
namespace {

// ---- Against the real one: the same random script on both, every answer and the whole tree compared.

class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed) {}
  uint32_t below(uint32_t count) {
    state_ = state_ * 1664525 + 1013904223;
    return static_cast<uint32_t>((uint64_t{state_ >> 8} * count) >> 24);
  }

 private:
  uint32_t state_;
};

// Everything under a folder as text: names, sizes, contents.
std::string tree(Kernel& kernel, const std::string& root, const std::string& path) {
  std::vector<FolderEntry> entries;
  std::string text;
  if (kernel.list((root + path).c_str(), &entries) != 0) return "(no list)";
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const FolderEntry& entry : entries) {
    const std::string inner = path + "/" + entry.name;
    if (entry.folder) {
      text += inner + "/\n" + tree(kernel, root, inner);
      continue;
    }
    FileFacts facts;
    kernel.stat((root + inner).c_str(), &facts);
    std::string bytes(facts.size, '?');
    const int fd = kernel.open((root + inner).c_str(), O_RDONLY, 0);
    const int64_t got = kernel.pread(fd, bytes.data(), bytes.size(), 0);
    kernel.close(fd);
    EXPECT_EQ(got, static_cast<int64_t>(facts.size));
    text += inner + " " + std::to_string(facts.size) + " " + std::to_string(std::hash<std::string>{}(bytes)) + "\n";
  }
  return text;
}

class Twin {
 public:
  Twin(Kernel& kernel, std::string root) : kernel_(kernel), root_(std::move(root)) {}
  ~Twin() {
    for (int fd : fds_) kernel_.close(fd);
    for (const auto& [address, length] : maps_) kernel_.unmap(address, length);
  }

  // One step; the answer, with descriptors made comparable.
  std::string step(Random random) {
    const char* const names[] = {"/a", "/b", "/c", "/d", "/d/a", "/d/b", "/e", "/e/a", "/d/e", "/d/e/f", "/a/x"};
    const auto name = [&] { return root_ + names[random.below(sizeof names / sizeof *names)]; };
    const uint32_t which = random.below(16);
    const auto fd = [&] { return fds_.empty() ? -1 : fds_[random.below(static_cast<uint32_t>(fds_.size()))]; };
    const auto text = [](const char* call, int64_t answer) { return std::string(call) + " " + std::to_string(answer); };
    switch (which) {
      case 0:
      case 1:
      case 2: {
        const int flags[] = {O_RDWR | O_CREAT,          O_RDWR,   O_RDONLY,
                             O_RDWR | O_CREAT | O_EXCL, O_WRONLY, O_RDWR | O_TRUNC,
                             O_RDONLY | O_DIRECTORY};
        const std::string path = name();
        const int opened = kernel_.open(path.c_str(), flags[random.below(7)], 0644);
        if (opened >= 0) fds_.push_back(opened);
        return text("open", std::min(opened, 0));
      }
      case 3: {
        if (fds_.empty()) return "nothing";
        const uint32_t index = random.below(static_cast<uint32_t>(fds_.size()));
        const int answer = kernel_.close(fds_[index]);
        fds_.erase(fds_.begin() + index);
        return text("close", answer);
      }
      case 4:
      case 5: {
        const std::string bytes(random.below(9000), static_cast<char>('a' + random.below(26)));
        const uint32_t position = random.below(20000);
        return text("pwrite", kernel_.pwrite(fd(), bytes.data(), bytes.size(), position));
      }
      case 6: {
        std::string bytes(random.below(9000), '?');
        const uint32_t position = random.below(30000);
        const int64_t got = kernel_.pread(fd(), bytes.data(), bytes.size(), position);
        bytes.resize(static_cast<size_t>(std::max<int64_t>(got, 0)));
        return text("pread", got) + " " + std::to_string(std::hash<std::string>{}(bytes));
      }
      case 7:
        return text("ftruncate", kernel_.ftruncate(fd(), random.below(30000)));
      case 8: {
        const uint32_t position = random.below(20000);
        return text("allocate", kernel_.allocate(fd(), position, random.below(20000)));
      }
      case 9: {
        const std::string from = name();
        return text("rename", kernel_.rename(from.c_str(), name().c_str()));
      }
      case 10:
        return text("unlink", kernel_.unlink(name().c_str()));
      case 11: {
        const std::string from = name();
        return text("link", kernel_.link(from.c_str(), name().c_str()));
      }
      case 12:
        return text("mkdir", kernel_.mkdir(name().c_str(), 0755));
      case 13:
        return text("rmdir", kernel_.rmdir(name().c_str()));
      case 14: {
        FileFacts facts;
        const int answer = kernel_.fstat(fd(), &facts);
        return text("fstat", answer) + (answer == 0 && !facts.folder ? " " + std::to_string(facts.size) : "");
      }
      default:
        return store(fd(), random);
    }
  }

  std::string all() { return tree(kernel_, root_, ""); }

 private:
  // Maps, stores into what the file has, keeps the map.
  std::string store(int fd, Random random) {
    FileFacts facts;
    if (kernel_.fstat(fd, &facts) != 0 || facts.folder || facts.size == 0) return "nothing";
    void* address = nullptr;
    const size_t length = 64 * 1024;
    const int answer = kernel_.map(fd, 0, length, true, true, &address);
    if (answer < 0) return "map " + std::to_string(answer);
    maps_.emplace_back(address, length);
    const std::string bytes(std::min<uint64_t>(facts.size, random.below(5000)), 'M');
    const uint64_t at = facts.size - bytes.size();
    return "store " + std::to_string(kernel_.store(static_cast<char*>(address) + at, bytes.data(), bytes.size()));
  }

  Kernel& kernel_;
  std::string root_;
  std::vector<int> fds_;
  std::vector<std::pair<void*, size_t>> maps_;
};

TEST(MemoryKernel, AnswersLikeTheRealOneOnRandomScripts) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    TestFolder folder;
    MemoryKernel disk;
    Twin simulated(disk, "");
    Twin real(real_kernel(), folder.path());
    Random random(seed);
    for (int i = 0; i < 250; ++i) {
      const Random step = Random(random.below(1 << 24));
      ASSERT_EQ(simulated.step(step), real.step(step)) << "seed " << seed << " step " << i;
      if (i % 25 == 24) {
        ASSERT_EQ(simulated.all(), real.all()) << "seed " << seed << " step " << i;
      }
    }
  }
}

// ---- What a random script does not reach

TEST(MemoryKernel, UsedSpaceFollowsTheFiles) {
  MemoryKernel disk;
  const int fd = disk.open("/a", O_RDWR | O_CREAT, 0644);
  EXPECT_EQ(disk.used_bytes(), 0U);
  disk.pwrite(fd, "x", 1, 5000);
  EXPECT_EQ(disk.used_bytes(), 4096U);
  disk.allocate(fd, 0, 20000);
  EXPECT_EQ(disk.used_bytes(), 20480U);
  disk.ftruncate(fd, 4097);
  EXPECT_EQ(disk.used_bytes(), 8192U);
  disk.unlink("/a");
  EXPECT_EQ(disk.used_bytes(), 8192U);  // still open
  disk.close(fd);
  EXPECT_EQ(disk.used_bytes(), 0U);
}

TEST(MemoryKernel, AFullDiskRefusesWhatNeedsBlocksAndNothingElse) {
  MemoryKernel disk;
  disk.set_capacity_bytes(16384);
  const int fd = disk.open("/a", O_RDWR | O_CREAT, 0644);
  EXPECT_EQ(disk.allocate(fd, 0, 16385), -ENOSPC);
  disk.ftruncate(fd, 0);
  EXPECT_EQ(disk.used_bytes(), 16384U) << "blocks past the end stay until the file shrinks, as on a real disk";
  disk.unlink("/a");
  disk.close(fd);

  const int other = disk.open("/b", O_RDWR | O_CREAT, 0644);
  const std::string bytes(20000, 'x');
  EXPECT_EQ(disk.pwrite(other, bytes.data(), bytes.size(), 100), 16384 - 100);
  EXPECT_EQ(disk.pwrite(other, bytes.data(), 1, 16384), -ENOSPC);
  EXPECT_EQ(disk.pwrite(other, bytes.data(), 16384, 0), 16384);  // in place
  EXPECT_EQ(disk.free_bytes("/"), 0U);
  EXPECT_EQ(disk.ftruncate(other, 1 << 20), 0);  // a hole needs nothing

  void* address = nullptr;
  ASSERT_EQ(disk.map(other, 0, 1 << 20, true, true, &address), 0);
  char* mapped = static_cast<char*>(address);
  EXPECT_EQ(disk.store(mapped, "y", 1), 0);
  EXPECT_EQ(disk.store(mapped + 16384, "y", 1), -EFAULT);  // a hole, and no block to fill it
  EXPECT_EQ(disk.advise(mapped + 16384, 4096, Advice::kPopulateWrite), -EFAULT);
  EXPECT_EQ(disk.advise(mapped + 16384, 4096, Advice::kPopulateRead), 0);
  disk.set_capacity_bytes(1 << 20);
  EXPECT_EQ(disk.store(mapped + 16384, "y", 1), 0);
  EXPECT_EQ(disk.unmap(address, 1 << 20), 0);
}

TEST(MemoryKernel, AnUnlinkedFileLivesWhileItIsOpenOrMapped) {
  MemoryKernel disk;
  const int fd = disk.open("/a", O_RDWR | O_CREAT, 0644);
  disk.pwrite(fd, "hello", 5, 0);
  void* address = nullptr;
  ASSERT_EQ(disk.map(fd, 0, 4096, false, true, &address), 0);
  disk.unlink("/a");
  FileFacts facts;
  EXPECT_EQ(disk.stat("/a", &facts), -ENOENT);
  char bytes[5];
  EXPECT_EQ(disk.pread(fd, bytes, 5, 0), 5);
  disk.close(fd);
  EXPECT_EQ(disk.load(bytes, address, 5), 0);
  EXPECT_EQ(std::memcmp(bytes, "hello", 5), 0);
  EXPECT_NE(disk.used_bytes(), 0U);
  disk.unmap(address, 4096);
  EXPECT_EQ(disk.used_bytes(), 0U);
}

TEST(MemoryKernel, RelativePathsAndDotsLeadWhereTheyShould) {
  MemoryKernel disk;
  ASSERT_EQ(disk.mkdir("d", 0755), 0);
  ASSERT_EQ(disk.close(disk.open("./d//../d/x", O_RDWR | O_CREAT, 0644)), 0);
  FileFacts facts;
  EXPECT_EQ(disk.stat("/d/x", &facts), 0);
  EXPECT_EQ(disk.stat("/../d/x", &facts), 0);
  EXPECT_EQ(disk.stat("/d/x/y", &facts), -ENOTDIR);
  EXPECT_EQ(disk.stat((std::string("/") + std::string(256, 'n')).c_str(), &facts), -ENAMETOOLONG);
}

TEST(MemoryKernel, AStrayDescriptorOrAddressIsAnErrorNotAnAccident) {
  MemoryKernel disk;
  char byte;
  EXPECT_EQ(disk.pread(0, &byte, 1, 0), -EBADF);
  EXPECT_EQ(disk.pread(1 << 20, &byte, 1, 0), -EBADF);
  EXPECT_EQ(disk.store(&byte, "x", 1), -EFAULT);
  EXPECT_EQ(disk.load(&byte, "x", 1), -EFAULT);
  EXPECT_EQ(disk.unmap(&byte, 1), -EINVAL);
  const int fd = disk.open("/a", O_RDONLY | O_CREAT, 0644);
  EXPECT_EQ(disk.pwrite(fd, "x", 1, 0), -EBADF);
  void* address;
  EXPECT_EQ(disk.map(fd, 0, 4096, true, true, &address), -EACCES);
}

TEST(MemoryKernel, ThreadsMayUseItAtOnce) {
  MemoryKernel disk;
  const int fd = disk.open("/shared", O_RDWR | O_CREAT, 0644);
  disk.allocate(fd, 0, 4 * 4096);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string own = "/own" + std::to_string(t);
      void* address = nullptr;
      ASSERT_EQ(disk.map(fd, 0, 4 * 4096, true, true, &address), 0);
      for (int i = 0; i < 100; ++i) {
        const int mine = disk.open(own.c_str(), O_RDWR | O_CREAT, 0644);
        ASSERT_GE(mine, 0);
        ASSERT_EQ(disk.pwrite(mine, "x", 1, 0), 1);
        ASSERT_EQ(disk.store(static_cast<char*>(address) + t * 4096, "y", 1), 0);
        ASSERT_EQ(disk.fdatasync(mine), 0);
        ASSERT_EQ(disk.close(mine), 0);
        if (i % 10 == 0) (void)disk.crash(disk.operations(), CrashMode::kSampled, static_cast<uint64_t>(i));
      }
      disk.unmap(address, 4 * 4096);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace varve
