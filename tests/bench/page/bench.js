// The page's half: opens engines and times them. `run.js` calls `window.bench`.

import { openPeak } from './peak.js';

/** How long an engine runs before the next has its turn, so that small models are not timed in cold caches only. */
const TURN_MS = 20;

/** The pause before a run that is not made back to back. */
const PAUSE_MS = 20;

const arrays = {
  float32: Float32Array, float64: Float64Array, bool: Uint8Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
  int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};

/**
 * @typedef {{ shape: number[], dtype: string, file: string }} Slot
 * @typedef {{ model: string, bundle: string, files: Record<string, string>, threads: number, inputs: Slot[], outputs: Slot[] }} Place
 *   Folders as addresses, what each engine takes of the model's, and what case.json says.
 */

/** @param {Place} place @param {'inputs' | 'outputs'} kind */
const values = (place, kind) => Promise.all(place[kind].map(async ({ file, dtype }) => {
  const response = await fetch(place.model + file);
  return new arrays[dtype](await response.arrayBuffer());
}));

/** @param {string} name @param {Place} place */
const openEngine = async (name, place) => (await import(`./engines/${name}.js`)).open(place);

/** The largest error over all outputs, in units of what is tolerated; infinite if the outputs do not fit. */
function compare(outputs, expected) {
  if (outputs.length !== expected.length) return Infinity;
  return Math.max(...outputs.map((output, i) => {
    const wanted = expected[i];
    if (output.length !== wanted.length) return Infinity;
    const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(Number(value))), 0.01);
    return wanted.reduce((worst, value, j) => {
      const error = Math.abs(Number(output[j]) - Number(value)) / (1e-4 * largest + 1e-3 * Math.abs(Number(value)));
      return error <= worst ? worst : Number.isNaN(error) ? Infinity : error;
    }, 0);
  }));
}

window.bench = {
  /** Engines side by side. */
  async open(names, place) {
    const [inputs, expected] = await Promise.all([values(place, 'inputs'), values(place, 'outputs')]);
    const peak = await openPeak(place.threads);
    const engines = {};
    const opened = {};
    for (const name of names) {
      try {
        const engine = await openEngine(name, place);
        opened[name] = { about: engine.about, threads: engine.threads, error: compare(await engine.predict(inputs), expected) };
        if (opened[name].error <= 1) engines[name] = engine;
      } catch (error) {
        opened[name] = { failed: String(error?.stack ?? error) };
      }
    }
    // Methods below, except `peak`: GFLOP/s.
    Object.assign(this, { inputs, expected, engines, peak });
    return opened;
  },

  /** The error of one more run. */
  async check(name) {
    return compare(await this.engines[name].predict(this.inputs), this.expected);
  },

  /** Milliseconds of one run, or of as many as there is time for. */
  async turn(name) {
    const times = [];
    const turn = performance.now();
    do {
      const begin = performance.now();
      await this.engines[name].predict(this.inputs);
      times.push(performance.now() - begin);
    } while (performance.now() < turn + TURN_MS);
    return times;
  },

  /** Milliseconds of runs as a page makes them: for each frame or event, with a pause before. */
  async paused(name, runs) {
    const times = [];
    for (let i = 0; i < runs; i++) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      const begin = performance.now();
      await this.engines[name].predict(this.inputs);
      times.push(performance.now() - begin);
    }
    return times;
  },

  /** Opens an engine and predicts: when it was open and when it had predicted, since the navigation, and how long runs took. */
  async start(name, place, predictions = 10) {
    const [engine, inputs] = await Promise.all([openEngine(name, place), values(place, 'inputs')]);
    const opened = performance.now();
    const times = [];
    for (let i = 0; i < predictions; i++) {
      const begin = performance.now();
      await engine.predict(inputs);
      times.push(performance.now() - begin);
    }
    return { opened, first: opened + times[0], predictions: times };
  },
};

const asked = new URLSearchParams(location.search);
if (asked.has('cold')) window.cold = window.bench.start(asked.get('cold'), JSON.parse(asked.get('place')));
