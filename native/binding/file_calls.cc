// Small files, folders and the writer's lock. None of this is hot: one system call or more each.
#include <cerrno>
#include <cstring>

#include "binding/arguments.h"
#include "binding/calls.h"
#include "file/small_files.h"

namespace varve {

namespace {

// Checkpoints and snapshots are some megabytes at most; a file that claims more is not one of ours. (V8 ends the
// process when it cannot allocate a buffer, so this is no place to be generous.)
constexpr uint64_t kReadFileBytesMax = uint64_t{1} << 28;

// Names an int answer of the kernel's: its failure, retried when interrupted.
template <typename Call>
Status once_done(const char* name, const std::string& path, Call call) {
  int result;
  do {
    result = call();
  } while (result == -EINTR);
  return result < 0 ? Status::from_errno(-result, name, path) : Status::success();
}

Napi::Value read_file(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  if (!arguments.good()) return info.Env().Undefined();
  std::vector<uint8_t> bytes;
  Status status = read_whole(*kernel, path, kReadFileBytesMax, &bytes);
  if (arguments.environment().answer(status) != 0) return info.Env().Undefined();
  Napi::Uint8Array array = Napi::Uint8Array::New(info.Env(), bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

Napi::Value replace_file_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  std::span<uint8_t> bytes = arguments.bytes(2, "bytes");
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), replace_file(*kernel, path, bytes.data(), bytes.size()));
}

Napi::Value write_file_at_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  int64_t position = arguments.integer(2, "position");
  std::span<uint8_t> bytes = arguments.bytes(3, "bytes");
  bool sync = arguments.boolean(4, "sync");
  if (!arguments.good()) return arguments.refusal();
  Status status = write_file_at(*kernel, path, static_cast<uint64_t>(position), bytes.data(), bytes.size(), sync);
  return answer(arguments.environment(), status);
}

// The same two on a helper thread, for whoever must not wait for the disk. The bytes are copied: the caller may go on.
Napi::Value replace_file_later(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  std::span<uint8_t> bytes = arguments.bytes(2, "bytes");
  double ticket = arguments.ticket(3);
  if (!arguments.good()) return arguments.refusal();
  std::vector<std::function<Status()>> jobs;
  jobs.push_back([kernel, path, copy = std::vector<uint8_t>(bytes.begin(), bytes.end())] {
    return replace_file(*kernel, path, copy.data(), copy.size());
  });
  return answer(arguments.environment(), arguments.environment().run_jobs(std::move(jobs), ticket));
}

Napi::Value write_file_at_later(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  int64_t position = arguments.integer(2, "position");
  std::span<uint8_t> bytes = arguments.bytes(3, "bytes");
  double ticket = arguments.ticket(4);
  if (!arguments.good()) return arguments.refusal();
  std::vector<std::function<Status()>> jobs;
  jobs.push_back([kernel, path, position, copy = std::vector<uint8_t>(bytes.begin(), bytes.end())] {
    return write_file_at(*kernel, path, static_cast<uint64_t>(position), copy.data(), copy.size(), true);
  });
  return answer(arguments.environment(), arguments.environment().run_jobs(std::move(jobs), ticket));
}

Napi::Value list(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  if (!arguments.good()) return info.Env().Undefined();
  std::vector<FolderEntry> entries;
  Status status = once_done("list", path, [&] { return kernel->list(path.c_str(), &entries); });
  if (arguments.environment().answer(status) != 0) return info.Env().Undefined();
  Napi::Array array = Napi::Array::New(info.Env(), entries.size());
  for (uint32_t i = 0; i < entries.size(); ++i) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("name", entries[i].name);
    entry.Set("folder", Napi::Boolean::New(info.Env(), entries[i].folder));
    array.Set(i, entry);
  }
  return array;
}

Napi::Value stat_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  if (!arguments.good()) return arguments.refusal();
  FileFacts facts;
  Status status = once_done("stat", path, [&] { return kernel->stat(path.c_str(), &facts); });
  double* cells = arguments.environment().cells();
  cells[1] = static_cast<double>(facts.size);
  cells[2] = static_cast<double>(facts.modified_ms);
  cells[3] = facts.folder ? 1 : 0;
  cells[4] = static_cast<double>(facts.inode);
  cells[5] = static_cast<double>(facts.device);
  cells[6] = static_cast<double>(facts.allocated_bytes);
  return answer(arguments.environment(), status);
}

// Calls of the shape (kernel, path).
template <typename Call>
Napi::Value on_path(const Napi::CallbackInfo& info, const char* name, Call call) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), once_done(name, path, [&] { return call(*kernel, path.c_str()); }));
}

// Calls of the shape (kernel, from, to).
template <typename Call>
Napi::Value on_two_paths(const Napi::CallbackInfo& info, const char* name, Call call) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string from = arguments.path(1, "from");
  std::string to = arguments.path(2, "to");
  if (!arguments.good()) return arguments.refusal();
  Status status = once_done(name, from, [&] { return call(*kernel, from.c_str(), to.c_str()); });
  return answer(arguments.environment(), status);
}

Napi::Value rename_call(const Napi::CallbackInfo& info) {
  return on_two_paths(info, "rename", [](Kernel& kernel, auto... paths) { return kernel.rename(paths...); });
}

Napi::Value link_call(const Napi::CallbackInfo& info) {
  return on_two_paths(info, "link", [](Kernel& kernel, auto... paths) { return kernel.link(paths...); });
}

Napi::Value remove_call(const Napi::CallbackInfo& info) {
  return on_path(info, "unlink", [](Kernel& kernel, const char* path) { return kernel.unlink(path); });
}

Napi::Value make_folder(const Napi::CallbackInfo& info) {
  return on_path(info, "mkdir", [](Kernel& kernel, const char* path) { return kernel.mkdir(path, 0777); });
}

Napi::Value remove_folder(const Napi::CallbackInfo& info) {
  return on_path(info, "rmdir", [](Kernel& kernel, const char* path) { return kernel.rmdir(path); });
}

Napi::Value sync_folder_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  if (!arguments.good()) return arguments.refusal();
  return answer(arguments.environment(), sync_folder(*kernel, path));
}

Napi::Value remove_files(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::vector<std::string> paths;
  if (arguments.good() && !info[1].IsArray()) arguments.refuse_type("paths", "an array of strings");
  if (arguments.good()) {
    Napi::Array array = info[1].As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length() && arguments.good(); ++i) {
      Napi::Value element = array.Get(i);
      if (element.IsEmpty() || !element.IsString()) {
        arguments.refuse_type("paths", "an array of strings");
        break;
      }
      std::string path = element.As<Napi::String>().Utf8Value();
      if (path.empty() || path.find('\0') != std::string::npos) arguments.refuse(Code::kInvalidArgument, "path");
      paths.push_back(std::move(path));
    }
  }
  double ticket = arguments.ticket(2);
  if (!arguments.good()) return arguments.refusal();
  std::vector<std::function<Status()>> jobs;
  jobs.push_back([kernel, paths = std::move(paths)] {
    Status first_failure;
    for (const std::string& path : paths) {
      Status status = once_done("unlink", path, [&] { return kernel->unlink(path.c_str()); });
      // What is gone already was removed before a crash: that is what was asked for.
      if (!status.ok() && status.code != Code::kNotFound && first_failure.ok()) first_failure = std::move(status);
    }
    return first_failure;
  });
  return answer(arguments.environment(), arguments.environment().run_jobs(std::move(jobs), ticket));
}

Napi::Value file_system(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  if (!arguments.good()) return info.Env().Undefined();
  std::string name;
  Status status = once_done("statfs", path, [&] { return kernel->file_system(path.c_str(), &name); });
  if (arguments.environment().answer(status) != 0) return info.Env().Undefined();
  return Napi::String::New(info.Env(), name);
}

Napi::Value free_bytes(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::shared_ptr<Kernel> kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  if (!arguments.good()) return arguments.refusal(0);
  return answer_number(arguments.environment(), static_cast<double>(kernel->free_bytes(path.c_str())));
}

Napi::Value lock(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Environment& environment = arguments.environment();
  auto held = std::make_shared<LockHandle>();
  held->kernel = arguments.kernel(0);
  std::string path = arguments.path(1, "path");
  std::string note = arguments.text(2, "note");
  if (!arguments.good()) return arguments.refusal(0);
  std::string holder_note;
  Status status = FileLock::acquire(*held->kernel, path, note, &held->lock, &holder_note);
  if (!status.ok()) {
    environment.fail(std::move(status), std::move(holder_note));
    return Napi::Number::New(info.Env(), 0);
  }
  uint32_t handle = environment.locks.insert(std::move(held));
  return answer_handle(environment, handle);
}

Napi::Value unlock(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  double handle = arguments.number(0, "lock");
  if (!arguments.good()) return arguments.refusal();
  std::shared_ptr<LockHandle> held = arguments.environment().locks.remove(handle);
  if (held == nullptr) {
    arguments.refuse(Code::kClosed, "lock");
    return arguments.refusal();
  }
  return answer(arguments.environment(), held->lock.release());
}

}  // namespace

void add_file_calls(Environment& environment, Napi::Object exports) {
  add_function<read_file>(environment, exports, "readFile");
  add_function<replace_file_call>(environment, exports, "replaceFile");
  add_function<write_file_at_call>(environment, exports, "writeFileAt");
  add_function<replace_file_later>(environment, exports, "replaceFileLater");
  add_function<write_file_at_later>(environment, exports, "writeFileAtLater");
  add_function<list>(environment, exports, "list");
  add_function<stat_call>(environment, exports, "stat");
  add_function<rename_call>(environment, exports, "rename");
  add_function<remove_call>(environment, exports, "remove");
  add_function<make_folder>(environment, exports, "makeFolder");
  add_function<remove_folder>(environment, exports, "removeFolder");
  add_function<link_call>(environment, exports, "link");
  add_function<sync_folder_call>(environment, exports, "syncFolder");
  add_function<remove_files>(environment, exports, "removeFiles");
  add_function<file_system>(environment, exports, "fileSystem");
  add_function<free_bytes>(environment, exports, "freeBytes");
  add_function<lock>(environment, exports, "lock");
  add_function<unlock>(environment, exports, "unlock");
}

}  // namespace varve
