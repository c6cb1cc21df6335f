// Engines in turns: A B C, C B A, ...

import { median } from './statistics.js';

/** The CPU time of the page's thread and of its process so far, in ms. */
export async function openClock(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    const [thread, process] = ['ThreadTime', 'ProcessTime'].map((wanted) => metrics.find(({ name }) => name === wanted).value * 1000);
    return { thread, process };
  };
}

/**
 * Runs the engines until the browser has replaced its quick code by its good code: until nothing is compiled in the
 * background any more.
 */
export async function warmUp({ page, right, clock }) {
  for (let turn = 0, quiet = 0; turn < 5 || quiet < 3; turn++) {
    if (turn === 25) return console.error('  the page still works in the background; times may be too long');
    for (const name of right) await page.evaluate((name) => window.bench.turn(name), name);
    const before = await clock();
    await new Promise((resolve) => setTimeout(resolve, 300));
    quiet = (await clock()).process - before.process < 10 ? quiet + 1 : 0;
  }
}

/** Runs of a turn with pauses. */
const PAUSED_RUNS = 10;

const timed = async ({ page, clock }, act, argument) => {
  const begin = await clock();
  const result = await page.evaluate(act, argument);
  return { result, ms: (await clock()).thread - begin.thread };
};

/**
 * Milliseconds of every run, CPU time of the page's thread per run, GFLOP/s of the peak before each turn. Where other
 * programs take the cores, CPU time says more than time; with several threads, or a GPU, the page's is not all.
 *
 * @param {{ page: object, threads: number, alone: boolean, right: string[], clock: () => Promise<object> }[]} pages One for each number of threads; `alone`: its thread does all the work.
 * @param {Map<string, { times: number[], cpu: number[], peak: number[], paused: number[] }>} samples By `keyOf`.
 */
export async function inTurns(pages, rounds, samples) {
  const asking = [];
  for (let i = 0; i < 30; i++) asking.push((await timed(pages[0], async () => [0])).ms);
  const columns = pages.flatMap((page) => page.right.map((name) => ({ page, name })));
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes.
    for (const { page, name } of round % 2 ? columns.toReversed() : columns) {
      const key = keyOf(name, page.threads);
      if (!samples.has(key)) samples.set(key, { times: [], cpu: [], peak: [], paused: [] });
      const { times, cpu, peak } = samples.get(key);
      peak.push(await page.page.evaluate(() => window.bench.peak()));
      const { result, ms } = await timed(page, (name) => window.bench.turn(name), name);
      times.push(...result);
      if (page.alone) cpu.push((ms - median(asking)) / result.length);
    }
  }
}

/**
 * Milliseconds of runs with a pause before each, engines in turns.
 * @param {{ page: object, threads: number, right: string[] }[]} pages One for each number of threads.
 * @param {Map<string, { paused: number[] }>} samples By `keyOf`.
 */
export async function withPauses(pages, rounds, samples) {
  const columns = pages.flatMap(({ page, threads, right }) => right.map((name) => ({ page, name, key: keyOf(name, threads) })));
  for (let round = 0; round < rounds; round++) {
    for (const { page, name, key } of round % 2 ? columns.toReversed() : columns) {
      samples.get(key).paused.push(...(await page.evaluate(([name, runs]) => window.bench.paused(name, runs), [name, PAUSED_RUNS])));
    }
  }
}

export const keyOf = (engine, threads) => `${engine}@${threads}`;
