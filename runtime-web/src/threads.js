// Several threads: workers with an instance each on one shared memory. The caller's thread only waits.

import { because, node } from './source.js';
import { count, readAll, viewOf, write } from './tensor.js';
import { allocate, openAlone, openWasm } from './wasm.js';

/** @import { LoadOptions } from './index.js' */
/** @import { Bundle, Engine, Opened, Setup, Spawn, Team, Thread, ThreadMessage } from '../internal.js' */

/** Steps of the first run between which a prediction can begin. */
const SLICE = 4;

/**
 * The wasm backend on as many threads as are wanted, useful and possible.
 * @param {Bundle} bundle
 * @param {LoadOptions} options
 * @param {Spawn} spawn
 * @returns {Promise<Engine>}
 */
export async function openThreads(bundle, options, spawn) {
  const { threads = 'auto' } = options;
  const modules = bundle.manifest.backends.wasm?.threads;
  const number = !modules ? 1 : threads === 'auto' ? Math.min(modules.useful, await automatic()) : threads;
  if (!modules || number === 1) return openWasm(bundle, options);
  const { crossOriginIsolated = typeof SharedArrayBuffer === 'function' } = globalThis;
  if (!crossOriginIsolated) {
    const engine = await openWasm(bundle, options);
    engine.fallbacks.push('There is one thread only, because the page is not cross-origin isolated; serve it with ' +
      'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.');
    return engine;
  }
  // In Node there is no global Worker.
  const Other = typeof Worker === 'function' ? undefined : (await node('worker_threads')).Worker;
  const { pages } = bundle.manifest.memory;
  const { scratch, command } = modules;
  /** @type {Team} */
  const team = {
    modules,
    // Scratch memory for every thread but the first comes last.
    pages: pages + Math.ceil(((number - 1) * scratch) / 65536),
    async open(module, memory, places) {
      const start = (/** @type {WebAssembly.Memory} */ memory) => {
        const setups = Array.from({ length: number }, (_, thread) => {
          const own = thread && pages * 65536 + (thread - 1) * scratch;
          return { module, memory, command, thread, threads: number, scratch: own };
        });
        return new Pool(() => spawn(Other), setups);
      };
      const pool = start(memory);
      try {
        await pool.started;
      } catch (error) {
        // The module runs on a single thread as well.
        const engine = await openAlone(module, memory, places, bundle);
        engine.fallbacks.push(`There is one thread only, because workers cannot be started (${because(error)}).`);
        return engine;
      }
      return openEngine(bundle, number, pool, () => {
        // Threads that are being terminated may write to their memory for a while.
        const old = memory;
        memory = allocate(bundle, team);
        new Uint8Array(memory.buffer).set(new Uint8Array(old.buffer));
        return start(memory);
      });
    },
  };
  return openWasm(bundle, options, team);
}

/** Threads that leave the machine usable: half of many cores, all of few. */
async function automatic() {
  const { hardwareConcurrency } = globalThis.navigator ?? {};
  const cores = hardwareConcurrency ?? (await node('os')).availableParallelism();
  return cores <= 4 ? cores : Math.min(Math.max(cores >> 1, 4), 8);
}

/**
 * @param {Bundle} bundle
 * @param {number} threads
 * @param {Pool | undefined} pool
 * @param {() => Pool} restart Makes another pool with a copy of the memory.
 * @returns {Opened}
 */
function openEngine({ manifest, stopped }, threads, pool, restart) {
  const { inputs, outputs, prepare } = manifest;
  const end = prepare + manifest.steps;
  /** @type {DOMException | undefined} */
  let gone;
  /** What was asked for and is not answered. */
  let pending = 0;
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();

  /**
   * Does `work` when all before is done.
   * @template T
   * @param {(pool: Pool) => Promise<T>} work
   * @returns {Promise<T>}
   */
  const enqueue = (work) => {
    pending++;
    const done = last.then(async () => {
      try {
        if (gone) throw gone;
        if (!pool || pool.ended) pool = restart();
        await pool.started;
        return await work(pool);
      } finally {
        pending--;
      }
    });
    last = done.catch(() => {});
    return done;
  };

  /**
   * Reads the inputs now: into their place, or beside it while that is in use.
   * @template T
   * @param {Parameters<Engine['predict']>[0]} values
   * @param {(pool: Pool) => Promise<T>} work
   */
  const ask = async (values, work) => {
    const busy = pending > 0;
    const staged = inputs.map((slot, i) => {
      const buffer = busy || !pool ? new ArrayBuffer(4 * count(slot.shape)) : pool.memory.buffer;
      const view = viewOf(buffer, busy || !pool ? { ...slot, offset: 0 } : slot);
      write(view, /** @type {typeof values[0]} */ (values[i]), slot);
      return view;
    });
    return enqueue((pool) => {
      if (busy) inputs.forEach((slot, i) => viewOf(pool.memory.buffer, slot).set(/** @type {Float32Array} */ (staged[i])));
      return work(pool);
    });
  };

  let begun = false;
  const warmUp = async () => {
    for (let step = prepare; step < end && !begun && !stopped.aborted && !gone; step += SLICE) {
      await enqueue((pool) => pool.run(step, Math.min(step + SLICE, end)));
    }
  };
  // Half-read weights may make it fail, a real run will tell.
  warmUp().catch(() => {});

  return {
    threads,
    fallbacks: [],
    prepare: () => enqueue(async (pool) => void (await pool.run(0, prepare))),
    predict(values, out) {
      begun = true;
      return ask(values, async (pool) => {
        await pool.run(prepare, end);
        return readAll(outputs.map((slot) => ({ slot, view: viewOf(pool.memory.buffer, slot) })), out);
      });
    },
    profile(values) {
      begun = true;
      return ask(values, async (pool) => {
        const times = [];
        for (let step = 0; step < manifest.steps; step++) {
          times.push({ step, ms: await pool.run(prepare + step, prepare + step + 1) });
        }
        return times;
      });
    },
    dispose() {
      gone = new DOMException('the model was disposed of; load it again', 'InvalidStateError');
      pool?.end(gone);
      pool = undefined;
    },
  };
}

/** Workers that run ranges of steps, one range at a time. */
class Pool {
  /** @type {Thread[]} */
  #workers = [];
  #words;
  /** @type {(ms: number) => void} */
  #done = () => {};
  /** @type {(error: unknown) => void} */
  #fail = () => {};
  #ready = false;
  ended = false;

  /** @param {() => Thread} spawn @param {Setup[]} setups One for each worker. */
  constructor(spawn, setups) {
    const { memory, command } = /** @type {Setup} */ (setups[0]);
    this.memory = memory;
    this.#words = new Int32Array(memory.buffer, command, 3);
    // What other threads left in the words of the barrier, which lie below.
    new Int32Array(memory.buffer, 0, command / 4 + 3).fill(0);
    /** Every worker has its instance. @type {Promise<unknown>} */
    this.started = new Promise((resolve, reject) => {
      this.#fail = reject;
      let missing = setups.length;
      for (const setup of setups) {
        const worker = spawn();
        this.#workers.push(worker);
        this.#listen(worker, (message) => {
          if ('error' in message) this.#lose(message.error);
          else if ('ms' in message) this.#done(message.ms);
          else if (--missing === 0) resolve((this.#ready = true));
        });
        worker.postMessage(setup);
      }
    });
    // Node ends when only idle threads are left.
    this.started.then(() => this.#workers.forEach((worker) => worker.unref?.()), (error) => this.end(error));
  }

  /** @param {number} begin @param {number} end @returns {Promise<number>} The milliseconds it took. */
  async run(begin, end) {
    const first = this.#workers[0];
    first?.ref?.();
    try {
      return await new Promise((resolve, reject) => {
        [this.#done, this.#fail] = [resolve, reject];
        this.#send(begin, end);
      });
    } finally {
      first?.unref?.();
    }
  }

  /** @param {number} begin @param {number} end */
  #send(begin, end) {
    this.#words.set([begin, end], 1);
    Atomics.add(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
  }

  /** Ends all workers. @param {unknown} error Why what is under way is not finished. */
  end(error) {
    this.ended = true;
    this.#fail(error);
    // Who waits for a command goes by itself: browsers terminate what is busy only after seconds.
    this.#send(-1, 0);
    this.#workers.forEach((worker) => worker.terminate());
  }

  /** One thread alone cannot be replaced: the others wait for it. @param {string} why */
  #lose(why) {
    if (this.ended) return;
    this.end(new Error(this.#ready ? `a thread of the model ended (${why}); predict again, new threads will be started` : why));
  }

  /** @param {Thread} worker @param {(message: ThreadMessage) => void} hear */
  #listen(worker, hear) {
    if ('on' in worker) {
      worker.on('message', hear);
      worker.on('error', (error) => this.#lose(because(error)));
      worker.on('exit', (code) => this.#lose(`exit code ${code}`));
    } else {
      worker.onmessage = ({ data }) => hear(data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.#lose(event.message ?? 'its script cannot be loaded');
      };
    }
  }
}
