// The loader in pages and in workers: under a strict policy, without TLS, with either module.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { launch } from './support/browser.js';
import { everyEngine } from './support/engines.js';
import { affine, counter } from './support/fixture.js';
import { faults, isolated, serve, strict } from './support/server.js';

const folder = affine({ weightBytes: 100_000, shardBytes: 40_000 });
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
const folders = { '/bundle/': folder, '/big/': affine({ weightBytes: 1 << 20 }), '/counter/': counter(), '/': fileURLToPath(new URL('pages/', import.meta.url)) };
const y = [12, 24, 36, 48];

const servers = [];
after(() => Promise.all(servers.map((server) => server.close())));

async function start(headers) {
  const server = await serve(folders, headers);
  servers.push(server);
  return server;
}

/** What page and worker of page.html found. */
async function results(browser, url) {
  const page = await browser.newPage();
  try {
    await page.goto(`${url}/page.html`);
    await page.waitForFunction(() => window.results);
    return await page.evaluate(() => window.results);
  } finally {
    await page.close();
  }
}

function checkBoth({ page, worker, violations }, module) {
  const names = [manifest.backends.wasm.code[module], ...manifest.weights.shards];
  const total = names.reduce((sum, name) => sum + manifest.files[name].bytes, 0);
  for (const found of [page, worker]) {
    assert.equal(found.error, undefined);
    assert.equal(found.module, module);
    assert.deepEqual([found.first, found.second], [y, y]);
    assert.deepEqual(found.progress[0], { loaded: 0, total });
    assert.deepEqual(found.progress.at(-1), { loaded: total, total });
  }
  assert.deepEqual(violations, []);
}

/** The table of browsers. */
const [, readme] = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').split('| browser | version |');

everyEngine(({ title, module, single, singleInWorker }, browser) => {
  test('README says the same of it', () => {
    const row = readme.split('\n').map((line) => line.split('|').map((cell) => cell.trim())).find(([, cell]) => cell === title);
    const [, , version, fused, threads] = row ?? assert.fail(`there is no row "${title}" in README.md`);
    assert.equal(fused, module === 'relaxed' ? 'yes' : 'no');
    assert.match(threads, single ? /^one,/ : singleInWorker ? /^several in a page; one in a worker,/ : /^several$/);
    // Debian may have a newer one by now.
    assert.ok(Number.parseFloat(version) <= Number.parseFloat(browser.version()), `${version} in README.md, but this is ${browser.version()}`);
  });

  describe('page and module worker', () => {
    test('predict', async () => checkBoth(await results(browser, (await start()).url), module));

    test("predict under script-src 'self' 'wasm-unsafe-eval'", async () =>
      checkBoth(await results(browser, (await start(strict)).url), module));

    test('predict where the page is isolated', async () => {
      const found = await results(browser, (await start(isolated)).url);
      assert.ok(found.page.isolated && found.worker.isolated);
      checkBoth(found, module);
    });

    test('predict without TLS, where no hash can be checked', async () => {
      const { port } = await start();
      const found = await results(browser, `http://plain.test:${port}`);
      assert.ok(!found.page.secure);
      checkBoth(found, module);
    });

    test('predict with a server that knows no application/wasm', async () => {
      const server = await start();
      server.fault(/\.wasm$/, faults.type('application/octet-stream'));
      checkBoth(await results(browser, server.url), module);
    });

    test('take the baseline module where there is no relaxed SIMD', async () => {
      const server = await start();
      server.fault(/predict\.js$/, (file, response, { headers }) =>
        response.writeHead(200, headers).end(`WebAssembly.validate = () => false;\n${file}`));
      checkBoth(await results(browser, server.url), 'baseline');
    });

    test("name the remedy where the policy lacks 'wasm-unsafe-eval'", async () => {
      const server = await start({ 'content-security-policy': "script-src 'self'" });
      const { page, worker } = await results(browser, server.url);
      for (const { error } of [page, worker]) {
        assert.match(error, /^BundleError: http.*\.wasm: cannot be compiled here \(.*\); it needs WebAssembly SIMD .* script-src 'wasm-unsafe-eval'$/);
      }
    });

    test('name the file that is damaged', async () => {
      const server = await start();
      server.fault(/weights-1/, faults.flipped);
      const { page, worker } = await results(browser, server.url);
      for (const { error } of [page, worker]) {
        assert.equal(
          error,
          `BundleError: ${server.url}/bundle/${manifest.weights.shards[1]}: is damaged (its SHA-256 is not the one in the manifest); upload the whole bundle anew`,
        );
      }
    });
  });

  describe('in a page', () => {
    let page;
    let server;
    before(async () => {
      server = await start();
      page = await browser.newPage();
      await page.goto(`${server.url}/page.html`);
      await page.waitForFunction(() => window.results);
    });

    test('a signal stops the downloads', async () => {
      server.fault(/\.bin$/, faults.stalled);
      server.log.length = 0;
      const name = await page.evaluate(async () => {
        const { load } = await import('/bundle/index.js');
        const controller = new AbortController();
        const onProgress = ({ loaded }) => loaded > 2000 && controller.abort();
        return load('/bundle', { signal: controller.signal, onProgress }).then(() => 'loaded', (error) => error.name);
      });
      // The other tests need the server whatever comes of this one.
      try {
        assert.equal(name, 'AbortError');
        const shards = () => server.log.filter(({ path }) => path.endsWith('.bin'));
        for (let i = 0; i < 50 && !shards().every(({ hungUp }) => hungUp); i++) {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        assert.equal(shards().length, 3);
        assert.ok(shards().every(({ hungUp }) => hungUp));
      } finally {
        server.heal();
      }
    });

    test('the first run takes place by itself', async () => {
      const runs = await page.evaluate(async () => {
        const { load } = await import('/counter/index.js');
        const model = await load();
        await new Promise((resolve) => setTimeout(resolve, 100));
        return (await model.predict(new Float32Array(1))).runs[0];
      });
      // After a warm-up with a part of the work and one with all of it.
      assert.equal(runs, 3);
    });

    test('calls that overlap get their own answers', async () => {
      const firsts = await page.evaluate(async () => {
        const { load } = await import('/bundle/index.js');
        const model = await load();
        const input = new Float32Array(4);
        const calls = Array.from({ length: 20 }, (_, i) => model.predict(input.fill(i)));
        return (await Promise.all(calls)).map(({ y }) => y[0]);
      });
      assert.deepEqual(firsts, Array.from({ length: 20 }, (_, i) => 2 * i + 10));
    });

    test('150 models can be loaded and disposed of, one after the other', async () => {
      const sum = await page.evaluate(async () => {
        const { load } = await import('/bundle/index.js');
        let sum = 0;
        for (let i = 0; i < 150; i++) {
          const model = await load('/big');
          sum += (await model.predict(new Float32Array(4))).y[0];
          model.dispose();
        }
        return sum;
      });
      assert.equal(sum, 1500);
    });
  });
});

// Only its protocol tells how much memory a page has.
describe('in Chromium', () => {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser.close());

  test('500 predicts leave nothing behind', async () => {
    const page = await browser.newPage();
    await page.goto(`${(await start()).url}/empty.html`);
    const session = await page.context().newCDPSession(page);
    const used = async () => {
      await session.send('HeapProfiler.collectGarbage');
      const { usedSize, backingStorageSize = 0 } = await session.send('Runtime.getHeapUsage');
      return usedSize + backingStorageSize;
    };
    const run = () =>
      page.evaluate(async () => {
        window.model ??= await (await import('/bundle/index.js')).load();
        for (let i = 0; i < 500; i++) await window.model.predict(new Float32Array(4));
      });
    await run();
    const before = await used();
    await run();
    const growth = (await used()) - before;
    assert.ok(growth < 100_000, `${growth} bytes more after 500 predicts`);
  });
});
