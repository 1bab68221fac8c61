declare module 'snappyjs' {
  /** One raw block. Answers the same kind of array as it is given. */
  function compress(uncompressed: Uint8Array): Uint8Array
  const snappy: { compress: typeof compress }
  export default snappy
}
