// Writes small wasm modules byte by byte, for bundles that need no compiler.

/** Unsigned LEB128. */
const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]);
/** Signed LEB128 of a number from 0. */
const sleb = (value) => (value < 64 ? [value] : [(value & 127) | 128, ...sleb(value >>> 7)]);
const text = (string) => [...leb(string.length), ...Buffer.from(string)];
const list = (items) => [...leb(items.length), ...items.flat()];
const section = (id, content) => [id, ...leb(content.length), ...content];

const i32 = 0x7f;
const localGet = (index) => [0x20, index];
const i32Const = (value) => [0x41, ...sleb(value)];
const simd = (code) => [0xfd, ...leb(code)];
const v128Load = (address) => [...i32Const(address), ...simd(0), 4, 0];
const f32x4Splat = (value) => [0x43, ...new Uint8Array(new Float32Array([value]).buffer), ...simd(0x13)];

/** Instructions of steps. */
export const steps = {
  /** out = a + b, four floats. */
  add: (out, a, b) => [...i32Const(out), ...v128Load(a), ...v128Load(b), ...simd(0xe4), ...simd(11), 4, 0],
  /** out = a * factor + b, four floats, in one rounding where the module may. */
  madd: (out, a, factor, b, relaxed) =>
    relaxed
      ? [...i32Const(out), ...v128Load(a), ...f32x4Splat(factor), ...v128Load(b), ...simd(0x105), ...simd(11), 4, 0]
      : [...i32Const(out), ...v128Load(a), ...f32x4Splat(factor), ...simd(0xe6), ...v128Load(b), ...simd(0xe4), ...simd(11), 4, 0],
  /** Copies bytes. */
  copy: (out, from, bytes) => [...i32Const(out), ...i32Const(from), ...i32Const(bytes), 0xfc, 10, 0, 0],
  /** Adds one to an integer. */
  count: (at) => [...i32Const(at), ...i32Const(at), 0x28, 2, 0, ...i32Const(1), 0x6a, 0x36, 2, 0],
  trap: () => [0x00],
};

/** A module with `env.memory` of exactly `pages` and `run(begin, end)` over the steps. */
export function assemble(pages, bodies) {
  const guarded = bodies.flatMap((body, i) => [
    ...localGet(0), ...i32Const(i), 0x4c, // begin <= i
    ...localGet(1), ...i32Const(i), 0x4a, // end > i
    0x71, 0x04, 0x40, ...body, 0x0b, // and, if, end
  ]);
  const run = [0, ...guarded, 0x0b];
  return Buffer.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, list([[0x60, ...list([[i32], [i32]]), ...list([])]])),
    ...section(2, list([[...text('env'), ...text('memory'), 2, 1, ...leb(pages), ...leb(pages)]])),
    ...section(3, list([[0]])),
    ...section(7, list(['run', 'warm'].map((name) => [...text(name), 0, 0]))),
    ...section(10, list([[...leb(run.length), ...run]])),
  ]);
}
