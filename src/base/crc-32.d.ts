/** crc-32 ships this file without types. */
declare module 'crc-32/crc32c.js' {
  /** @returns The checksum as a signed 32-bit number, continuing from `seed`. */
  function buf(bytes: Uint8Array, seed?: number): number
  const crc32c: { buf: typeof buf }
  export default crc32c
}
