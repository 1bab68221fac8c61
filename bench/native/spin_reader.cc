// spin_reader: a live reader that never sleeps, to measure how soon another process can see an append.
//
//   spin_reader FOLDER VALUE_BYTES BATCH_BYTES
//
// Follows the log in FOLDER by its table of tails. Every batch holds one record without key and headers, whose value of
// VALUE_BYTES begins with the time at which it was due (a double, nanoseconds of CLOCK_MONOTONIC); all batches are
// BATCH_BYTES long and stand in the first segment. Prints `ready `, then, after a value that begins with -1, the delays
// in nanoseconds as a JSON array.
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "file/kernel.h"
#include "tail/tail_table.h"

namespace {

constexpr double kEndMark = -1;

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

int fail(const char* what) {
  std::fprintf(stderr, "spin_reader: %s\n", what);
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return fail("usage: spin_reader FOLDER VALUE_BYTES BATCH_BYTES");
  const std::string folder = arguments[1];
  const int64_t value_bytes = std::atoll(arguments[2]);
  const int64_t batch_bytes = std::atoll(arguments[3]);
  // The operating system's kernel object lives as long as the process: nothing to be freed.
  std::shared_ptr<varve::Kernel> kernel(std::shared_ptr<void>(), &varve::real_kernel());
  std::shared_ptr<varve::TailTable> tails;
  if (!varve::TailTable::open(kernel, folder + "/varve-tails", varve::TailTable::Access::kRead, &tails).ok()) {
    return fail("no table of tails");
  }
  uint32_t index = 0;
  if (!tails->slot_of("", &index).ok()) return fail("no slot");
  const varve::TailSlot* slot = tails->slot(index);
  const int file = open((folder + "/00000000000000000000.log").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail("no segment");

  varve::TailView view;
  while (!slot->read(&view)) {
  }
  int64_t position = view.fields.end_position < 0 ? 0 : view.fields.end_position;
  uint64_t version = view.version;
  std::vector<double> delays;
  delays.reserve(1 << 20);
  std::printf("ready ");
  std::fflush(stdout);
  for (;;) {
    if (slot->version() == version || !slot->read(&view)) continue;
    version = view.version;
    for (; position < view.fields.end_position; position += batch_bytes) {
      double due = 0;
      // The header count, one byte, is all that follows a value.
      const int64_t value_at = position + batch_bytes - 1 - value_bytes;
      if (pread(file, &due, sizeof due, value_at) != sizeof due) return fail("cannot read the segment");
      if (due == kEndMark) {
        const char* separator = "[";
        for (double delay : delays) {
          std::printf("%s%.0f", separator, delay);
          separator = ",";
        }
        std::printf(delays.empty() ? "[]" : "]");
        return 0;
      }
      delays.push_back(now() - due);
    }
  }
}
