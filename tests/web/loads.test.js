// A hundred loads in a row, in a page and in a worker of each engine: none hangs, all say the same, nothing piles up.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compile, examples } from './support/bundles.js';
import { everyEngine } from './support/engines.js';
import { isolated, serve } from './support/server.js';

const TIMES = 100;

const folder = compile(join(examples, 'digits/digits.h5'), { args: ['--backends', 'wasm'], useful: 16 });
const server = await serve({ '/bundle/': folder, '/': fileURLToPath(new URL('pages/', import.meta.url)) }, isolated);
after(() => server.close());

/**
 * What the loads came to, each once, and how many there were. A worker that hangs cannot tell, so the page watches.
 * Everything it needs is in its arguments.
 */
function watch({ times, inWorker }) {
  return new Promise((resolve) => {
    const worker = inWorker && new Worker('/loads.js', { type: 'module' });
    const seen = new Set();
    let done = 0;
    let timer;
    const end = (error) => {
      clearTimeout(timer);
      if (worker) worker.terminate();
      resolve({ error, done, seen: Array.from(seen, (text) => JSON.parse(text)) });
    };
    const hung = (error, pending) => {
      const before = done;
      // A message may wake what slept.
      setTimeout(() => end(`${error}; pending: ${pending}; ${done > before ? 'then it went on' : 'it stays so'}`), 1000);
    };
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const error = `load ${done + 1} did not end within 20 s`;
        timer = setTimeout(() => end(`${error}, and its thread is blocked`), 5000);
        if (worker) {
          worker.addEventListener('message', ({ data: { pending } }) => pending && hung(error, pending));
          worker.postMessage({});
        } else import('/loads.js').then(({ pending }) => hung(error, pending));
      }, 20_000);
    };
    const hear = (found) => {
      seen.add(JSON.stringify(found));
      done++;
      wait();
      if (done === times) end();
    };
    wait();
    if (worker) {
      worker.onmessage = ({ data }) => (data.error ? end(data.error) : data.pending || hear(data));
      worker.onerror = ({ message }) => end(message ?? 'the worker cannot be started');
      worker.postMessage({ times });
    } else {
      import('/loads.js').then(({ loads }) => loads(times, hear)).catch((error) => end(String(error)));
    }
  });
}

everyEngine(({ single, singleInWorker }, browser) => {
  for (const [where, inWorker, reason] of [['a page', false, single], ['a worker', true, singleInWorker]]) {
    test(`${TIMES} loads in ${where}`, async () => {
      const page = await browser.newPage();
      try {
        await page.goto(`${server.url}/empty.html`);
        const { error, done, seen } = await page.evaluate(watch, { times: TIMES, inWorker });
        assert.deepEqual({ error, done }, { error: undefined, done: TIMES });
        // Where backends were compared, the times of each are told.
        const kinds = new Set(seen.map((found) => JSON.stringify(found).replace(/[\d.]+ ms/g, 'ms')));
        assert.equal(kinds.size, 1, `loads differ: ${[...kinds].join('\n')}`);
        const [{ threads, fallbacks }] = seen;
        assert.equal(threads, reason ? 1 : 2);
        assert.ok(!reason || fallbacks.includes(`There is one thread only, because ${reason}.`), String(fallbacks));
      } finally {
        await page.close();
      }
    });
  }
});
