// Every CRC-32C of this machine against the portable one, over any bytes, any start and any split.
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "base/check.h"
#include "base/crc32c.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using varve::check;
  const size_t skip = size == 0 ? 0 : data[0] % 16U;
  if (size < 2 + skip) return 0;
  const uint8_t* bytes = data + 2 + skip;
  const size_t length = size - 2 - skip;
  const size_t split = length == 0 ? 0 : data[1] % (length + 1);
  const uint32_t expected = varve::crc32c_portable(bytes, length);
  for (const char* kind : {"pclmul", "sse4.2", "armv8"}) {
    uint32_t crc = 0;
    if (!varve::crc32c_with(kind, bytes, split, 0, &crc)) continue;
    varve::crc32c_with(kind, bytes + split, length - split, crc, &crc);
    check(crc == expected, "two implementations of CRC-32C differ");
  }
  return 0;
}
