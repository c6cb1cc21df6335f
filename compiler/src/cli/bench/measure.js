// Times a bundle as a whole and step by step, in a page or in Node.

/** How long to run before anything counts: engines replace their quick code by their good code meanwhile. */
const WARM_UP_MS = 1000;

/** How long to go on at most for the sake of steps that are shorter than the clock can tell. */
const EXTRA_MS = 2000;

/** How long a page works without a pause. */
const TURN_MS = 16;

/** Times of this many steps of the clock are taken as they are. */
const FINE = 100;

/** How uncertain, relative to itself, a time may be. */
const CERTAIN = 0.02;

const pause = () => new Promise((resolve) => setTimeout(resolve));

/** @param {number[]} values @param {number} share From 0, the least, to 1. */
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.round((values.length - 1) * share)];

/** Arrays of the input's type: random, integers 0 or 1, strings of a few words. @param {{ dtype: string, shape: readonly number[] }} input */
function randomFor({ dtype, shape }) {
  const arrays = {
    float32: Float32Array, float64: Float64Array, bool: Uint8Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
    int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  };
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (dtype === 'string') return Array.from({ length: count }, () => 'the quick brown fox');
  const values = Array.from({ length: count }, () => (dtype.startsWith('float') ? Math.random() : Math.round(Math.random())));
  return /64$/.test(dtype) && !dtype.startsWith('float') ? arrays[dtype].from(values, BigInt) : arrays[dtype].from(values);
}

/** The least step of the clock, in milliseconds (5 µs in Chromium, some 40 ns in Node), and how often it can be asked within. */
function clock() {
  let tick = Infinity;
  let calls = 0;
  for (let i = 0; i < 20; i++) {
    const begin = performance.now();
    let end = begin;
    let count = 0;
    for (; end === begin; count++) end = performance.now();
    tick = Math.min(tick, end - begin);
    // The first was asked somewhere within a step.
    calls = Math.max(calls, count);
  }
  return { tick, calls };
}

/**
 * The time of each step of the model and how uncertain it is, from its times in many rounds. Beyond doubt it is their tenth
 * percentile: work is the same every time, what it takes beyond that is someone else's. A step that is short beside the step
 * of the clock is seen to take none or one of those, so its mean counts: over many rounds, which begin by chance, the clock
 * moves on within a step in proportion to its time. It cannot be repeated by itself, since it may work in place.
 * @param {number[][]} rounds The times of all steps, round by round.
 * @param {number} tick The step of the clock.
 */
export function estimate(rounds, tick) {
  return rounds[0].map((_, step) => {
    const all = rounds.map((times) => times[step]);
    // In some rounds the thread was not running all the time.
    const most = 2 * (quantile(all, 0.5) + tick);
    const times = all.filter((ms) => ms <= most);
    const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
    if (mean >= FINE * tick) return { ms: quantile(times, 0.1), error: 0 };
    const share = Math.min(mean / tick, 0.5);
    // At least as if it had been seen once.
    const variance = Math.max(share * (1 - share), 1 / times.length);
    return { ms: mean, error: tick * Math.sqrt(variance / times.length) };
  });
}

/**
 * @param {() => Promise<any>} open Loads the model with `profile: true`.
 * @param {(() => { begin: number, end: number, flops: number }) | undefined} work Fused multiply-adds, if something can do them.
 * @param {number} rounds
 */
export async function measure(open, work, rounds) {
  const model = await open();
  const inputs = Object.fromEntries(model.inputs.map((input) => [input.name, randomFor(input)]));
  const predict = async (times) => {
    const begin = performance.now();
    for (let i = 0; i < times; i++) await model.predict(inputs);
    return (performance.now() - begin) / times;
  };
  const { tick, calls } = clock();
  const profile = async () => {
    // Rounds that keep pace with the clock would always meet it in the same steps.
    for (let wait = Math.random() * calls; wait > 1; wait--) performance.now();
    return (await model.profile(inputs)).map(({ ms }) => ms);
  };
  let usual = Infinity;
  for (let run = 0, until = performance.now() + WARM_UP_MS; run < 3 || performance.now() < until; run++) {
    usual = await predict(1);
    await profile();
    await pause();
  }
  // As many at a time as the clock can tell.
  const times = Math.ceil((FINE * tick) / Math.max(usual, tick));
  const [peak, whole, steps] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    if (work) {
      const { begin, end, flops } = work();
      peak.push(flops / (end - begin) / 1e6);
    }
    whole.push(await predict(times));
    steps.push(await profile());
    await pause();
  }
  let estimates = estimate(steps, tick);
  const uncertain = () => estimates.some(({ ms, error }) => error > CERTAIN * ms);
  for (const until = performance.now() + EXTRA_MS; uncertain() && performance.now() < until; estimates = estimate(steps, tick)) {
    // Twice as many as before, since looking at them takes time as well.
    for (const more = 2 * steps.length; steps.length < more && performance.now() < until; await pause()) {
      for (const turn = performance.now() + TURN_MS; performance.now() < turn; ) steps.push(await profile());
    }
  }
  return {
    module: model.module,
    threads: model.threads ?? 1,
    predict_ms: quantile(whole, 0.5),
    // What a thread can do, when nobody else is at work.
    peak: work ? quantile(peak, 0.9) : null,
    predict_tenth_ms: quantile(whole, 0.1),
    step_ms: estimates.map(({ ms }) => ms),
    step_error_ms: estimates.map(({ error }) => error),
  };
}

/** What the engine asks for. `openLoop` stands before this script. */
export async function answer(load, { backend, threads, rounds }) {
  return JSON.stringify(await measure(() => load(undefined, { backend, threads, profile: true }), await openLoop(3), rounds));
}
