// Big-endian fields, as all of Kafka's formats have them. Addresses need not be aligned.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace varve {

constexpr uint16_t swap_bytes(uint16_t value) { return __builtin_bswap16(value); }
constexpr uint32_t swap_bytes(uint32_t value) { return __builtin_bswap32(value); }
constexpr uint64_t swap_bytes(uint64_t value) { return __builtin_bswap64(value); }

// From the machine's order to big-endian, or back: the same operation.
template <typename Unsigned>
constexpr Unsigned to_big_endian(Unsigned value) {
  if constexpr (std::endian::native == std::endian::big) {
    return value;
  } else {
    return swap_bytes(value);
  }
}

template <typename Unsigned>
inline Unsigned load_big_endian(const void* from) {
  Unsigned value;
  std::memcpy(&value, from, sizeof value);
  return to_big_endian(value);
}

template <typename Unsigned>
inline void store_big_endian(void* to, Unsigned value) {
  value = to_big_endian(value);
  std::memcpy(to, &value, sizeof value);
}

inline uint16_t load_be16(const void* from) { return load_big_endian<uint16_t>(from); }
inline uint32_t load_be32(const void* from) { return load_big_endian<uint32_t>(from); }
inline uint64_t load_be64(const void* from) { return load_big_endian<uint64_t>(from); }
inline void store_be16(void* to, uint16_t value) { store_big_endian(to, value); }
inline void store_be32(void* to, uint32_t value) { store_big_endian(to, value); }
inline void store_be64(void* to, uint64_t value) { store_big_endian(to, value); }

}  // namespace varve
