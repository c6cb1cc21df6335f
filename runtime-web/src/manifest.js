// The manifest of a bundle that lies elsewhere: fetched, and checked before anything is done by it.

import { BundleError, openSource } from './source.js';

/** @import { LoadOptions } from './index.js' */
/** @import { Check, Kept, Manifest } from './internal.js' */

/**
 * @param {URL} url
 * @param {LoadOptions} options
 * @param {AbortSignal} stopped
 * @param {Record<string, Check>} sections What is a backend's own in its section.
 * @param {Kept} [kept]
 */
export async function fetchManifest(url, options, stopped, sections, kept) {
  const text = await fetchText(url, options, stopped).catch(async (error) => {
    const old = !stopped.aborted && await kept?.source(url, KEPT);
    if (old) return old.text();
    throw error;
  });
  const manifest = parseManifest(url, text, sections);
  await kept?.keep(KEPT, text, 'application/json');
  return manifest;
}

/** @param {URL} url @param {LoadOptions} options @param {AbortSignal} stopped */
async function fetchText(url, options, stopped) {
  // The only name without a hash: an old copy would point to files that are gone.
  const source = await openSource(url, options, stopped, { cache: 'no-cache' });
  return source.text();
}

/** What the manifest is kept as. */
export const KEPT = 'manifest';

/** @type {Check} */
export const whole = (value) => Number.isSafeInteger(value) && value >= 0;
/** @type {Check} */
export const text = (value) => typeof value === 'string';
/** @type {Check} A file beside the manifest, and nowhere else. */
export const plainName = (value) => text(value) && /^[\w-][\w.-]*$/.test(value);
/** @type {(check: Check) => Check} */
export const listOf = (check) => (value) => Array.isArray(value) && value.every(check);
/** @type {Check} */
export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/** @type {(checks: Record<string, Check>) => Check} */
export const object = (checks) => (value) => isObject(value) && Object.entries(checks).every(([key, check]) => check(value[key]));
/** @type {(check: Check) => Check} */
export const optional = (check) => (value) => value === undefined || check(value);

const slots = listOf(object({ name: text, shape: listOf(whole), dtype: text, state: optional(whole) }));
const section = object({
  code: isObject, memory: whole, steps: whole, profile: plainName,
// keras-compile: early {
  ready: optional(listOf(listOf(whole))),
// keras-compile: early }
});
const file = object({ bytes: whole, sha256: text });

/** Whether what is kept has an output that gives the next one. @type {Check} */
const hasStates = ({ inputs, outputs }) => inputs.every((/** @type {any} */ { state }) => state === undefined || state < outputs.length);

/** What the parts of a manifest are made of. @type {Record<string, Check>} */
const parts = {
  inputs: slots,
  outputs: slots,
  backends: isObject,
  weights: object({ bytes: whole, shards: listOf(plainName) }),
  files: (value) => isObject(value) && Object.entries(value).every(([name, entry]) => plainName(name) && file(entry)),
};

/**
 * @param {URL} url
 * @param {string} text
 * @param {Record<string, Check>} sections
 * @returns {Manifest}
 */
function parseManifest(url, text, sections) {
  let manifest;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw new BundleError(url, 'is not JSON; see whether the address is right', cause);
  }
// keras-compile: encoded {
  // The same but for weights that must be decoded.
  if (manifest?.format === 3) manifest.format = 2;
// keras-compile: encoded }
  if (manifest?.format !== 2) {
    throw new BundleError(url, `has format ${JSON.stringify(manifest?.format)}, this index.js reads format 2; ` +
      'take both from the same run of keras-compile');
  }
  for (const [key, check] of Object.entries(parts)) {
    if (!(key in manifest)) throw new BundleError(url, `has no "${key}"; compile the model anew`);
    if (!check(manifest[key])) throw new BundleError(url, `has a "${key}" that makes no sense; compile the model anew`);
  }
  if (!hasStates(manifest)) throw new BundleError(url, 'has an "inputs" that makes no sense; compile the model anew');
  // Sections of other backends are none of this script's business.
  for (const [name, check] of Object.entries(sections)) {
    const found = manifest.backends[name];
    if (found === undefined || (section(found) && check(found))) continue;
    throw new BundleError(url, `has a "backends.${name}" that makes no sense; compile the model anew`);
  }
  return manifest;
}
