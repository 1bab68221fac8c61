// Simulated disks and injected faults, for the tests of everything above.
#include "binding/arguments.h"
#include "binding/calls.h"
#include "file/faulty_kernel.h"
#include "file/memory_kernel.h"

namespace varve {

namespace {

// A layer and the kernel under it, which has to outlive it.
struct FaultyLayer {
  std::shared_ptr<Kernel> under;
  FaultyKernel kernel;

  FaultyLayer(std::shared_ptr<Kernel> below, MemoryKernel& disk) : under(std::move(below)), kernel(disk) {}
  explicit FaultyLayer(std::shared_ptr<Kernel> below) : under(std::move(below)), kernel(*under) {}
};

Napi::Value kernel_memory(const Napi::CallbackInfo& info) {
  Environment& environment = *static_cast<Environment*>(info.Data());
  auto disk = std::make_shared<MemoryKernel>();
  MemoryKernel* memory = disk.get();
  auto handle = std::make_shared<KernelHandle>(KernelHandle{std::move(disk), memory, nullptr});
  return answer_handle(environment, environment.kernels.insert(std::move(handle)));
}

Napi::Value kernel_faulty(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Environment& environment = arguments.environment();
  std::shared_ptr<Kernel> under = arguments.kernel(0);
  double number = arguments.number(0, "kernel");
  if (!arguments.good()) return arguments.refusal(0);
  KernelHandle* below = environment.kernels.find(number);
  std::shared_ptr<FaultyLayer> layer = below != nullptr && below->memory != nullptr
                                           ? std::make_shared<FaultyLayer>(std::move(under), *below->memory)
                                           : std::make_shared<FaultyLayer>(std::move(under));
  FaultyKernel* faulty = &layer->kernel;
  auto handle =
      std::make_shared<KernelHandle>(KernelHandle{std::shared_ptr<Kernel>(std::move(layer), faulty), nullptr, faulty});
  return answer_handle(environment, environment.kernels.insert(std::move(handle)));
}

// A handle of a kernel that must be a layer of faults, or a simulated disk.
std::shared_ptr<KernelHandle> faulty_argument(Arguments& arguments) {
  std::shared_ptr<KernelHandle> handle = arguments.handle(0, arguments.environment().kernels, "kernel");
  if (arguments.good() && handle->faulty == nullptr) arguments.refuse(Code::kInvalidArgument, "no faulty kernel");
  return handle;
}

std::shared_ptr<KernelHandle> memory_argument(Arguments& arguments) {
  std::shared_ptr<KernelHandle> handle = arguments.handle(0, arguments.environment().kernels, "kernel");
  if (arguments.good() && handle->memory == nullptr) arguments.refuse(Code::kInvalidArgument, "no simulated disk");
  return handle;
}

Napi::Value kernel_arm(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<KernelHandle> handle = faulty_argument(arguments);
  Fault fault;
  fault.at = static_cast<uint64_t>(arguments.integer(1, "at"));
  std::string kind = arguments.text(2, "kind");
  std::string calls = arguments.text(3, "calls");
  fault.for_good = arguments.boolean(4, "forGood");
  // A fault that never comes needs no kind.
  if (arguments.good() && !(fault.at == 0 && kind.empty()) && !parse_fault_kind(kind, &fault)) {
    arguments.refuse(Code::kInvalidArgument, "kind of fault");
  }
  if (arguments.good() && !parse_calls(calls, &fault.calls)) arguments.refuse(Code::kInvalidArgument, "calls");
  if (!arguments.good()) return arguments.refusal();
  handle->faulty->arm(fault);
  return answer(arguments.environment(), Status::success());
}

Napi::Value kernel_calls(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<KernelHandle> handle = faulty_argument(arguments);
  if (!arguments.good()) return arguments.refusal(-1);
  return answer_number(arguments.environment(), static_cast<double>(handle->faulty->calls()));
}

Napi::Value kernel_operations(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<KernelHandle> handle = memory_argument(arguments);
  if (!arguments.good()) return arguments.refusal(-1);
  return answer_number(arguments.environment(), static_cast<double>(handle->memory->operations()));
}

Napi::Value kernel_describe(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<KernelHandle> handle = memory_argument(arguments);
  int64_t operation = arguments.integer(1, "operation");
  if (arguments.good() && static_cast<size_t>(operation) >= handle->memory->operations()) {
    arguments.refuse(Code::kInvalidArgument, "operation");
  }
  if (!arguments.good()) {
    (void)arguments.refusal();
    return info.Env().Undefined();
  }
  return Napi::String::New(info.Env(), handle->memory->describe(static_cast<size_t>(operation)));
}

Napi::Value kernel_crash(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Environment& environment = arguments.environment();
  std::shared_ptr<KernelHandle> handle = memory_argument(arguments);
  int64_t at = arguments.integer(1, "at");
  int64_t mode = arguments.integer(2, "mode", 0, static_cast<int64_t>(CrashMode::kSampled));
  int64_t seed = arguments.integer(3, "seed");
  if (arguments.good() && static_cast<size_t>(at) > handle->memory->operations()) {
    arguments.refuse(Code::kInvalidArgument, "operation");
  }
  if (!arguments.good()) return arguments.refusal(0);
  std::shared_ptr<MemoryKernel> after =
      handle->memory->crash(static_cast<size_t>(at), static_cast<CrashMode>(mode), static_cast<uint64_t>(seed));
  MemoryKernel* memory = after.get();
  auto crashed = std::make_shared<KernelHandle>(KernelHandle{std::move(after), memory, nullptr});
  return answer_handle(environment, environment.kernels.insert(std::move(crashed)));
}

Napi::Value kernel_capacity(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<KernelHandle> handle = memory_argument(arguments);
  int64_t bytes = arguments.integer(1, "bytes");
  if (!arguments.good()) return arguments.refusal();
  handle->memory->set_capacity_bytes(static_cast<uint64_t>(bytes));
  return answer(arguments.environment(), Status::success());
}

Napi::Value kernel_close(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  double number = arguments.number(0, "kernel");
  if (arguments.good() && arguments.environment().kernels.remove(number) == nullptr) {
    arguments.refuse(Code::kClosed, "kernel");
  }
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), Status::success());
}

}  // namespace

void add_kernel_calls(Environment& environment, Napi::Object exports) {
  add_function<kernel_memory>(environment, exports, "kernelMemory");
  add_function<kernel_faulty>(environment, exports, "kernelFaulty");
  add_function<kernel_arm>(environment, exports, "kernelArm");
  add_function<kernel_calls>(environment, exports, "kernelCalls");
  add_function<kernel_operations>(environment, exports, "kernelOperations");
  add_function<kernel_describe>(environment, exports, "kernelDescribe");
  add_function<kernel_crash>(environment, exports, "kernelCrash");
  add_function<kernel_capacity>(environment, exports, "kernelCapacity");
  add_function<kernel_close>(environment, exports, "kernelClose");
}

}  // namespace varve
