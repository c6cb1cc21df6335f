// The entry of a bundle: where its files are and which backends it holds.

import { openBundle } from './bundle.js';
import { fetchManifest } from './manifest.js';
import { LoadedModel } from './model.js';
import { beside, BundleError, liesBeside, toFolder } from './source.js';
// keras-compile: threads {
import { openThreads } from './threads.js';
// keras-compile: threads }
// keras-compile: wasm {
import { checkWasm, openWasm } from './wasm.js';
// keras-compile: wasm }

/** @import { BackendName, load as Load, LoadOptions } from './index.js' */
/** @import { Backend, Engine, Located, Manifest } from './internal.js' */

export { BundleError };

/** What this bundle holds, for `load()` without an address. @type {Manifest} */
const ownManifest = /** @type {any} */ ({
  // keras-compile: manifest
});

/**
 * Its files. One literal each, because that is what bundlers find, copy and rename.
 * @type {() => Record<string, URL>}
 */
const ownFiles = () => ({
  // keras-compile: files
});

/** The address of this script; scripts of other kinds have none. @type {string} */
const script = import.meta.url;

/** @returns {Promise<Located>} */
async function locateOwn() {
  if (!script) {
    throw new TypeError('load: this script does not know its own address, since it was not built as an ES module; ' +
      "pass the address of the model's folder");
  }
  const own = { url: new URL(script), manifest: ownManifest };
  const [some] = Object.values(ownManifest.backends);
  if (some && await liesBeside(script, some.profile)) return { ...own, locate: (name) => beside(script, name) };
  const files = ownFiles();
  return { ...own, locate: (name) => /** @type {URL} */ (files[name]) };
}

/**
 * @param {string | URL} where
 * @param {LoadOptions} options
 * @param {AbortSignal} stopped
 * @returns {Promise<Located>}
 */
async function locate(where, options, stopped) {
  const folder = await toFolder(where);
  const url = new URL('manifest.json', folder);
  const manifest = await fetchManifest(url, options, stopped, checks());
  return { url, manifest, locate: (name) => new URL(name, folder) };
}

/** The backends of this bundle, the one that is preferred first. @type {{ [name in BackendName]?: Backend }} */
const backends = {};

/** What each makes of its section of a manifest. */
const checks = () => Object.fromEntries(Object.entries(backends).map(([name, { check }]) => [name, check]));

// keras-compile: wasm {
backends.wasm = { check: checkWasm, open: openWasm };

// keras-compile: wasm }
// keras-compile: threads {
backends.wasm.open = (bundle, options) =>
  openThreads(bundle, options, (Other) => {
    // The global class and a literal are what bundlers find.
    if (!Other) return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    // Options of the process, such as --input-type, are not for workers.
    return new Other(beside(script, 'worker.js'), { execArgv: [] });
  });

// keras-compile: threads }
/** Whether the console has heard that there are not as many threads as were asked for. */
let warned = false;

/** @type {typeof Load} */
export const load = async (where, options = {}) => {
  const { backend, threads = 'auto', signal, profile } = options;
  signal?.throwIfAborted();
  if (threads !== 'auto' && !(Number.isInteger(threads) && threads > 0)) {
    throw new RangeError(`load: threads is ${threads}; pass 'auto' or a whole number from 1`);
  }
  const present = /** @type {BackendName[]} */ (Object.keys(backends));
  const name = backend ?? present[0];
  const chosen = name && present.includes(name) ? backends[name] : undefined;
  if (!name || !chosen) {
    throw new TypeError(`load: there is no backend "${backend}" in this bundle; it holds ${present.join(', ')}`);
  }
  // A failure, too, stops the downloads that are still under way.
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort);
  /** @type {Promise<Engine> | undefined} */
  let opening;
  try {
    const located = await (where === undefined ? locateOwn() : locate(where, options, stop.signal));
    const bundle = openBundle(located, options, stop.signal);
    const section = bundle.manifest.backends[name];
    if (!section) throw new BundleError(bundle.url, `holds nothing for the backend "${name}"; compile the model anew`);
    const steps = profile ? bundle.json(section.profile) : undefined;
    opening = chosen.open(bundle, options);
    const [engine, described] = await Promise.all([opening, steps]);
    signal?.throwIfAborted();
    const fewer = threads !== 'auto' && engine.threads < threads;
    if ((fewer || engine.failed) && !warned) {
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
