// Browsers without relaxed SIMD. Chromium has no switch for it, so what engines ask is answered with no.
// Both functions run in the page.

/** Makes WebAssembly refuse the small modules by which engines find out. */
export function hideRelaxedSimd() {
  const bytesOf = (source) => (ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : source instanceof ArrayBuffer ? new Uint8Array(source) : undefined);
  // All relaxed instructions are 0xfd and a number from 0x100 to 0x113.
  const asks = (source) => {
    const bytes = bytesOf(source);
    if (!bytes || bytes.length > 120) return false;
    return bytes.some((byte, i) => byte === 0xfd && bytes[i + 1] >= 0x80 && bytes[i + 1] <= 0x93 && bytes[i + 2] === 0x02);
  };
  const { validate, compile, instantiate } = WebAssembly;
  const refuse = () => Promise.reject(new WebAssembly.CompileError('relaxed SIMD is hidden by the benchmark'));
  WebAssembly.validate = (source) => !asks(source) && validate(source);
  WebAssembly.compile = (source) => (asks(source) ? refuse() : compile(source));
  WebAssembly.instantiate = (source, imports) => (asks(source) ? refuse() : instantiate(source, imports));
}

/** Whether `f32x4.relaxed_madd` is to be had. */
export function seesRelaxedSimd() {
  return WebAssembly.validate(new Uint8Array([
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
    0x01, 0x06, 0x01, 0x60, 0x01, 0x7b, 0x01, 0x7b,
    0x03, 0x02, 0x01, 0x00,
    0x0a, 0x0d, 0x01, 0x0b, 0x00,
    0x20, 0x00, 0x20, 0x00, 0x20, 0x00, 0xfd, 0x85, 0x02, 0x0b,
  ]));
}
