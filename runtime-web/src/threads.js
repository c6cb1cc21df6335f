// Several threads: how many, and a queue of predictions for them. The caller's thread only waits.

import { Pool } from './pool.js';
import { because, node } from './source.js';
import { count, readAll, write } from './tensor.js';
import { allocate, openAlone, openWasm, PAGE, placed, sectionOf, viewOf } from './wasm.js';

/** @import { LoadOptions, Outputs, TensorData } from './index.js' */
/** @import { Bundle, Engine, Opened, Spawn, Team, Value, Walk } from './internal.js' */

/**
 * The wasm backend on as many threads as are wanted, useful and possible.
 * @param {Bundle} bundle
 * @param {LoadOptions} options
 * @param {Spawn} spawn
 * @returns {Promise<Engine>}
 */
export async function openThreads(bundle, options, spawn) {
  const { threads = 'auto' } = options;
  const needs = sectionOf(bundle).threads;
  const asked = threads === 'auto' ? await automatic() : threads;
  const wanted = Math.min(asked, needs?.useful ?? 1);
  const obstacle = wanted > 1 ? whyNot() : undefined;
  const team = needs && wanted > 1 && !obstacle ? await assemble(bundle, needs, wanted, spawn) : undefined;
  const engine = await openWasm(bundle, options, team);
  if (obstacle) engine.fallbacks.push(`There is one thread only, because ${obstacle}.`);
  else if (needs && threads !== 'auto' && wanted < asked) {
    const there = wanted === 1 ? 'There is one thread only' : `There are ${wanted} threads`;
    engine.fallbacks.push(`${there}, because this model is so quick that more would make it slower.`);
  }
  return engine;
}

/** Threads that leave the machine usable: half of many cores, all of few. */
async function automatic() {
  const { hardwareConcurrency } = globalThis.navigator ?? {};
  const cores = hardwareConcurrency ?? (await node('os')).availableParallelism();
  return cores <= 4 ? cores : Math.min(Math.max(cores >> 1, 4), 8);
}

/** Whether the workers are those of Node, which has no global class. */
const inNode = () => typeof Worker !== 'function' && !!(/** @type {any} */ (globalThis).process?.versions?.node);

/** Why there cannot be several threads here. */
function whyNot() {
  const { crossOriginIsolated = typeof SharedArrayBuffer === 'function' } = globalThis;
  if (!crossOriginIsolated) {
    return 'the page is not cross-origin isolated; serve it with ' +
      'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
  }
  // WebKitGTK isolates pages and yet has none.
  if (typeof SharedArrayBuffer !== 'function') return 'this engine shares no memory between threads';
  // In a worker of Firefox 153, `new Worker` now and then never returns. One thread in a worker does not block the page either.
  // Only Firefox's engine has this class; the name that a browser gives itself can be changed.
  if (typeof document === 'undefined' && 'InternalError' in globalThis) return 'Firefox may hang where a worker starts workers';
  return typeof Worker === 'function' || inNode() ? undefined : 'workers cannot be started from here';
}

/**
 * @param {Bundle} bundle
 * @param {{ scratch: number, command: number }} needs
 * @param {number} threads
 * @param {Spawn} spawn
 * @returns {Promise<Team>}
 */
async function assemble(bundle, { scratch, command }, threads, spawn) {
  const Other = inNode() ? (await node('worker_threads')).Worker : undefined;
  const { memory: single, prepare, steps: count } = sectionOf(bundle);
  /** @type {[number, number]} */
  const steps = [prepare, prepare + count];
  /** @param {WebAssembly.Memory} memory */
  const start = (memory) => new Pool(() => spawn(Other), memory, command, threads);
  /** @param {Pool} pool @param {WebAssembly.Module} module @param {[number, number]} warm */
  const setUp = (pool, module, warm) => {
    const setups = Array.from({ length: threads }, (_, thread) => {
      const own = thread && single + (thread - 1) * scratch;
      return { module, memory: pool.memory, command, thread, threads, scratch: own, warm };
    });
    return pool.setUp(setups);
  };
  /** @type {Pool | undefined} */
  let first;
  /** @type {Team} */
  const team = {
    // Scratch memory for every thread but the first comes last.
    pages: Math.ceil((single + (threads - 1) * scratch) / PAGE),
    begin(memory) {
      first = start(memory);
    },
    async open(module, memory, places) {
      const pool = (first ??= start(memory));
      try {
        await setUp(pool, module, steps);
      } catch (error) {
        // The module runs on a single thread as well.
        const engine = await openAlone(module, memory, places, bundle);
        engine.fallbacks.push(`There is one thread only, because workers cannot be started (${because(error)}).`);
        return Object.assign(engine, { failed: true });
      }
      return new Queue(bundle, threads, pool, (old) => {
        // Threads that are being terminated may write to their memory for a while.
        const memory = allocate(bundle, team);
        new Uint8Array(memory.buffer).set(new Uint8Array(old.memory.buffer));
        const next = start(memory);
        // The queue waits for it. Its memory holds inputs, which a first run would overwrite.
        setUp(next, module, [0, 0]).catch(() => {});
        return next;
      });
    },
    end: (error) => first?.end(error),
  };
  return team;
}

/** Steps of the first run between which a prediction can begin. */
const STEPS_AT_ONCE = 4;

/** One prediction after the other. @implements {Opened} */
class Queue {
  #section;
  #inputs;
  #outputs;
  #stopped;
  #pool;
  #restart;
  /** What was asked for and is not answered. */
  #pending = 0;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** Nobody needs the first run any more. */
  #begun = false;
  /** @type {DOMException | undefined} */
  #gone;
  /** @type {string[]} */
  fallbacks = [];

  /** @param {Bundle} bundle @param {number} threads @param {Pool} pool @param {(old: Pool) => Pool} restart */
  constructor(bundle, threads, pool, restart) {
    const { manifest, stopped } = bundle;
    this.#section = sectionOf(bundle);
    this.#inputs = placed(manifest.inputs, this.#section.inputs);
    this.#outputs = placed(manifest.outputs, this.#section.outputs);
    this.#stopped = stopped;
    this.#pool = pool;
    this.#restart = restart;
    this.threads = threads;
    // Half-read weights may make it fail, a real run will tell.
    this.#warmUp().catch(() => {});
  }

  /** @param {number} begin @param {number} end */
  async prepare(begin, end) {
    await this.#enqueue((pool) => pool.run(begin, end));
  }

  /** @param {TensorData[]} values @param {TensorData[]} [out] @returns {Promise<Outputs>} */
  predict(values, out) {
    const { prepare, steps } = this.#section;
    return this.#ask(values, async (pool) => {
      await pool.run(prepare, prepare + steps);
      return this.#results(pool, out);
    });
  }

// keras-compile: early {
  /** @param {Value[]} values @param {Walk} walk @param {TensorData[]} [out] @returns {Promise<Outputs>} */
  async inParts(values, walk, out) {
    const { prepare, steps } = this.#section;
    this.#begun = true;
    await this.#enqueue(async ({ memory: { buffer } }) =>
      this.#inputs.forEach((slot, i) => write(viewOf(buffer, slot), /** @type {TensorData} */ (values[i]), slot)));
    const from = await walk((begin, end) => this.#enqueue((pool) => pool.run(prepare + begin, prepare + end)));
    return this.#enqueue(async (pool) => {
      await pool.run(prepare + from, prepare + steps);
      return this.#results(pool, out);
    });
  }

// keras-compile: early }
  /** @param {Pool} pool @param {TensorData[]} [out] */
  #results({ memory: { buffer } }, out) {
    return readAll(this.#outputs.map((slot) => ({ slot, view: viewOf(buffer, slot) })), out);
  }

  /** @param {TensorData[]} values */
  profile(values) {
    const { prepare, steps } = this.#section;
    return this.#ask(values, async (pool) => {
      const times = [];
      for (let step = 0; step < steps; step++) {
        times.push({ step, ms: await pool.run(prepare + step, prepare + step + 1) });
      }
      return times;
    });
  }

  dispose() {
    this.#gone = new DOMException('the model was disposed of; load it again', 'InvalidStateError');
    this.#pool.end(this.#gone);
  }

  /** Runs the model once on what is in memory; a prediction can begin between the slices. */
  async #warmUp() {
    const { prepare, steps } = this.#section;
    const end = prepare + steps;
    for (let step = prepare; step < end && !this.#begun && !this.#stopped.aborted; step += STEPS_AT_ONCE) {
      await this.#enqueue((pool) => pool.run(step, Math.min(step + STEPS_AT_ONCE, end)));
    }
  }

  /**
   * Reads the inputs before it returns: into their place, or beside it while that is in use.
   * @template T
   * @param {TensorData[]} values
   * @param {(pool: Pool) => Promise<T>} work
   */
  async #ask(values, work) {
    this.#begun = true;
    const inputs = this.#inputs;
    const busy = this.#pending > 0;
    const views = inputs.map((slot, i) => {
      const view = busy
        ? viewOf(new ArrayBuffer(4 * count(slot.shape)), { ...slot, offset: 0 })
        : viewOf(this.#pool.memory.buffer, slot);
      write(view, /** @type {TensorData} */ (values[i]), slot);
      return view;
    });
    return this.#enqueue((pool) => {
      if (busy) inputs.forEach((slot, i) => viewOf(pool.memory.buffer, slot).set(/** @type {Float32Array} */ (views[i])));
      return work(pool);
    }, true);
  }

  /**
   * Does `work` when all before is done.
   * @template T
   * @param {(pool: Pool) => Promise<T>} work
   * @param {boolean} [revive] Whether a pool that has ended may be replaced: not while weights arrive in its memory.
   */
  #enqueue(work, revive) {
    this.#pending++;
    const done = this.#last.then(async () => {
      try {
        if (this.#gone) throw this.#gone;
        if (this.#pool.ended && !revive) throw this.#pool.ended;
        if (this.#pool.ended) this.#pool = this.#restart(this.#pool);
        await this.#pool.started;
        return await work(this.#pool);
      } finally {
        this.#pending--;
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }
}
