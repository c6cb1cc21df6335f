// Times a bundle as a whole and step by step, in a page or in Node.

/** How long to run before anything counts: engines replace their quick code by their good code meanwhile. */
const WARM_UP_MS = 1000;

const pause = () => new Promise((resolve) => setTimeout(resolve));

/** @param {number[]} values @param {number} share From 0, the least, to 1. */
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.round((values.length - 1) * share)];

/** Arrays of the input's type: random, integers 0 or 1. @param {{ dtype: string, shape: readonly number[] }} input */
function randomFor({ dtype, shape }) {
  const arrays = {
    float32: Float32Array, float64: Float64Array, bool: Uint8Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
    int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  };
  const count = shape.reduce((product, extent) => product * extent, 1);
  const values = Array.from({ length: count }, () => (dtype.startsWith('float') ? Math.random() : Math.round(Math.random())));
  return /64$/.test(dtype) && !dtype.startsWith('float') ? arrays[dtype].from(values, BigInt) : arrays[dtype].from(values);
}

/**
 * @param {() => Promise<any>} open Loads the model with `profile: true`.
 * @param {() => { begin: number, end: number, flops: number }} work Fused multiply-adds.
 * @param {number} rounds
 */
export async function measure(open, work, rounds) {
  const model = await open();
  const inputs = Object.fromEntries(model.inputs.map((input) => [input.name, randomFor(input)]));
  const predict = async () => {
    const begin = performance.now();
    await model.predict(inputs);
    return performance.now() - begin;
  };
  for (let run = 0, until = performance.now() + WARM_UP_MS; run < 3 || performance.now() < until; run++) {
    await predict();
    await model.profile(inputs);
    await pause();
  }
  const [peak, whole, steps] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    const { begin, end, flops } = work();
    peak.push(flops / (end - begin) / 1e6);
    whole.push(await predict());
    steps.push((await model.profile(inputs)).map(({ ms }) => ms));
    await pause();
  }
  return {
    module: model.module,
    threads: model.threads ?? 1,
    predict_ms: quantile(whole, 0.5),
    // Work is the same every time: what it takes beyond that is someone else's.
    peak: quantile(peak, 0.9),
    predict_tenth_ms: quantile(whole, 0.1),
    step_ms: steps[0].map((_, step) => quantile(steps.map((times) => times[step]), 0.1)),
  };
}
