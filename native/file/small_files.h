// Small files: checkpoints, snapshots and other files that are read and written whole.
//
// Threads: all of it from anywhere; two writers of one path are the caller's mistake (they share the `.tmp` name).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "file/kernel.h"

namespace varve {

// The whole file. Fails with kInvalidArgument when it is larger than `max_bytes`: a claimed size reserves nothing.
Status read_whole(Kernel& kernel, const std::string& path, uint64_t max_bytes, std::vector<uint8_t>* bytes);

// The file anew, all or nothing: `<path>.tmp` is written and flushed, renamed over `path`, and the folder is flushed.
// After a failure the old file, or the new one, is there whole; a `.tmp` may be left and is overwritten next time.
Status replace_file(Kernel& kernel, const std::string& path, const void* bytes, size_t length);

// Writes in place at `position` into an existing or new file. With `sync` it is on disk afterwards, and so is the
// file's name when the file is new. Not atomic: for formats with slots of their own.
Status write_file_at(Kernel& kernel, const std::string& path, uint64_t position, const void* bytes, size_t length,
                     bool sync);

// Makes files created, renamed and removed in the folder before this call survive a power cut.
Status sync_folder(Kernel& kernel, const std::string& path);

// "a/b" for "a/b/c", "." for "c", "/" for "/c".
std::string parent_folder(const std::string& path);

}  // namespace varve
