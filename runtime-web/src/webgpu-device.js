// A device of WebGPU that suffices, and what it says of what is done with it.

import { isSoftware } from './gpu.js';
import { because, Unfit } from './source.js';

/** @import { LoadOptions } from './index.js' */
/** @import { WebGPUSection } from './internal.js' */

/** @param {WebGPUSection} section @param {LoadOptions} options @param {boolean} automatic @returns {Promise<[GPUDevice, boolean]>} It, and whether it is software. */
export async function deviceFor({ limits, features = [] }, { device: own, profile }, automatic) {
  if (own) {
    const device = /** @type {GPUDevice} */ (own);
    suffice(device, limits, features, "the page's device");
    return [device, isSoft(/** @type {any} */ (device).adapterInfo)];
  }
  const gpu = globalThis.navigator?.gpu;
  if (!gpu) {
    throw new Unfit(globalThis.isSecureContext === false ? 'WebGPU needs TLS or localhost' : 'there is no WebGPU here (navigator.gpu)');
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Unfit('WebGPU has no adapter here');
  const { info } = adapter;
  const { vendor = '', architecture = '', description = '' } = info ?? {};
  const software = isSoft(info);
  if (automatic && software) {
    // Firefox tells no names.
    const name = (description || `${vendor} ${architecture}`).trim();
    throw new Unfit(`its only adapter is a software renderer${name && ` (${name})`}, which is slower; name the backend to use it all the same`);
  }
  suffice(adapter, limits, features, 'the adapter');
  const requiredFeatures = /** @type {GPUFeatureName[]} */ ([...features]);
  if (profile && adapter.features.has('timestamp-query')) requiredFeatures.push('timestamp-query');
  // What a device has by default need not be asked for, and may be.
  const device = await adapter.requestDevice({ requiredLimits: limits, requiredFeatures }).catch((cause) => {
    throw new Unfit(`the adapter gives no device (${because(cause)})`, cause);
  });
  return [device, software];
}

/** Whether an adapter stands in for a GPU. @param {GPUAdapterInfo | undefined} info */
function isSoft(info) {
  const { vendor, architecture, device, description } = info ?? {};
  return !!info?.isFallbackAdapter || isSoftware(vendor, architecture, device, description);
}

/**
 * @param {GPUAdapter | GPUDevice} giver
 * @param {Record<string, number>} limits
 * @param {string[]} features
 * @param {string} name
 */
function suffice(giver, limits, features, name) {
  const offered = /** @type {Record<string, number>} */ (/** @type {unknown} */ (giver.limits));
  for (const [limit, needed] of Object.entries(limits)) {
    const has = offered[limit] ?? 0;
    if (has < needed) throw new Unfit(`the model needs ${limit} ${needed}, and ${name} offers ${has}`);
  }
  const absent = features.find((feature) => !giver.features.has(feature));
  if (absent) throw new Unfit(`the model needs the feature ${absent}, which ${name} lacks`);
}

/**
 * Does something with a device, and finds what that says of it. The scopes end before anything else can happen: they are a
 * stack, and the device may be the page's.
 * @template T
 * @param {GPUDevice} device
 * @param {() => T} act
 * @returns {[T, Promise<void>]}
 */
export function scoped(device, act) {
  const filters = /** @type {GPUErrorFilter[]} */ (['internal', 'out-of-memory', 'validation']);
  filters.forEach((filter) => device.pushErrorScope(filter));
  /** @type {Promise<GPUError | null>[]} */
  const found = [];
  const sound = async () => {
    const error = (await Promise.all(found)).find((error) => error);
    if (error) throw new Error(error.message);
  };
  let made;
  try {
    made = act();
  } finally {
    filters.forEach(() => found.push(device.popErrorScope()));
    found.forEach((scope) => scope.catch(() => {}));
  }
  const said = sound();
  // Whoever awaits something else first must not be called careless.
  said.catch(() => {});
  return [made, said];
}
