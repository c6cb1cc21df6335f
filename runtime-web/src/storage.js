// Keeps a bundle's files in the Cache API: caches of HTTP drop large ones, and offline there is no server.

import { because, sourceOf } from './source.js';

/** @import { Kept } from './internal.js' */

/** What all files of all bundles lie in. */
const CACHE = 'keras-compile';

/** Files whose writing is under way at a time: each is a copy in memory. */
const WRITES = 4;

/**
 * @param {string} model Which one it is, whatever its version.
 * @returns {Promise<Kept>}
 */
export async function openStorage(model) {
  const { caches } = globalThis;
  if (!caches) {
    throw new Error(globalThis.isSecureContext === false ? 'the Cache API needs TLS or localhost' : 'there is no Cache API here');
  }
  const cache = await caches.open(CACHE);
  // Nobody can have this address, and it is only a key.
  const folder = `https://${CACHE}.invalid/${encodeURIComponent(model)}/`;
  /** @type {Set<Promise<void>>} */
  const writing = new Set();
  /** @type {unknown} */
  let failure;
  /** @type {Kept} */
  const kept = {
    complete: true,
    async source(url, key) {
      const response = await cache.match(folder + key);
      if (!response) kept.complete = false;
      return response && sourceOf(url, response);
    },
    async keep(key, bytes, type) {
      if (failure) return;
      // This copies them at once.
      const response = new Response(bytes, { headers: { 'content-type': type } });
      const written = cache.put(folder + key, response).catch((cause) => void (failure = cause)).finally(() => writing.delete(written));
      writing.add(written);
      if (writing.size >= WRITES) await Promise.race(writing);
    },
    async drop(key) {
      kept.complete = false;
      await cache.delete(folder + key);
    },
    async settle(keys) {
      await Promise.all(writing);
      if (failure) return because(failure);
      const wanted = new Set(keys);
      for (const { url } of await cache.keys()) {
        if (url.startsWith(folder) && !wanted.has(url.slice(folder.length))) await cache.delete(url);
      }
      return undefined;
    },
  };
  return kept;
}
