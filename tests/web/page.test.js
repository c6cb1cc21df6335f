// The loader in Chromium: page and worker, under a strict policy, without TLS, with either module.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { launch } from './support/browser.js';
import { affine, counter } from './support/fixture.js';
import { faults, isolated, serve, strict } from './support/server.js';

const folder = affine({ weightBytes: 100_000, shardBytes: 40_000 });
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
const folders = { '/bundle/': folder, '/big/': affine({ weightBytes: 1 << 20 }), '/counter/': counter(), '/': fileURLToPath(new URL('pages/', import.meta.url)) };
const y = [12, 24, 36, 48];

const browser = await launch(['--host-resolver-rules=MAP plain.test 127.0.0.1']);
const servers = [];
after(async () => {
  await browser.close();
  await Promise.all(servers.map((server) => server.close()));
});

async function start(headers) {
  const server = await serve(folders, headers);
  servers.push(server);
  return server;
}

/** What page and worker of page.html found. */
async function results(url, prepare = async () => {}) {
  const page = await browser.newPage();
  try {
    await prepare(page);
    await page.goto(`${url}/page.html`);
    await page.waitForFunction(() => window.results);
    return await page.evaluate(() => window.results);
  } finally {
    await page.close();
  }
}

function checkBoth({ page, worker, violations }, module) {
  const names = [manifest.backends.wasm[module], ...manifest.weights.shards];
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

describe('page and module worker', () => {
  test('predict', async () => checkBoth(await results((await start()).url), 'relaxed'));

  test("predict under script-src 'self' 'wasm-unsafe-eval'", async () =>
    checkBoth(await results((await start(strict)).url), 'relaxed'));

  test('predict where the page is isolated', async () => {
    const found = await results((await start(isolated)).url);
    assert.ok(found.page.isolated && found.worker.isolated);
    checkBoth(found, 'relaxed');
  });

  test('predict without TLS, where no hash can be checked', async () => {
    const { port } = await start();
    const found = await results(`http://plain.test:${port}`);
    assert.ok(!found.page.secure);
    checkBoth(found, 'relaxed');
  });

  test('predict with a server that knows no application/wasm', async () => {
    const server = await start();
    server.fault(/\.wasm$/, faults.type('application/octet-stream'));
    checkBoth(await results(server.url), 'relaxed');
  });

  test('take the baseline module where there is no relaxed SIMD', async () => {
    const server = await start();
    server.fault(/predict\.js$/, (file, response, { headers }) =>
      response.writeHead(200, headers).end(`WebAssembly.validate = () => false;\n${file}`));
    checkBoth(await results(server.url), 'baseline');
  });

  test("name the remedy where the policy lacks 'wasm-unsafe-eval'", async () => {
    const server = await start({ 'content-security-policy': "script-src 'self'" });
    const { page, worker } = await results(server.url);
    for (const { error } of [page, worker]) {
      assert.match(error, /^BundleError: http.*\.wasm: cannot be compiled here \(.*\); it needs WebAssembly SIMD .* script-src 'wasm-unsafe-eval'$/);
    }
  });

  test('name the file that is damaged', async () => {
    const server = await start();
    server.fault(/weights-1/, faults.flipped);
    const { page, worker } = await results(server.url);
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

  test('500 predicts leave nothing behind', async () => {
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
