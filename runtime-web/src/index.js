// The entry of a bundle: where its files are and which backends it holds.

import { openBundle } from './bundle.js';
import { LoadedModel } from './model.js';
// keras-compile: threads {
import './pool.js';
import { openThreads } from './threads.js';
// keras-compile: threads }
// Files that only others need stand here, too, so that a browser learns of all of them at once.
import './tensor.js';
import { openWasm } from './wasm.js';

export { BundleError } from './source.js';

/**
 * The files for `load()` without an address. One literal each, because that is what bundlers find, copy and rename.
 * @type {() => Record<string, URL>}
 */
const files = () => ({
  // keras-compile: files
});

/** @type {Record<import('./index.js').BackendName, import('../internal.js').Backend>} */
const backends = { wasm: openWasm };

// keras-compile: threads {
const worker = './worker.js';
backends.wasm = (bundle, options) =>
  openThreads(bundle, options, (Other) => {
    // The global class and a literal are what bundlers find.
    if (!Other) return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    // Options of the process, such as --input-type, are not for workers.
    return new Other(new URL(/* @vite-ignore */ worker, import.meta.url), { execArgv: [] });
  });

// keras-compile: threads }
/** Whether the console has heard that there are not as many threads as were asked for. */
let warned = false;

/** @type {typeof import('./index.js').load} */
export const load = async (where, options = {}) => {
  const { backend, threads = 'auto', signal, profile } = options;
  signal?.throwIfAborted();
  if (threads !== 'auto' && !(Number.isInteger(threads) && threads > 0)) {
    throw new RangeError(`load: threads is ${threads}; pass 'auto' or a whole number from 1`);
  }
  const present = /** @type {(keyof typeof backends)[]} */ (Object.keys(backends));
  const name = backend ?? present[0];
  if (!name || !present.includes(name)) {
    throw new TypeError(`load: there is no backend "${backend}" in this bundle; it holds ${present.join(', ')}`);
  }
  // A failure, too, stops the downloads that are still under way.
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort);
  /** @type {Promise<import('../internal.js').Engine> | undefined} */
  let opening;
  try {
    const bundle = await openBundle(where ?? files(), options, stop.signal);
    const steps = profile ? bundle.json(bundle.manifest.profile) : undefined;
    opening = backends[name](bundle, options);
    const [engine, described] = await Promise.all([opening, steps]);
    signal?.throwIfAborted();
    if (threads !== 'auto' && engine.threads < threads && !warned) {
      warned = true;
      console.warn(`keras-compile: ${engine.fallbacks.join(' ')}`);
    }
    return new LoadedModel(bundle.manifest, name, engine, described);
  } catch (error) {
    opening?.then((engine) => engine.dispose(), () => {});
    stop.abort(error);
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
};
