// One thread of a model. The first waits for commands in shared memory and runs the steps that they name; the others help
// it, in wasm. All do so until they are ended.

/** @import { Setup, ThreadMessage } from './internal.js' */

/** How long the first thread looks for the next command before it sleeps, in milliseconds: waking takes nearly as long. */
const LOOK = 0.2;

/** Returns when there is another command than the one that was `seen`. @param {Int32Array} words @param {number} seen */
function attend(words, seen) {
  const until = performance.now() + LOOK;
  do {
    for (let i = 0; i < 1000; i++) if (Atomics.load(words, 0) !== seen) return;
  } while (performance.now() < until);
  while (Atomics.load(words, 0) === seen) Atomics.wait(words, 0, seen);
}

/** @param {Setup} setup @param {(message: ThreadMessage) => void} post */
function work({ module, memory, command, thread, threads, scratch, warm }, post) {
  try {
    const words = new Int32Array(memory.buffer, command, 4);
    // Too late: instances write the records of steps, which others may be using.
    if (Atomics.load(words, 0)) return;
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const { start, run, help, warm: warmUp } = /** @type {Record<string, (...values: number[]) => void>} */ (exports);
    start?.(threads, scratch);
    // One is enough: all run the same code.
    if (thread === 0) warmUp?.(...warm);
    post({ ready: true });
    if (thread > 0) return help?.();
    for (let seen = 0; ; seen = (seen + 1) | 0) {
      attend(words, seen);
      const [, begin, end, last] = /** @type {Iterable<number>} */ (words);
      if (((seen + 1) | 0) === last) return;
      const now = performance.now();
      run?.(begin, end);
      post({ ms: performance.now() - now });
    }
  } catch (error) {
    post({ error: String(error) });
  }
}

// Bundlers do not see the name and so do not look for the module.
const name = 'node:worker_threads';
if (typeof postMessage === 'function') {
  onmessage = ({ data }) => work(data, (message) => postMessage(message));
  postMessage({ here: true });
} else {
  import(/* webpackIgnore: true */ /* @vite-ignore */ name).then(({ parentPort }) => {
    parentPort.once('message', (/** @type {Setup} */ data) => work(data, (message) => parentPort.postMessage(message)));
    parentPort.postMessage({ here: true });
  });
}

// Without it, type checkers would take the names above for global ones.
export {};
