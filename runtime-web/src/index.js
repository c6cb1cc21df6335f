// The entry of a bundle: where its files are and which backends it holds.

import { openBundle } from './bundle.js';
import { LoadedModel } from './model.js';
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

/** Whether the console has heard that there is one thread only. */
let warned = false;

/** @type {typeof import('./index.js').load} */
export const load = async (where, options = {}) => {
  const { backend, threads = 1, signal, profile } = options;
  signal?.throwIfAborted();
  if (threads > 1 && !warned) {
    warned = true;
    console.warn(`keras-compile: threads: ${threads} is ignored, this bundle runs on one thread`);
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
  try {
    const bundle = await openBundle(where ?? files(), options, stop.signal);
    const steps = profile ? bundle.json(bundle.manifest.profile) : undefined;
    const [engine, described] = await Promise.all([backends[name](bundle), steps]);
    signal?.throwIfAborted();
    return new LoadedModel(bundle.manifest, name, engine, described);
  } catch (error) {
    stop.abort(error);
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
};
