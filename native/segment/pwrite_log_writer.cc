// The plain way to write: one pwrite per append into preallocated blocks. For file systems that do not overwrite in
// place, for platforms without a way to populate pages, and for comparison.
#include <algorithm>
#include <memory>

#include "segment/log_writer.h"
#include "segment/preallocation.h"

namespace varve {

namespace {

class PwriteLogWriter final : public LogWriter {
 public:
  PwriteLogWriter(const File& file, const LogWriterOptions& options)
      : file_(file),
        segment_bytes_(options.segment_bytes),
        blocks_(file, options.position, options.disk_reserve_bytes) {}

  Status write(uint64_t position, uint8_t* bytes, size_t length) override {
    VARVE_RETURN_IF_FAILED(make_room(position, length));
    Status status = file_.write_at(position, bytes, length);
    if (status.ok()) return status;
    // Any part of it may be in the file. Nothing beyond `position` was ever published, so cutting there takes nothing
    // from a reader, and the file is again zero (or ends) behind the published end.
    Status cut = file_.truncate(position);
    failed_ = !cut.ok();
    blocks_.cut(position);
    return status;
  }

  Status close() override { return Status::success(); }
  uint64_t stalls() const override { return 0; }
  uint64_t mapped_bytes() const override { return 0; }

 private:
  Status make_room(uint64_t position, size_t length) {
    if (failed_) return Status::failure(Code::kFailed, "pwrite", file_.path(), position);
    const uint64_t end = position + length;
    if (end <= blocks_.end()) return Status::success();
    const uint64_t limit = std::max(segment_bytes_, end);
    Status status = blocks_.cover(end, limit);
    if (status.code != Code::kUnsupported) return status;
    // Without real blocks a full disk shows at the pwrite, which is undone above.
    blocks_.stop_allocating();
    return blocks_.cover(end, limit);
  }

  const File& file_;
  const uint64_t segment_bytes_;
  Preallocation blocks_;
  bool failed_ = false;  // what lies behind the end is unknown
};

}  // namespace

std::unique_ptr<LogWriter> make_pwrite_log_writer(const File& file, const LogWriterOptions& options) {
  return std::make_unique<PwriteLogWriter>(file, options);
}

}  // namespace varve
