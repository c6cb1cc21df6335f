// What `bench` makes of a clock that is coarse beside the steps that it times. The clock is simulated.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measure } from '../../compiler/src/cli/bench/measure.js';

/** Numbers from 0 to 1 that look random, the same each time. */
function numbers(seed) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** Measures a model whose steps take `truth` milliseconds each, with a clock that moves on every `tick`. */
async function simulate(truth, tick, rounds) {
  const random = numbers(7);
  let now = 1;
  const clock = { now: () => Math.floor((now += 2e-5) / tick) * tick };
  const model = {
    inputs: [{ name: 'x', dtype: 'float32', shape: [1, 2] }],
    module: 'relaxed',
    async predict() {
      truth.forEach((ms) => (now += ms));
    },
    async profile() {
      // Now and then another program runs for a while, and the promises take a time that varies.
      const disturbed = random() < 0.03 ? Math.floor(random() * truth.length) : -1;
      now += 0.003 + random() * 0.001;
      return truth.map((ms, step) => {
        const begin = clock.now();
        now += ms + (step === disturbed ? 4 : 0);
        return { ms: clock.now() - begin };
      });
    },
  };
  const work = () => {
    now += 3;
    return { begin: 0, end: 3, flops: 120e6 };
  };
  const saved = [globalThis.performance, globalThis.setTimeout];
  Object.defineProperty(globalThis, 'performance', { value: clock, configurable: true });
  globalThis.setTimeout = (then) => {
    now += 4;
    queueMicrotask(then);
  };
  try {
    return await measure(async () => model, work, rounds);
  } finally {
    Object.defineProperty(globalThis, 'performance', { value: saved[0], configurable: true });
    globalThis.setTimeout = saved[1];
  }
}

for (const [engine, tick] of [['Chromium', 0.005], ['Node', 0.00004]]) {
  test(`steps are timed with the clock of ${engine}`, async () => {
    const truth = [0.0004, 0.003, 0.0123, 0.0005];
    const { step_ms, step_error_ms, peak, predict_ms } = await simulate(truth, tick, 20);
    truth.forEach((ms, step) => {
      const off = Math.abs(step_ms[step] / ms - 1);
      // A call of the clock takes its time as well.
      assert.ok(off < 0.1, `step ${step}: ${step_ms[step]} ms instead of ${ms}`);
      assert.ok(step_error_ms[step] < 0.1 * ms, `step ${step}: ± ${step_error_ms[step]} ms`);
    });
    const sum = truth.reduce((a, b) => a + b);
    assert.ok(Math.abs(predict_ms / sum - 1) < 0.05, `${predict_ms} ms instead of ${sum}`);
    assert.equal(Math.round(peak), 40);
  });
}

test('a step that the clock does not see is called uncertain', async () => {
  const { step_ms, step_error_ms } = await simulate([0.000001, 30], 0.1, 5);
  assert.ok(step_error_ms[0] > 0.1 * step_ms[0], `${step_ms[0]} ± ${step_error_ms[0]}`);
  assert.ok(Math.abs(step_ms[1] / 30 - 1) < 0.01, `${step_ms[1]}`);
  assert.equal(step_error_ms[1], 0);
});
