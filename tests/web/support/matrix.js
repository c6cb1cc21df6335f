// Goldens by the hundred on backends in browsers, many in a page.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.js';
import { root } from './bundles.js';
import { temporary } from './fixture.js';
import { launchFirefox } from './firefox.js';
import { serve } from './server.js';

const goldens = join(root, 'tests/goldens');

/** The files of a folder of goldens whose names a pattern fits. @param {'layers' | 'networks'} folder @param {RegExp} [pattern] */
export function files(folder, pattern = /\.(jsonl|json\.gz)$/) {
  const found = readdirSync(join(goldens, folder)).filter((name) => pattern.test(name)).sort();
  assert.ok(found.length, `no golden of ${folder} fits ${pattern}`);
  return found.map((name) => join(goldens, folder, name));
}

/**
 * Compiles goldens.
 * @param {'all' | 'each'} selection All of them, or the first of each kernel.
 * @param {string[]} files
 * @returns {{ folder: string, packs: number, cases: number, refused: number, kernels: number }}
 */
export function pack(selection, files) {
  const writer = join(root, 'target/release/golden-packs');
  if (!existsSync(writer)) throw new Error(`${writer} does not exist; run cargo build --release --workspace`);
  const folder = temporary('packs');
  const { status, stdout, stderr } = spawnSync(writer, [folder, selection, ...files], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { folder, ...JSON.parse(stdout) };
}

/** Begins with a pack, in the page or in a worker that stays. To be run in a page. */
async function begin([url, backend, inWorker]) {
  if (inWorker) {
    const worker = (window.worker ??= new Worker('/matrix.js', { type: 'module' }));
    window.running = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message ?? 'the worker cannot be started'));
      worker.postMessage({ url, backend });
    });
  } else {
    const { run } = await import('/matrix.js');
    window.running = run({ url, backend });
  }
  window.running.catch(() => {});
}

/** What came of it, or nothing so far: drivers of browsers do not wait for long. To be run in a page. */
const look = () => Promise.race([window.running, new Promise((resolve) => setTimeout(resolve, 5000))]);

/**
 * @param {any} page
 * @param {{ packs: number, cases: number, prefix: string }} packed
 * @param {string} backend
 * @param {boolean} inWorker
 */
async function faults(page, { packs, cases, prefix }, backend, inWorker) {
  const all = [];
  let count = 0;
  for (let i = 0; i < packs; i++) {
    await page.evaluate(begin, [`${prefix}${i}.pack`, backend, inWorker]);
    let found;
    while (!(found = await page.evaluate(look)));
    count += found.cases;
    all.push(...found.faults);
  }
  assert.equal(count, cases, 'not all goldens were tried');
  return all;
}

export const engines = {
  Chromium: () => launch([], { gpu: true }),
  Firefox: () => launchFirefox({ gpu: true }),
};

/**
 * Tests goldens on each backend in each place of an engine.
 * @param {keyof typeof engines} engine
 * @param {{ [name: string]: ReturnType<typeof pack> }} packed By what they are.
 * @param {{ backends?: string[], places?: string[] }} [where]
 */
export function testMatrix(engine, packed, { backends = ['wasm', 'webgpu', 'webgl'], places = ['page', 'worker'] } = {}) {
  describe(`in ${engine}`, () => {
    let browser;
    let server;
    before(async () => {
      const [{ folder: any }] = Object.values(packed);
      const folders = Object.entries(packed).map(([name, { folder }]) => [`/${name}/`, folder]);
      server = await serve({
        '/dist/': join(any, 'dist'), ...Object.fromEntries(folders), '/': fileURLToPath(new URL('../pages/', import.meta.url)),
      });
      browser = await engines[engine]();
    });
    after(async () => {
      await browser?.close();
      await server?.close();
    });

    for (const [name, each] of Object.entries(packed)) {
      for (const backend of backends) {
        for (const place of places) {
          test(`${each.cases} ${name} on ${backend} in a ${place}`, async () => {
            const page = await browser.newPage();
            try {
              await page.goto(`${server.url}/empty.html`);
              const found = await faults(page, { ...each, prefix: `/${name}/` }, backend, place === 'worker');
              assert.equal(found.length, 0, `${found.length} of ${each.cases} fail:\n${found.join('\n')}`);
            } finally {
              await page.close();
            }
          });
        }
      }
    }
  });
}
