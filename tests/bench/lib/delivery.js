// A server that delivers as a network for content does: text and wasm compressed ahead, all but pages kept by browsers.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};
const compressed = promisify(brotliCompress);
const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };

/**
 * @param {Record<string, string>} folders By the prefix of their addresses, the longest first.
 * @param {(path: string) => string | undefined} page The text of a page.
 */
export async function deliver(folders, page) {
  /** What is sent of a file. @type {Map<string, Promise<{ body: Buffer, headers: object } | undefined>>} */
  const known = new Map();
  const load = async (path) => {
    const text = page(path);
    const prefix = Object.keys(folders).find((prefix) => path.startsWith(prefix));
    const file = text ?? (prefix && (await readFile(join(folders[prefix], normalize('/' + path.slice(prefix.length)))).catch(() => undefined)));
    if (file === undefined) return undefined;
    const type = types[text === undefined ? extname(path) : '.html'];
    const headers = {
      'content-type': type ?? 'application/octet-stream',
      'cache-control': text === undefined ? 'public, max-age=31536000' : 'no-cache',
      ...(type && { 'content-encoding': 'br' }),
    };
    return { body: type ? await compressed(file, best) : file, headers };
  };
  /** @type {{ path: string, bytes: number }[]} */
  const log = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
    if (!known.has(path)) known.set(path, load(path));
    const answer = await known.get(path);
    log.push({ path, bytes: answer?.body.length ?? 0 });
    if (!answer) return response.writeHead(404, { 'cache-control': 'no-store' }).end();
    response.writeHead(200, answer.headers).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    log,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
