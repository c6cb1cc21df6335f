// The entry of a bundle: where its files are and which backends it holds.

import { openBundle } from './bundle.js';
import { fetchManifest, KEPT } from './manifest.js';
import { LoadedModel } from './model.js';
import { beside, because, BundleError, liesBeside, toFolder, Unfit } from './source.js';
import { openStorage } from './storage.js';
import { argmax, topk } from './tensor.js';
// keras-compile: encoded {
import { checkEncoded, decoding } from './decode.js';
// keras-compile: encoded }
// keras-compile: early {
import { arriving, isOrder } from './early.js';
// keras-compile: early }
// keras-compile: labels {
import { nameClasses, openLabels } from './labels.js';
// keras-compile: labels }
// keras-compile: pictures {
import { takePictures } from './pictures.js';
// keras-compile: pictures }
// keras-compile: several {
import { answerUntil, compareWith, quicker } from './several.js';
// keras-compile: several }
// keras-compile: strings {
import { checkStrings, openStrings } from './strings.js';
// keras-compile: strings }
// keras-compile: threads {
import { openThreads } from './threads.js';
// keras-compile: threads }
// keras-compile: wasm {
import { checkWasm, openWasm } from './wasm.js';
// keras-compile: wasm }
// keras-compile: webgl {
import { checkWebGL, openWebGL } from './webgl.js';
// keras-compile: webgl }
// keras-compile: webgpu {
import { checkWebGPU, openWebGPU } from './webgpu.js';
// keras-compile: webgpu }

/** @import { BackendName, load as Load, LoadOptions } from './index.js' */
/** @import { Backend, Bundle, Choice, Chooser, Comparing, Engine, Keeping, Kept, Located, Manifest, Running, Speaks, Value, Verifying, Warming } from './internal.js' */

export { argmax, BundleError, topk };

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

/**
 * What keeps files from one visit to the next, where that was asked for, or why there is none.
 * @param {LoadOptions['cache']} cache
 * @param {string} model
 * @returns {Promise<{ kept?: Kept | undefined, why?: string | undefined }>}
 */
async function keeperFor(cache, model) {
  if (cache === undefined) return { why: "load the model with { cache: 'storage' } to keep its files" };
  const [known, name = model] = /^storage(?::(.+))?$/.exec(cache) ?? [];
  if (!known) throw new TypeError(`load: cache is "${cache}"; pass 'storage', or 'storage:' with a name of the model`);
  try {
    return { kept: await openStorage(name) };
  } catch (cause) {
    return { why: because(cause) };
  }
}

/** @param {LoadOptions} options @returns {Promise<Located>} */
async function locateOwn({ cache }) {
  if (!script) {
    throw new TypeError('load: this script does not know its own address, since it was not built as an ES module; ' +
      "pass the address of the model's folder");
  }
  const keeper = await keeperFor(cache, beside(script, '.').href + ownManifest.model);
  const own = { url: new URL(script), manifest: ownManifest, ...keeper };
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
  const keeper = await keeperFor(options.cache, folder.href);
  const manifest = await fetchManifest(url, options, stopped, checks(), keeper.kept);
// keras-compile: encoded {
  if (manifest.weights.encoded !== undefined && !checkEncoded(manifest)) {
    throw new BundleError(url, 'has a "weights" that makes no sense; compile the model anew');
  }
// keras-compile: encoded }
// keras-compile: early {
  if (!isOrder(manifest.weights)) throw new BundleError(url, 'has a "weights" that makes no sense; compile the model anew');
// keras-compile: early }
  return { url, manifest, locate: (name) => new URL(name, folder), ...keeper };
}

/** The backends of this bundle, the one that is preferred first. @type {{ [name in BackendName]?: Backend }} */
const backends = {};

/** What each makes of its section of a manifest. */
const checks = () => Object.fromEntries(Object.entries(backends).map(([name, { check }]) => [name, check]));

// keras-compile: webgpu {
backends.webgpu = { check: checkWebGPU, open: openWebGPU };

// keras-compile: webgpu }
// keras-compile: webgl {
backends.webgl = { check: checkWebGL, open: openWebGL };

// keras-compile: webgl }
// keras-compile: wasm {
backends.wasm = { check: checkWasm, open: (bundle, options) => openWasm(bundle, options) };

// keras-compile: wasm }
// keras-compile: threads {
backends.wasm = {
  check: checkWasm,
  open: (bundle, options) =>
    openThreads(bundle, options, (Other) => {
      // The global class and a literal are what bundlers find.
      if (!Other) return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
      // Options of the process, such as --input-type, are not for workers.
      return new Other(beside(script, 'worker.js'), { execArgv: [] });
    }),
};

// keras-compile: threads }
/** How one backend answers until another one is there, where there may be several. @type {Warming | undefined} */
let warming;
/** What compares two backends, where there are several. @type {Comparing | undefined} */
let comparing;
/** What compares the outputs of two. @type {Verifying | undefined} */
let verifying;
// keras-compile: several {
verifying = compareWith;
warming = answerUntil;
comparing = quicker;
// keras-compile: several }

/** What goes through strings, where there are such. @type {Speaks | undefined} */
let speaks;
// keras-compile: strings {
speaks = { check: checkStrings, open: openStrings };
// keras-compile: strings }

/** What goes through the strings of a model; nothing of one that has none. @param {Located} located @param {LoadOptions} options @param {AbortSignal} stopped */
async function speakingFor(located, options, stopped) {
  const { url, manifest } = located;
  if (!manifest.strings) return undefined;
  if (!speaks) throw new BundleError(url, 'takes or gives strings, for which this index.js has no code; load it by its own');
  if (!speaks.check(manifest)) throw new BundleError(url, 'has a "strings" that makes no sense; compile the model anew');
  return speaks.open(openBundle(located, { ...options, onProgress: undefined }, stopped));
}

/** The backends to try, one after the other. @param {LoadOptions['backend']} backend */
function orderOf(backend = 'auto') {
  const present = /** @type {BackendName[]} */ (Object.keys(backends));
  const asked = backend === 'auto' ? present : [backend].flat();
  const absent = asked.find((name) => !present.includes(name));
  if (!asked.length || absent !== undefined) {
    throw new TypeError(`load: there is no backend "${absent ?? ''}" in this bundle; it holds ${present.join(', ')}`);
  }
  return /** @type {BackendName[]} */ (asked);
}

/** Loads one model. @implements {Chooser} */
class Loading {
  /** Of the downloads that are under way. @type {Set<AbortController>} */
  #stops = new Set();
  #located;
  #options;

  /** @param {Located} located @param {LoadOptions} options */
  constructor(located, options) {
    this.#located = located;
    this.#options = options;
  }

  /** @param {unknown} reason */
  stop(reason) {
    this.#stops.forEach((stop) => stop.abort(reason));
  }

  /** @param {BackendName} name @param {(bundle: Bundle) => Bundle} [as] @returns {Promise<Running>} */
  async #open(name, as = (bundle) => bundle) {
    const { backend = 'auto', profile, signal } = this.#options;
    // A failure, too, stops the downloads that are still under way.
    const stop = new AbortController();
    this.#stops.add(stop);
    /** @type {Promise<Engine> | undefined} */
    let opening;
    try {
// keras-compile: encoded {
      const given = as;
      as = (bundle) => given(decoding(bundle));
// keras-compile: encoded }
      let files = openBundle(this.#located, this.#options, stop.signal);
// keras-compile: early {
      if (this.#options.early) files = arriving(files, files.manifest.backends[name]);
// keras-compile: early }
      const bundle = as(files);
      const section = bundle.manifest.backends[name];
      if (!section) throw new BundleError(bundle.url, `holds nothing for the backend "${name}"; compile the model anew`);
      const steps = profile ? bundle.json(section.profile) : undefined;
      opening = /** @type {Backend} */ (backends[name]).open(bundle, this.#options, backend === 'auto');
      const [engine, described] = await Promise.all([opening, steps]);
      signal?.throwIfAborted();
// keras-compile: early {
      if (files.arrival) {
        const { ready } = files.arrival.answer(engine);
        // Downloads go on.
        const late = new AbortController();
        late.signal.addEventListener('abort', () => stop.abort(late.signal.reason));
        this.#stops.add(late);
        ready?.catch((error) => stop.abort(error)).then(() => this.#stops.delete(late));
        return { backend: name, engine, steps: described, users: 0 };
      }
// keras-compile: early }
      const wrong = await engine.check?.();
      if (wrong) throw new Unfit(wrong);
      return { backend: name, engine, steps: described, users: 0 };
    } catch (error) {
      opening?.then((engine) => engine.dispose(), () => {});
      stop.abort(error);
      throw error;
    } finally {
      this.#stops.delete(stop);
    }
  }

  /** The first of these that works here. @param {BackendName[]} names @param {(bundle: Bundle) => Bundle} [as] @returns {Promise<Choice>} */
  async choose(names, as) {
    const { manifest: { weights, inputs }, locate } = this.#located;
    const { backend: asked = 'auto' } = this.#options;
    const last = /** @type {BackendName} */ (names.at(-1));
    /** @type {[BackendName, unknown][]} */
    const failed = [];
    for (const name of names) {
      try {
        const first = await this.#open(name, as);
        const several = asked === 'auto' && name !== last && comparing;
        const { running, fallbacks } = several
          ? await several(first, () => this.#open(last, as), inputs)
          : { running: first, fallbacks: [] };
        const { backend } = running;
        const reasons = failed.map(([other, why]) => `${backend} was taken instead of ${other}, because ${because(why)}.`);
        return { running, fallbacks: [...reasons, ...fallbacks] };
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        // No backend can do without weights.
        if (error instanceof BundleError && weights.shards.some((shard) => locate(shard).href === error.url)) throw error;
        failed.push([name, error]);
      }
    }
    const cause = failed.at(-1)?.[1];
    const mine = cause instanceof Unfit || (failed.length > 1 && cause instanceof BundleError);
    const reasons = failed.map(([name, why]) => `${name} cannot run this model here, because ${because(why)}`);
    throw mine ? new Error(`load: ${reasons.join('; ')}`, { cause }) : cause;
  }
}

/** What the model tells of how its files are kept. @param {Located} located @param {Choice} choice @returns {Keeping} */
function keeping({ kept, why, manifest }, choice) {
  const keys = Object.values(manifest.files).map(({ sha256 }) => sha256);
  /** @type {Promise<unknown>} */
  let settled = Promise.resolve(choice.later).catch(() => {});
// keras-compile: early {
  settled = Promise.all([settled, choice.running?.engine.ready]).catch(() => {});
// keras-compile: early }
  const settle = () => settled.then(() => kept?.settle([KEPT, ...keys])).catch(because);
  return { cached: kept?.complete ?? false, stored: kept ? settle() : Promise.resolve(why) };
}

/** Whether the console has heard that there are not as many threads as were asked for. */
let warned = false;

/** @type {typeof Load} */
export const load = async (where, options = {}) => {
  let { backend, threads = 'auto', signal, warm } = options;
  signal?.throwIfAborted();
  if (threads !== 'auto' && !(Number.isInteger(threads) && threads > 0)) {
    throw new RangeError(`load: threads is ${threads}; pass 'auto' or a whole number from 1`);
  }
  const order = orderOf(backend);
// keras-compile: early {
  // What a GPU computes is checked when all weights are there; wasm needs no check.
  if (options.early && order.indexOf('wasm') > 0) warm ??= 'wasm';
// keras-compile: early }
  const [early] = warm === undefined ? [] : orderOf(warm);
  const better = early && order.includes(early) ? order.slice(0, order.indexOf(early)) : order;
  const stop = new AbortController();
  /** @type {Loading | undefined} */
  let loading;
  const abort = () => {
    stop.abort(signal?.reason);
    loading?.stop(signal?.reason);
  };
  signal?.addEventListener('abort', abort);
  try {
    const located = await (where === undefined ? locateOwn(options) : locate(where, options, stop.signal));
    signal?.throwIfAborted();
    const begun = (loading = new Loading(located, options));
    const speaking = speakingFor(located, options, stop.signal);
    // Whoever waits for it below hears of it.
    speaking.catch(() => {});
// keras-compile: labels {
    const labelled = openLabels(openBundle(located, { ...options, onProgress: undefined }, stop.signal));
    labelled.catch(() => {});
// keras-compile: labels }
    const choice = await (early && better.length && warming ? warming(begun, early, better) : begun.choose(order));
    const { engine } = /** @type {Running} */ (choice.running);
    const spoken = await speaking.catch((error) => {
      begun.stop(error);
      engine.dispose();
      throw error;
    });
    const fewer = threads !== 'auto' && engine.threads < threads && engine.fallbacks.length > 0;
    if ((fewer || engine.failed) && !warned) {
      warned = true;
      console.warn(`keras-compile: ${engine.fallbacks.join(' ')}`);
    }
    const { inputs } = located.manifest;
    /** @param {BackendName} name @param {Running} running @param {Value[]} [values] */
    const against = (name, running, values) => {
      const [other] = orderOf(name);
      return verifying?.(running, () => begun.choose([/** @type {BackendName} */ (other)]), inputs, values) ?? Promise.resolve(undefined);
    };
    const model = new LoadedModel(located.manifest, choice, (reason) => begun.stop(reason), against, spoken, keeping(located, choice));
// keras-compile: early {
    const end = () => begun.stop(signal?.reason);
    if (engine.ready) signal?.addEventListener('abort', end);
    engine.ready?.then(() => (model.cached = located.kept?.complete ?? false)).catch(because).then(() => signal?.removeEventListener('abort', end));
// keras-compile: early }
// keras-compile: pictures {
    takePictures(model, located.manifest, located.url);
// keras-compile: pictures }
// keras-compile: labels {
    const { labels } = located.manifest;
    if (labels) nameClasses(model, labels, await labelled.catch((error) => {
      model.dispose();
      throw error;
    }));
// keras-compile: labels }
    return model;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
};
