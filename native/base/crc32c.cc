#include "base/crc32c.h"

#include <array>
#include <cstring>

#include "base/byte_order.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace varve {
namespace {

// Polynomials over GF(2) of degree below 32 are kept reflected, as the checksum itself is: bit 31 is the coefficient
// of x^0, bit 0 that of x^31.
constexpr uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41 reflected, without x^32

constexpr uint32_t times_x(uint32_t a) { return (a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0); }

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 0x80000000U; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = times_x(b);
  }
  return product;
}

constexpr uint32_t x_to_the(uint64_t exponent) {
  uint32_t result = 0x80000000U;  // x^0
  uint32_t square = 0x40000000U;  // x^1
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

// ---- Portable: eight bytes a step, one table for each byte's distance from the end of the step.

using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = times_x(crc);
    tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (size_t distance = 1; distance < 8; ++distance) {
      const uint32_t previous = tables[distance - 1][byte];
      tables[distance][byte] = (previous >> 8) ^ tables[0][previous & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();
static_assert(kTables[0][1] == 0xF26B8303, "the first entry of every published CRC-32C table");

uint64_t load_le64(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = swap_bytes(value);
  return value;
}

// All implementations below work on the inverted checksum; crc32c() inverts before and after.
uint32_t portable(const uint8_t* bytes, size_t length, uint32_t crc) {
  for (; length >= 8; bytes += 8, length -= 8) {
    const uint64_t word = load_le64(bytes) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xFF];
  }
  for (; length != 0; ++bytes, --length) crc = (crc >> 8) ^ kTables[0][(crc ^ *bytes) & 0xFF];
  return crc;
}

// Inputs go in three lanes side by side, because the `crc32` instruction takes one new operand a cycle but needs three
// for its result. Whole lanes of this length amortize a join (3 KiB for one); what is left goes in lanes as long as it
// allows.
constexpr size_t kLaneBytes = 1024;

#if defined(__x86_64__)

#define VARVE_SSE42 __attribute__((target("sse4.2")))
#define VARVE_PCLMUL __attribute__((target("sse4.2,pclmul")))

VARVE_SSE42 inline uint64_t step64(uint64_t crc, const uint8_t* bytes) { return _mm_crc32_u64(crc, load_le64(bytes)); }

VARVE_SSE42 uint32_t sse42(const uint8_t* bytes, size_t length, uint32_t start) {
  uint64_t crc = start;
  for (; length >= 8; bytes += 8, length -= 8) crc = step64(crc, bytes);
  uint32_t narrow = static_cast<uint32_t>(crc);
  if ((length & 4) != 0) {
    uint32_t word;
    std::memcpy(&word, bytes, sizeof word);
    narrow = _mm_crc32_u32(narrow, word);
    bytes += 4;
  }
  if ((length & 2) != 0) {
    uint16_t word;
    std::memcpy(&word, bytes, sizeof word);
    narrow = _mm_crc32_u16(narrow, word);
    bytes += 2;
  }
  return (length & 1) != 0 ? _mm_crc32_u8(narrow, *bytes) : narrow;
}

// kAdvance[n - 1] moves a checksum past n words of zeros: see advance().
constexpr size_t kAdvanceMax = 2 * kLaneBytes / 8;
constexpr std::array<uint32_t, kAdvanceMax> make_advance() {
  std::array<uint32_t, kAdvanceMax> factors{};
  constexpr uint32_t kWord = x_to_the(64);
  factors[0] = x_to_the(64 - 33);
  for (size_t n = 1; n < kAdvanceMax; ++n) factors[n] = multiply(factors[n - 1], kWord);
  return factors;
}
constexpr std::array<uint32_t, kAdvanceMax> kAdvance = make_advance();

// crc times x^(64 * words): the checksum as it would be so many words of zeros later.
// A carry-less product of two reflected 32-bit polynomials is, read as a reflected 64-bit one, their product times x;
// the instruction then multiplies it by x^32 and reduces. So the factor is x^(64 * words - 33).
VARVE_PCLMUL inline uint64_t advance(uint64_t crc, size_t words) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(crc)), _mm_cvtsi64_si128(kAdvance[words - 1]), 0);
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product)));
}

// Three lanes of `lane` bytes each, a multiple of 8 from 8 to kLaneBytes.
VARVE_PCLMUL inline uint64_t three_lanes(const uint8_t* bytes, size_t lane, uint64_t crc) {
  uint64_t second = 0;
  uint64_t third = 0;
  for (const uint8_t* end = bytes + lane; bytes != end; bytes += 8) {
    crc = step64(crc, bytes);
    second = step64(second, bytes + lane);
    third = step64(third, bytes + 2 * lane);
  }
  return advance(crc, lane / 4) ^ advance(second, lane / 8) ^ third;
}

VARVE_PCLMUL uint32_t pclmul(const uint8_t* bytes, size_t length, uint32_t start) {
  // A join costs about as much as eight words in one chain.
  constexpr size_t kJoinedMin = 96;
  uint64_t crc = start;
  for (; length >= 3 * kLaneBytes; bytes += 3 * kLaneBytes, length -= 3 * kLaneBytes) {
    crc = three_lanes(bytes, kLaneBytes, crc);
  }
  if (length >= kJoinedMin) {
    const size_t lane = length / 24 * 8;
    crc = three_lanes(bytes, lane, crc);
    bytes += 3 * lane;
    length -= 3 * lane;
  }
  return sse42(bytes, length, static_cast<uint32_t>(crc));
}

bool can_sse42() { return __builtin_cpu_supports("sse4.2") != 0; }
bool can_pclmul() { return can_sse42() && __builtin_cpu_supports("pclmul") != 0; }

#elif defined(__aarch64__)

#if defined(__clang__)
#define VARVE_ARM_CRC __attribute__((target("crc")))
#else
#define VARVE_ARM_CRC __attribute__((target("+crc")))
#endif

VARVE_ARM_CRC uint32_t armv8(const uint8_t* bytes, size_t length, uint32_t crc) {
  // Joined by the bitwise multiplication (about a hundred cycles): worth it for the longest lanes only.
  constexpr size_t kLane = kLaneBytes;
  constexpr uint32_t kTwoLanes = x_to_the(8 * 2 * kLane);
  constexpr uint32_t kOneLane = x_to_the(8 * kLane);
  for (; length >= 3 * kLane; bytes += 3 * kLane, length -= 3 * kLane) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      crc = __crc32cd(crc, load_le64(bytes + i));
      second = __crc32cd(second, load_le64(bytes + kLane + i));
      third = __crc32cd(third, load_le64(bytes + 2 * kLane + i));
    }
    crc = multiply(crc, kTwoLanes) ^ multiply(second, kOneLane) ^ third;
  }
  for (; length >= 8; bytes += 8, length -= 8) crc = __crc32cd(crc, load_le64(bytes));
  for (; length != 0; ++bytes, --length) crc = __crc32cb(crc, *bytes);
  return crc;
}

bool can_armv8() {
#if defined(__linux__)
  constexpr unsigned long kHwcapCrc32 = 1UL << 7;
  return (getauxval(AT_HWCAP) & kHwcapCrc32) != 0;
#else
  return true;  // every AArch64 Mac has it
#endif
}

#endif

struct Implementation {
  const char* kind;
  uint32_t (*run)(const uint8_t* bytes, size_t length, uint32_t crc);
  bool (*available)();
};

// Best first; the last is always available.
constexpr Implementation kImplementations[] = {
#if defined(__x86_64__)
    {"pclmul", pclmul, can_pclmul},
    {"sse4.2", sse42, can_sse42},
#elif defined(__aarch64__)
    {"armv8", armv8, can_armv8},
#endif
    {"portable", portable, [] { return true; }},
};

const Implementation& chosen() {
  static const Implementation& best = []() -> const Implementation& {
    const Implementation* candidate = kImplementations;
    while (!candidate->available()) ++candidate;
    return *candidate;
  }();
  return best;
}

}  // namespace

uint32_t crc32c(const uint8_t* bytes, size_t length, uint32_t seed) { return ~chosen().run(bytes, length, ~seed); }

const char* crc32c_kind() { return chosen().kind; }

uint32_t crc32c_portable(const uint8_t* bytes, size_t length, uint32_t seed) { return ~portable(bytes, length, ~seed); }

bool crc32c_with(const char* kind, const uint8_t* bytes, size_t length, uint32_t seed, uint32_t* result) {
  for (const Implementation& implementation : kImplementations) {
    if (std::strcmp(implementation.kind, kind) != 0 || !implementation.available()) continue;
    *result = ~implementation.run(bytes, length, ~seed);
    return true;
  }
  return false;
}

}  // namespace varve
