// A folder for one test on the real disk, removed with everything in it when the test ends. Not for production code.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "file/kernel.h"

namespace varve {

class TestFolder {
 public:
  TestFolder() {
    std::string name = ::testing::TempDir() + "varve-test-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { remove(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  static void remove(const std::string& path) {
    std::vector<FolderEntry> entries;
    real_kernel().list(path.c_str(), &entries);
    for (const FolderEntry& entry : entries) {
      const std::string inner = path + "/" + entry.name;
      if (entry.folder) {
        remove(inner);
      } else {
        ::unlink(inner.c_str());
      }
    }
    ::rmdir(path.c_str());
  }

  std::string path_;
};

}  // namespace varve
