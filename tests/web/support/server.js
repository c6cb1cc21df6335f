// A static server for tests: any headers, and answers that can be made to fail.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.bin': 'application/octet-stream',
};

/** The strictest policy that a bundle and its page work under. */
export const strict = {
  'content-security-policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; style-src 'self'; img-src 'self' data:; worker-src 'self'",
};

/** What makes a page cross-origin isolated. */
export const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

/**
 * Serves each folder under its prefix.
 * @param {Record<string, string>} folders
 * @param {Record<string, string>} [headers] Sent with every answer.
 */
export async function serve(folders, headers = {}) {
  /** Answers in place of the files: `fault(pattern, (file, response) => …)`. */
  const faults = [];
  /** Every request with the bytes that were sent and whether the client hung up. */
  const log = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
    const entry = { path, method: request.method, headers: request.headers, hungUp: false };
    log.push(entry);
    response.on('close', () => (entry.hungUp = !response.writableFinished));
    const prefix = Object.keys(folders).find((prefix) => path.startsWith(prefix));
    const file = prefix && (await readFile(join(folders[prefix], normalize('/' + path.slice(prefix.length)))).catch(() => undefined));
    const answer = { status: file ? 200 : 404, headers: { 'content-type': types[extname(path)] ?? 'text/plain', 'cache-control': 'no-store', ...headers } };
    const fault = faults.find(({ pattern }) => pattern.test(path));
    if (fault) return fault.act(file, response, answer);
    response.writeHead(answer.status, answer.headers).end(file ?? 'not found');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    port: server.address().port,
    log,
    fault: (pattern, act) => faults.push({ pattern, act }),
    heal: () => void (faults.length = 0),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Ways to answer wrongly. */
export const faults = {
  truncated: (file, response, { headers }) => response.writeHead(200, headers).end(file.subarray(0, file.length - 5)),
  longer: (file, response, { headers }) => response.writeHead(200, headers).end(Buffer.concat([file, file])),
  flipped: (file, response, { headers }) => {
    const copy = Buffer.from(file);
    copy[copy.length - 3] ^= 4;
    response.writeHead(200, headers).end(copy);
  },
  page: (_file, response, { headers }) => response.writeHead(200, { ...headers, 'content-type': 'text/html' }).end('<!doctype html>'),
  missing: (_file, response, { headers }) => response.writeHead(404, headers).end(),
  cut: (file, response, { headers }) => {
    response.writeHead(200, { ...headers, 'content-length': file.length });
    response.write(file.subarray(0, 1000), () => response.destroy());
  },
  /** The first bytes, and then nothing more. */
  stalled: (file, response, { headers }) => {
    response.writeHead(200, { ...headers, 'content-length': file.length });
    response.write(file.subarray(0, 1000));
  },
  text: (string) => (_file, response, { headers }) => response.writeHead(200, headers).end(string),
  type: (type) => (file, response, { headers }) => response.writeHead(200, { ...headers, 'content-type': type }).end(file),
};
