// What threads can do at most.

// The command has it, too.
import { openLoop } from '/wasm/peak.js';

/** A function that measures GFLOP/s of so many threads at once, this one among them. @param {number} threads */
export async function openPeak(threads) {
  // Threads do not begin at the same moment: the more there are, the longer they work.
  const ms = threads > 1 ? 10 : 3;
  const workers = await Promise.all(Array.from({ length: threads - 1 }, async () => {
    const worker = new Worker(new URL('peak-worker.js', import.meta.url), { type: 'module' });
    worker.postMessage(ms);
    await answer(worker);
    return worker;
  }));
  const work = await openLoop(ms);
  return async () => {
    const others = workers.map((worker) => {
      const result = answer(worker);
      worker.postMessage('work');
      return result;
    });
    const spans = [work(), ...(await Promise.all(others))];
    const flops = spans.reduce((sum, span) => sum + span.flops, 0);
    return flops / (Math.max(...spans.map(({ end }) => end)) - Math.min(...spans.map(({ begin }) => begin))) / 1e6;
  };
}

/** The next message. @param {Worker} worker @returns {Promise<any>} */
const answer = (worker) => new Promise((resolve, reject) => {
  worker.addEventListener('message', ({ data }) => resolve(data), { once: true });
  worker.addEventListener('error', ({ message }) => reject(new Error(message)), { once: true });
});
