// The manifest of a bundle that lies elsewhere: fetched, and checked before anything is done by it.

import { BundleError, openSource } from './source.js';

/** @import { LoadOptions } from './index.js' */
/** @import { Manifest } from './internal.js' */

/**
 * @param {URL} url
 * @param {LoadOptions} options
 * @param {AbortSignal} stopped
 */
export async function fetchManifest(url, options, stopped) {
  // The only name without a hash: an old copy would point to files that are gone.
  const source = await openSource(url, options, stopped, { cache: 'no-cache' });
  return parseManifest(url, await source.text());
}

/** @typedef {(value: any) => boolean} Check */

/** @type {Check} */
const whole = (value) => Number.isSafeInteger(value) && value >= 0;
/** @type {Check} */
const text = (value) => typeof value === 'string';
/** @type {Check} A file beside the manifest, and nowhere else. */
const plainName = (value) => text(value) && /^[\w-][\w.-]*$/.test(value);
/** @type {(check: Check) => Check} */
const listOf = (check) => (value) => Array.isArray(value) && value.every(check);
/** @type {Check} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/** @type {(checks: Record<string, Check>) => Check} */
const object = (checks) => (value) => isObject(value) && Object.entries(checks).every(([key, check]) => check(value[key]));
/** @type {(check: Check) => Check} */
const optional = (check) => (value) => value === undefined || check(value);

const slots = listOf(object({ name: text, shape: listOf(whole), dtype: text, storage: text, offset: whole }));
const modules = { relaxed: optional(plainName), baseline: plainName };
/** Where in the first page of memory threads find their commands. @type {Check} */
const command = (value) => whole(value) && value % 4 === 0 && value < 65520;
const file = object({ bytes: whole, sha256: text });

/** What the parts of a manifest are made of. @type {Record<string, Check>} */
const parts = {
  inputs: slots,
  outputs: slots,
  memory: object({ pages: (value) => whole(value) && value > 0 }),
  prepare: whole,
  steps: whole,
  profile: plainName,
  backends: object({
    wasm: optional(object({ ...modules, threads: optional(object({ ...modules, scratch: whole, command, useful: whole })) })),
  }),
  weights: object({ offset: whole, bytes: whole, shards: listOf(plainName), ready: listOf(whole) }),
  files: (value) => isObject(value) && Object.entries(value).every(([name, entry]) => plainName(name) && file(entry)),
};

/**
 * @param {URL} url
 * @param {string} text
 * @returns {Manifest}
 */
function parseManifest(url, text) {
  let manifest;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw new BundleError(url, 'is not JSON; see whether the address is right', cause);
  }
  if (manifest?.format !== 1) {
    throw new BundleError(url, `has format ${JSON.stringify(manifest?.format)}, this index.js reads format 1; ` +
      'take both from the same run of keras-compile');
  }
  for (const [key, check] of Object.entries(parts)) {
    if (!(key in manifest)) throw new BundleError(url, `has no "${key}"; compile the model anew`);
    if (!check(manifest[key])) throw new BundleError(url, `has a "${key}" that makes no sense; compile the model anew`);
  }
  return manifest;
}
