#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace varve {
namespace {

const char* const kKinds[] = {"pclmul", "sse4.2", "armv8", "portable"};

uint32_t crc_of(const std::string& text) { return crc32c(reinterpret_cast<const uint8_t*>(text.data()), text.size()); }

std::vector<uint8_t> noise(size_t length, uint32_t seed) {
  std::vector<uint8_t> bytes(length);
  for (uint8_t& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(seed >> 24);
  }
  return bytes;
}

// The definition, one bit at a time: shares nothing with the implementations.
uint32_t bit_by_bit(const uint8_t* bytes, size_t length, uint32_t seed) {
  uint32_t crc = ~seed;
  for (size_t i = 0; i < length; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

TEST(Crc32c, PublishedVectors) {
  EXPECT_EQ(crc_of(""), 0x00000000U);
  EXPECT_EQ(crc_of("123456789"), 0xE3069283U);  // the check value of the CRC catalogue
  // RFC 3720 (iSCSI), B.4
  EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc_of(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<char>(i));
  EXPECT_EQ(crc_of(rising), 0x46DD794EU);
  EXPECT_EQ(crc_of(std::string(rising.rbegin(), rising.rend())), 0x113FDB5CU);
}

TEST(Crc32c, EveryKindOfThisMachineAgreesAtEveryShortLengthAndAlignment) {
  const std::vector<uint8_t> bytes = noise(1400, 1);
  for (const char* kind : kKinds) {
    for (size_t length = 0; length <= 1300; length += length < 420 ? 1 : 37) {
      for (size_t start = 0; start < 9; ++start) {
        uint32_t crc = 0;
        if (!crc32c_with(kind, bytes.data() + start, length, 0, &crc)) break;
        ASSERT_EQ(crc, bit_by_bit(bytes.data() + start, length, 0)) << kind << " " << length << " at " << start;
      }
    }
  }
}

TEST(Crc32c, EveryKindAgreesAroundEachLaneBoundary) {
  const std::vector<uint8_t> bytes = noise(3 * 4096 + 600, 2);
  for (size_t block : {size_t{96}, size_t{384}, size_t{3072}, size_t{2 * 3072}, size_t{3 * 3072 + 384 + 96}}) {
    for (size_t length = block - 9; length <= block + 9; ++length) {
      const uint32_t expected = bit_by_bit(bytes.data(), length, 0x12345678);
      for (const char* kind : kKinds) {
        uint32_t crc = 0;
        if (crc32c_with(kind, bytes.data(), length, 0x12345678, &crc)) {
          ASSERT_EQ(crc, expected) << kind << " " << length;
        }
      }
    }
  }
}

TEST(Crc32c, ContinuesFromASeedAtEverySplit) {
  const std::vector<uint8_t> bytes = noise(500, 3);
  const uint32_t whole = crc32c(bytes.data(), bytes.size());
  for (size_t split = 0; split <= bytes.size(); ++split) {
    EXPECT_EQ(crc32c(bytes.data() + split, bytes.size() - split, crc32c(bytes.data(), split)), whole);
  }
}

TEST(Crc32c, TheKindInUseIsOneThatThisMachineHas) {
  uint32_t crc = 0;
  EXPECT_TRUE(crc32c_with(crc32c_kind(), nullptr, 0, 0, &crc));
  EXPECT_TRUE(crc32c_with("portable", nullptr, 0, 0, &crc));
  EXPECT_FALSE(crc32c_with("no such kind", nullptr, 0, 0, &crc));
}

}  // namespace
}  // namespace varve
