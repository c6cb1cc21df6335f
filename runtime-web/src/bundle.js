// Reads the files of a bundle, over HTTP or from the disk, and checks them.

/** @import { Bundle, Manifest } from '../internal.js' */
/** @import { LoadOptions } from './index.js' */

/** A file of the bundle is absent, damaged or of another version, or this engine cannot run it. */
export class BundleError extends Error {
  /**
   * @param {URL} url
   * @param {string} message What is wrong and the remedy.
   * @param {unknown} [cause]
   */
  constructor(url, message, cause) {
    super(`${url}: ${message}`, { cause });
    this.name = 'BundleError';
    this.url = url.href;
  }
}

const again = 'upload the whole bundle anew';

/** @param {URL} url @param {Uint8Array} target */
const tooLong = (url, target) =>
  new BundleError(url, `is longer than the ${target.length} bytes in the manifest; ${again}`);

/**
 * @param {string | URL | Record<string, URL>} where The folder, or the address of each file.
 * @param {LoadOptions} options
 * @param {AbortSignal} stopped
 * @returns {Promise<Bundle>}
 */
export async function openBundle(where, options, stopped) {
  const folder = typeof where === 'string' || where instanceof URL ? await toFolder(where) : undefined;
  const locate = (/** @type {string} */ name) =>
    folder ? new URL(name, folder) : /** @type {Record<string, URL>} */ (where)[name];

  /** @type {(url: URL, init?: RequestInit) => Promise<Response>} */
  const get = async (url, init) => {
    const send = options.fetch ?? fetch;
    const response = await send(url.href, { signal: stopped, ...init }).catch((cause) => {
      throw new BundleError(url, `cannot be fetched (${cause.message}); see whether the address is right, ` +
        'the network is up and another origin allows this one (CORS)', cause);
    });
    if (!response.ok) {
      throw new BundleError(url, `the server answered ${response.status} ${response.statusText}`.trimEnd() +
        '; see whether the address is right and every file of the bundle was uploaded');
    }
    if (response.headers.get('content-type')?.startsWith('text/html')) {
      throw new BundleError(url, 'the server answered with an HTML page; see whether the address is right ' +
        'and every file of the bundle was uploaded');
    }
    return response;
  };
  const onDisk = (/** @type {URL} */ url) => url.protocol === 'file:' && !options.fetch;

  const url = locate('manifest.json');
  // The only name without a hash: an old copy would point to files that are gone.
  const text = onDisk(url) ? await readText(url) : await (await get(url, { cache: 'no-cache' })).text();
  const manifest = parseManifest(url, text);

  let loaded = 0;
  let total = 0;
  const progress = (/** @type {number} */ bytes) => options.onProgress?.({ loaded: (loaded += bytes), total });

  /** Each digest copies what it reads, so one at a time. @type {Promise<unknown>} */
  let hashing = Promise.resolve();

  /**
   * @param {URL} url
   * @param {Uint8Array<ArrayBuffer>} target As long as the file.
   * @param {string} sha256
   * @param {Response} [response]
   */
  const read = async (url, target, sha256, response) => {
    let at = 0;
    for await (const count of response ? fromBody(url, response, target) : fromFile(url, target, stopped)) {
      at += count;
      progress(count);
    }
    if (at < target.length) {
      throw new BundleError(url, `ends after ${at} of ${target.length} bytes; ${again}`);
    }
    // Pages without TLS have no crypto.subtle; they cannot trust what they get anyway.
    const subtle = globalThis.crypto?.subtle;
    if (!subtle) return;
    const digest = await (hashing = hashing.then(() => subtle.digest('SHA-256', target)));
    const hex = Array.from(new Uint8Array(/** @type {ArrayBuffer} */ (digest)), (b) => b.toString(16).padStart(2, '0'));
    if (hex.join('') !== sha256) {
      throw new BundleError(url, 'is damaged (its SHA-256 is not the one in the manifest); ' + again);
    }
  };

  const entry = (/** @type {string} */ name) => {
    const file = manifest.files[name];
    if (!file) throw new BundleError(url, `does not list ${name}; compile the model anew`);
    return file;
  };

  return {
    url,
    manifest,
    stopped,
    expect(names) {
      total = names.reduce((sum, name) => sum + entry(name).bytes, 0);
      progress(0);
    },
    async fill(name, target) {
      const url = locate(name);
      await read(url, target, entry(name).sha256, onDisk(url) ? undefined : await get(url));
    },
    async compile(name) {
      const url = locate(name);
      const { bytes, sha256 } = entry(name);
      const code = new Uint8Array(bytes);
      const response = onDisk(url) ? undefined : await get(url);
      // Compiling from the response lets the browser keep the machine code for the next visit. It needs the MIME
      // type application/wasm; without it the bytes do.
      const streamed = response && WebAssembly.compileStreaming?.(response.clone()).catch(() => undefined);
      await read(url, code, sha256, response);
      try {
        return (await streamed) ?? (await WebAssembly.compile(code));
      } catch (cause) {
        throw new BundleError(url, `cannot be compiled here (${/** @type {Error} */ (cause).message}); it needs ` +
          "WebAssembly SIMD (Chromium 91, Firefox 89, Safari 16.4) and, in a CSP, script-src 'wasm-unsafe-eval'", cause);
      }
    },
  };
}

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
  const missing = ['inputs', 'outputs', 'memory', 'steps', 'backends', 'weights', 'files'].find((key) => !(key in manifest));
  if (missing) throw new BundleError(url, `has no "${missing}"; compile the model anew`);
  return manifest;
}

/**
 * Copies each chunk to its place as it arrives and tells its length.
 * @param {URL} url
 * @param {Response} response
 * @param {Uint8Array} target
 */
async function* fromBody(url, response, target) {
  const reader = response.body?.getReader();
  for (let at = 0; reader; ) {
    const { done, value } = await reader.read().catch((cause) => {
      throw new BundleError(url, `the transfer broke off after ${at} bytes (${cause.message}); load again`, cause);
    });
    if (done) return;
    if (at + value.length > target.length) throw tooLong(url, target);
    target.set(value, at);
    at += value.length;
    yield value.length;
  }
}

// Outside browsers. The name of the module is kept from bundlers, which would look for it in a page.

/** @param {string} name @returns {Promise<any>} */
const node = (name) => import(/* webpackIgnore: true */ /* @vite-ignore */ 'node:' + name);

/**
 * @param {string | URL} where
 * @returns {Promise<URL>}
 */
async function toFolder(where) {
  const runtime = /** @type {any} */ (globalThis);
  const page = runtime.document?.baseURI ?? (runtime.process?.versions?.node ? undefined : runtime.location?.href);
  let folder;
  // A single letter is a drive, not a scheme.
  if (page || where instanceof URL || /^[a-z][a-z+.-]+:/i.test(where)) folder = new URL(where, page);
  else folder = /** @type {URL} */ ((await node('url')).pathToFileURL(where));
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  return folder;
}

/** @param {URL} url @returns {Promise<string>} */
async function readText(url) {
  try {
    return await (await node('fs/promises')).readFile(url, 'utf8');
  } catch (cause) {
    throw unreadable(url, cause);
  }
}

/**
 * Reads straight into `target`, a few megabytes at a time.
 * @param {URL} url
 * @param {Uint8Array} target
 * @param {AbortSignal} stopped
 */
async function* fromFile(url, target, stopped) {
  const file = await (await node('fs/promises')).open(url).catch((/** @type {unknown} */ cause) => {
    throw unreadable(url, cause);
  });
  try {
    if ((await file.stat()).size > target.length) throw tooLong(url, target);
    for (let at = 0; at < target.length; ) {
      stopped.throwIfAborted();
      const { bytesRead } = await file.read(target, at, Math.min(target.length - at, 1 << 22), at);
      if (!bytesRead) return;
      at += bytesRead;
      yield bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** @param {URL} url @param {any} cause */
const unreadable = (url, cause) =>
  new BundleError(url, `cannot be read (${cause.message}); see whether the path is right; pages need HTTP`, cause);
