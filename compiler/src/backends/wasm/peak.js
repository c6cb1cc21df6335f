// What a thread can do at most: a loop of relaxed multiply-adds over 12 accumulators, which hide their latency.

const ACCUMULATORS = 12;
const UNROLL = 4;
const FLOPS_PER_TURN = ACCUMULATORS * UNROLL * 4 * 2;

const unsigned = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
const section = (id, content) => [id, ...unsigned(content.length), ...content];
const simd = (code) => [0xfd, ...unsigned(code)];
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const splat = (value) => [0x43, ...new Uint8Array(new Float32Array([value]).buffer), ...simd(0x13)];
const many = (count, code) => Array.from({ length: count }, (_, i) => code(i)).flat();

/** `(func (export "run") (param $turns i32) (result f32))`: locals 1 and 2 are the factors, then the accumulators. */
function assemble() {
  const madd = simd(0x105);
  const add = simd(0xe4);
  const accumulator = (i) => 3 + i;
  const body = [
    1, 2 + ACCUMULATORS, 0x7b, // locals: v128
    ...splat(1.5), ...set(1), ...splat(0.25), ...set(2),
    0x03, 0x40, // loop
    ...many(ACCUMULATORS * UNROLL, (i) => {
      const at = accumulator(i % ACCUMULATORS);
      return [...get(1), ...get(2), ...get(at), ...madd, ...set(at)];
    }),
    ...get(0), 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, // br_if 0 (--turns), end
    ...get(accumulator(0)), ...many(ACCUMULATORS - 1, (i) => [...get(accumulator(i + 1)), ...add]),
    ...simd(0x1f), 0, 0x0b, // lane 0, end
  ];
  return new Uint8Array([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7d]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, ...new TextEncoder().encode('run'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

/** When a measurement ran, in ms that all threads share, and the operations in it. @typedef {{ begin: number, end: number, flops: number }} Span */

/** A function that works for about `ms` milliseconds. @returns {Promise<() => Span>} */
export async function openLoop(ms) {
  const { instance } = await WebAssembly.instantiate(assemble());
  const { run } = instance.exports;
  const now = () => performance.timeOrigin + performance.now();
  const timed = (turns) => {
    const begin = now();
    run(turns);
    return { begin, end: now(), flops: turns * FLOPS_PER_TURN };
  };
  // The first calls are in the engine's quick and slow code.
  let turns = 1000;
  for (const until = performance.now() + 200; performance.now() < until; ) {
    const { begin, end } = timed(turns);
    turns = Math.max(1000, Math.min(1e7, Math.round((turns * ms) / Math.max(end - begin, 0.01))));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return () => timed(turns);
}
