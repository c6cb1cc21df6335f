// Where a bundle lies and how its files are read: over HTTP or, outside browsers, from the disk.

/** @import { LoadOptions } from './index.js' */
/** @import { Source } from './internal.js' */

/** A file of the bundle is absent, damaged or of another version, or this engine cannot run it. */
export class BundleError extends Error {
  /** @param {URL} url @param {string} message What is wrong; the remedy. @param {unknown} [cause] */
  constructor(url, message, cause) {
    // A file that a bundler made part of the address would fill the screen.
    const shown = url.protocol === 'data:' && url.href.length > 64 ? `${url.href.slice(0, 64)}…` : url.href;
    super(`${shown}: ${message}`, { cause });
    this.name = 'BundleError';
    this.url = shown;
  }
}

/** Why a backend cannot run here, as a clause: another one may. */
export class Unfit extends Error {
  /** @param {string} message @param {unknown} [cause] */
  constructor(message, cause) {
    super(message, { cause });
    this.name = 'Unfit';
  }
}

/** A module of Node, Deno and Bun. Bundlers do not see the name and so do not look for it. @param {string} name @returns {Promise<any>} */
export const node = (name) => import(/* webpackIgnore: true */ /* @vite-ignore */ 'node:' + name);

/** Whether this is Node, Deno or Bun, perhaps with a page that is made believe. */
export const outsideBrowsers = () => !!(/** @type {any} */ (globalThis).process?.versions?.node);

/** Bundlers see no address in this. @param {string} script @param {string} name */
export const beside = (script, name) => new URL(name, script);

/**
 * Whether a file lies on the disk beside a script. Bundlers rewrite the addresses that the script holds, for browsers.
 * @param {string} script
 * @param {string} name
 */
export async function liesBeside(script, name) {
  if (!outsideBrowsers() || !script.startsWith('file:')) return false;
  // Deno asks for more permissions than to read where `access` is called.
  return (await node('fs/promises')).stat(beside(script, name)).then(() => true, () => false);
}

/**
 * The folder as an address that ends in a slash.
 * @param {string | URL} where
 */
export async function toFolder(where) {
  const { document, location } = /** @type {any} */ (globalThis);
  // Workers of Deno have a location, and a path there means a file all the same.
  const page = document?.baseURI ?? (outsideBrowsers() ? undefined : location?.href);
  const address = String(where);
  // A single letter is a drive, not a scheme.
  const isUrl = page || /^[a-z][a-z+.-]+:/i.test(address);
  const folder = isUrl ? new URL(address, page) : /** @type {URL} */ ((await node('url')).pathToFileURL(address));
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  return folder;
}

/**
 * @param {URL} url
 * @param {LoadOptions} options
 * @param {AbortSignal} stopped
 * @param {RequestInit} [init]
 * @returns {Promise<Source>}
 */
export async function openSource(url, options, stopped, init) {
  if (url.protocol === 'data:') return openData(url);
  if (url.protocol === 'file:' && !options.fetch) return openFile(url, stopped);
  const send = options.fetch ?? fetch;
  let response;
  try {
    response = await send(url.href, { signal: stopped, ...init });
  } catch (cause) {
    throw new BundleError(url, `cannot be fetched (${because(cause)}); see whether the address is right, the network is ` +
      'up and another origin allows this one (CORS)', cause);
  }
  const page = response.headers.get('content-type')?.startsWith('text/html');
  if (!response.ok || page) {
    const answer = response.ok ? 'with an HTML page' : `${response.status} ${response.statusText}`.trimEnd();
    throw new BundleError(url, `the server answered ${answer}; see whether the address is right and the whole bundle ` +
      'was uploaded');
  }
  return sourceOf(url, response);
}

/** @param {URL} url For messages. @param {Response} response @returns {Source} */
export const sourceOf = (url, response) => ({ response, text: () => response.text(), read: (target) => fromBody(url, response, target) });

/**
 * Copies each chunk to its place as it arrives and tells its length.
 * @param {URL} url
 * @param {Response} response
 * @param {Uint8Array} target
 */
async function* fromBody(url, response, target) {
  const read = response.body && openReader(response.body, Math.min(target.length, CHUNK));
  for (let at = 0; read; ) {
    const { done, value } = await read().catch((cause) => {
      throw new BundleError(url, `the transfer broke off after ${at} bytes (${because(cause)}); load again`, cause);
    });
    if (done || !value) return;
    if (at + value.length > target.length) throw tooLong(url, target);
    target.set(value, at);
    at += value.length;
    yield value.length;
  }
}

/** Most bytes of a chunk. */
const CHUNK = 1 << 20;

/**
 * Reads into the same memory over and over, where the engine can: chunks of its own would pile up until the next garbage
 * collection, as many bytes as the weights have.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {number} bytes
 * @returns {() => Promise<{ done: boolean, value?: Uint8Array<ArrayBuffer> | undefined }>}
 */
function openReader(body, bytes) {
  let reader;
  try {
    reader = body.getReader({ mode: 'byob' });
  } catch {
    const reader = body.getReader();
    return () => reader.read();
  }
  let buffer = new ArrayBuffer(bytes || 1);
  return async () => {
    const result = await reader.read(new Uint8Array(buffer));
    if (result.value) ({ buffer } = result.value);
    return result;
  };
}

/**
 * A small file that a bundler made part of its address. It is not fetched, because connect-src 'self' forbids that.
 * @param {URL} url
 * @returns {Source}
 */
function openData(url) {
  const [, base64, data = ''] = /^data:[^,]*?(;base64)?,(.*)$/i.exec(url.href) ?? [];
  const plain = data.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const bytes = Uint8Array.from(base64 ? atob(plain) : plain, (character) => character.charCodeAt(0));
  return {
    text: async () => new TextDecoder().decode(bytes),
    async *read(target) {
      if (bytes.length > target.length) throw tooLong(url, target);
      target.set(bytes);
      yield bytes.length;
    },
  };
}

/** @param {URL} url @param {AbortSignal} stopped @returns {Source} */
function openFile(url, stopped) {
  const open = async () => {
    try {
      return await (await node('fs/promises')).open(url);
    } catch (cause) {
      throw new BundleError(url, `cannot be read (${because(cause)}); see whether the path is right; pages need HTTP`, cause);
    }
  };
  return {
    async text() {
      const file = await open();
      return file.readFile('utf8').finally(() => file.close());
    },
    // Straight into its place, a few megabytes at a time.
    async *read(target) {
      const file = await open();
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
    },
  };
}

/** @param {URL} url @param {Uint8Array} target */
const tooLong = (url, target) =>
  new BundleError(url, `is longer than the ${target.length} bytes in the manifest; upload the whole bundle anew`);

/** WebKit ends some messages with a new line. @param {any} cause */
export const because = (cause) => String(cause?.message ?? cause).trim();
