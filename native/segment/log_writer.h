// LogWriter: how bytes get behind the end of an active segment's log file. Two ways, one interface: MappedLogWriter
// copies into a mapping, PwriteLogWriter calls pwrite.
//
// Invariant: behind the published end the file is zero, whatever fails here (unless a failure says otherwise by making
// every later call fail too). So a reader that steps past the last batch finds a zero length, or the end of the file.
//
// Threads: write() is the owner's; close() comes after the last one, from any thread; the counters
// may be read by any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/status.h"
#include "file/file.h"

namespace varve {

class LogWriter {
 public:
  virtual ~LogWriter() = default;

  // Writes whole batches so that a reader sees all of them or none: the length field of the first becomes visible last.
  // Room is made first (blocks and pages), so that a full disk is an answer and changes nothing; kNoSpace may be tried
  // again. `bytes` is written to meanwhile, and restored.
  virtual Status write(uint64_t position, uint8_t* bytes, size_t length) = 0;
  // Ends writing and gives mappings back.
  virtual Status close() = 0;

  virtual uint64_t stalls() const = 0;        // writes that had to wait for pages
  virtual uint64_t mapped_bytes() const = 0;  // address range held
};

struct LogWriterOptions {
  uint64_t position = 0;            // the end of what is in the file
  uint64_t segment_bytes = 0;       // the file grows no further, but for a single larger batch
  uint64_t disk_reserve_bytes = 0;  // free bytes of the disk that are left alone
  bool pretouch_on_thread = true;
};

// `file` outlives the writer. Nothing happens to the file before the first make_room().
std::unique_ptr<LogWriter> make_mapped_log_writer(const File& file, const LogWriterOptions& options);
std::unique_ptr<LogWriter> make_pwrite_log_writer(const File& file, const LogWriterOptions& options);

}  // namespace varve
