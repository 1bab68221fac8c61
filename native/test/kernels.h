// The kernels that a test of File, Mapping, ... runs on: the real one and the simulated disk, which must not differ.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "file/kernel.h"
#include "file/memory_kernel.h"
#include "test/test_folder.h"

namespace varve {

// Parameter: "real" or "memory". `kernel()` has an empty folder `path()`.
class OnEachKernel : public ::testing::TestWithParam<const char*> {
 protected:
  OnEachKernel() {
    if (std::string(GetParam()) == "memory") {
      memory_ = std::make_unique<MemoryKernel>();
      memory_->mkdir("/test", 0755);
    } else {
      folder_ = std::make_unique<TestFolder>();
    }
  }

  Kernel& kernel() { return memory_ != nullptr ? static_cast<Kernel&>(*memory_) : real_kernel(); }
  MemoryKernel* memory() { return memory_.get(); }  // nullptr on the real one
  std::string file(const std::string& name) const { return path() + "/" + name; }
  std::string path() const { return memory_ != nullptr ? "/test" : folder_->path(); }

 private:
  std::unique_ptr<MemoryKernel> memory_;
  std::unique_ptr<TestFolder> folder_;
};

#define VARVE_ON_EACH_KERNEL(suite)                                             \
  INSTANTIATE_TEST_SUITE_P(Kernels, suite, ::testing::Values("real", "memory"), \
                           [](const auto& param) { return std::string(param.param); })

}  // namespace varve
