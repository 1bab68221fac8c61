// CRC-32C (Castagnoli: polynomial 0x1EDC6F41 reflected, as in iSCSI, ext4 and Kafka's batches), by the fastest means
// that this machine has, chosen once at the first call.
//
//   kind       machine                     how
//   pclmul     x86-64, SSE4.2 and PCLMUL   three independent `crc32` chains, joined by carry-less multiplication
//   sse4.2     x86-64, SSE4.2 only         one `crc32` chain
//   armv8      AArch64 with CRC            three `crc32cx` chains, joined by a table-free multiplication
//   portable   anything else               slice-by-8 tables
//
// Threads: everything here may be called from anywhere; nothing is changed after the first call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

// The checksum of `length` bytes, continuing from `seed`: crc32c(b, crc32c(a)) is the checksum of a followed by b.
// `seed` and answer are the finished values (the usual inversion before and after is done inside).
uint32_t crc32c(const uint8_t* bytes, size_t length, uint32_t seed = 0);

// "pclmul", "sse4.2", "armv8" or "portable".
const char* crc32c_kind();

// The single implementations, for tests and fuzzers that compare them. `crc32c_with` answers false, and leaves
// `result` alone, when this machine cannot run `kind`.
uint32_t crc32c_portable(const uint8_t* bytes, size_t length, uint32_t seed = 0);
bool crc32c_with(const char* kind, const uint8_t* bytes, size_t length, uint32_t seed, uint32_t* result);

}  // namespace varve
