// The files of a bundle, checked against its manifest.

import { because, BundleError, openSource } from './source.js';

/** @import { Bundle, Located, Source } from './internal.js' */
/** @import { LoadOptions } from './index.js' */

/**
 * @param {Located} located
 * @param {LoadOptions} options
 * @param {AbortSignal} stopped
 * @returns {Bundle}
 */
export function openBundle({ url, manifest, locate, kept }, options, stopped) {
  /** @param {string} name */
  const entry = (name) => {
    const file = manifest.files[name];
    if (!file) throw new BundleError(url, `does not list ${name}; compile the model anew`);
    return file;
  };

  /** Memory for a whole file. @param {string} name */
  const room = (name) => {
    const { bytes } = entry(name);
    try {
      return new Uint8Array(bytes);
    } catch (cause) {
      throw new BundleError(url, `lists ${name} with ${bytes} bytes, which is more than there is room for`, cause);
    }
  };

  let loaded = 0;
  let total = 0;
  /** Each digest copies what it reads, so one at a time. @type {Promise<unknown>} */
  let hashing = Promise.resolve();

  /** What shared memory is hashed in, which crypto.subtle refuses: new copies would pile up. */
  let copy = new Uint8Array();
  const unshared = (/** @type {Uint8Array} */ bytes) => {
    if (bytes.buffer instanceof ArrayBuffer) return /** @type {Uint8Array<ArrayBuffer>} */ (bytes);
    if (copy.length < bytes.length) copy = new Uint8Array(bytes.length);
    copy.set(bytes);
    return copy.subarray(0, bytes.length);
  };

  /** @param {number} bytes */
  const progress = (bytes) => {
    // The page may show the error by now, and chunks that had arrived are still read.
    if (stopped.aborted) return;
    loaded += bytes;
    options.onProgress?.({ loaded, total });
  };

  /** @param {string} name @param {Source} source @param {Uint8Array} target @param {(bytes: number) => void} [arrived] */
  const read = async (name, source, target, arrived = progress) => {
    let at = 0;
    for await (const bytes of source.read(target)) {
      at += bytes;
      arrived(bytes);
    }
    const wrong = async () => {
      if (at < target.length) return `ends after ${at} of ${target.length} bytes`;
      hashing = hashing.then(() => sha256(unshared(target)));
      const hash = (await hashing) ?? entry(name).sha256;
      if (hash !== entry(name).sha256) return 'is damaged (its SHA-256 is not the one in the manifest)';
    };
    const what = await wrong();
    if (what) throw new BundleError(locate(name), `${what}; upload the whole bundle anew`);
  };

  /** From where it is kept, if that is whole. @param {string} name @param {Uint8Array} target @param {(bytes: number) => void} arrived */
  const found = async (name, target, arrived) => {
    const key = entry(name).sha256;
    try {
      const source = await kept?.source(locate(name), key);
      if (!source) return false;
      await read(name, source, target, () => {});
    } catch {
      stopped.throwIfAborted();
      // Where it cannot even be dropped, it is fetched all the same.
      await kept?.drop(key).catch(() => {});
      return false;
    }
    arrived(target.length);
    return true;
  };

  /** @param {string} name @param {Uint8Array} target @param {(bytes: number) => void} [arrived] */
  const get = async (name, target, arrived = progress) => {
    if (await found(name, target, arrived)) return;
    await read(name, await openSource(locate(name), options, stopped), target, arrived);
    await keep(name, target, 'application/octet-stream');
  };

  /** @param {string} name @param {Uint8Array} bytes @param {string} type */
  const keep = async (name, bytes, type) => kept?.keep(entry(name).sha256, unshared(bytes), type);

  return {
    url,
    manifest,
    stopped,
    again: () => openBundle({ url, manifest, locate, kept }, { fetch: options.fetch }, stopped),
    expect(names) {
      loaded = 0;
      total = names.reduce((sum, name) => sum + entry(name).bytes, 0);
      options.onProgress?.({ loaded, total });
    },
    fill: get,
    async json(name) {
      const bytes = room(name);
      await get(name, bytes, () => {});
      return JSON.parse(new TextDecoder().decode(bytes));
    },
    async text(name) {
      const bytes = room(name);
      await get(name, bytes);
      return new TextDecoder().decode(bytes);
    },
    async compile(name) {
      const url = locate(name);
      const code = room(name);
      // Asked for anew, since browsers keep the machine code of what came over HTTP.
      const source = await openSource(url, options, stopped).catch(async (error) => {
        const old = !stopped.aborted && await kept?.source(url, entry(name).sha256);
        if (old) return old;
        throw error;
      });
      // Compiling from the response lets the browser keep the machine code for the next visit. It needs the MIME
      // type application/wasm; without it the bytes do.
      const streamed = source.response && WebAssembly.compileStreaming?.(source.response.clone()).catch(() => undefined);
      await read(name, source, code);
      await keep(name, code, 'application/wasm');
      try {
        const module = (await awake(streamed)) ?? (await awake(WebAssembly.compile(code)));
        // WebKit compiles whatever a CSP says and refuses instances only, be it of an empty module.
        await awake(WebAssembly.instantiate(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)));
        return module;
      } catch (cause) {
        throw new BundleError(url, `cannot be compiled here (${because(cause)}); it needs WebAssembly SIMD ` +
          "(Chromium 91, Firefox 89, Safari 16.4) and, in a CSP, script-src 'wasm-unsafe-eval'", cause);
      }
    },
  };
}

/**
 * What WebAssembly promises. In a worker of WebKitGTK 2.50 now and then nothing wakes the worker for it: it sleeps until its
 * next event, of which there may be none. So there are some, of a timer.
 * @template T
 * @param {T | Promise<T>} promised
 */
export async function awake(promised) {
  const timer = setInterval(() => {}, 20);
  try {
    return await promised;
  } finally {
    clearInterval(timer);
  }
}

/**
 * In hexadecimal; nothing in pages without TLS, which have no crypto.subtle and cannot trust the manifest either.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function sha256(bytes) {
  const digest = await globalThis.crypto?.subtle?.digest('SHA-256', bytes);
  return digest && Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
