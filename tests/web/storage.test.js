// What `cache: 'storage'` keeps from one visit to the next: in a page, offline, in a service worker, and where nothing can be kept.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './support/browser.js';
import { affine, temporary } from './support/fixture.js';
import { serve } from './support/server.js';

const root = temporary('storage');
const folder = join(root, 'bundle');
const write = (weightBytes) => affine({ weightBytes, shardBytes: 40_000, folder });
write(100_000);
writeFileSync(join(root, 'service.js'), `import { load } from './bundle/index.js';
self.onmessage = (event) => event.waitUntil((async () => {
  const model = await load(undefined, { cache: 'storage' });
  const { y } = await model.predict(Float32Array.of(1, 2, 3, 4));
  const stored = await model.stored;
  event.source.postMessage({ y: [...y], cached: model.cached, stored: stored ?? null });
})().catch((error) => event.source.postMessage({ error: String(error) })));
`);
writeFileSync(join(root, 'blank.html'), '<!doctype html><title>blank</title><link rel="icon" href="data:,">');
const y = [12, 24, 36, 48];
const shards = () => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')).weights.shards;

describe('a page', () => {
  let browser;
  let server;
  let context;
  before(async () => {
    browser = await launch();
    server = await serve({ '/': root });
    context = await browser.newContext();
  });
  after(async () => {
    await browser.close();
    await server.close();
  });

  /** A visit: what a model of the bundle is like, and which of its files were asked for. */
  async function visit(options = { cache: 'storage' }, { where, prepare = () => {}, given = context } = {}) {
    const page = await given.newPage();
    const begin = server.log.length;
    try {
      await page.goto(`${server.url}/blank.html`);
      await page.evaluate(prepare);
      const found = await page.evaluate(async ({ where, options }) => {
        const { load } = await import('/bundle/index.js');
        const progress = [];
        try {
          const model = await load(where, { ...options, onProgress: ({ loaded, total }) => progress.push(loaded / total) });
          const { y } = await model.predict(Float32Array.of(1, 2, 3, 4));
          return { y: [...y], cached: model.cached, stored: (await model.stored) ?? null, progress: progress.at(-1) };
        } catch (error) {
          return { error: String(error) };
        }
      }, { where, options });
      const keys = await page.evaluate(async () => (await (await caches.open('keras-compile')).keys()).length);
      const asked = server.log.slice(begin).map(({ path }) => path.replace('/bundle/', ''));
      return { ...found, keys, asked: asked.filter((name) => /^(weights|model|manifest)/.test(name)) };
    } finally {
      await page.close();
    }
  }
  const whole = { y, stored: null, progress: 1 };
  const wasm = /^model-\w+\.\w+\.wasm$/;

  test('keeps nothing unless it is asked to', async () => {
    const { stored, asked, keys, ...found } = await visit({});
    assert.deepEqual([found, keys], [{ y, cached: false, progress: 1 }, 0]);
    assert.equal(stored, "load the model with { cache: 'storage' } to keep its files");
    assert.deepEqual(asked.filter((name) => name.startsWith('weights')).sort(), shards());
  });

  test('asks for no weights on the second visit', async () => {
    const { asked: first, keys, ...before } = await visit();
    assert.deepEqual(before, { ...whole, cached: false });
    assert.equal(keys, shards().length + 1);
    assert.deepEqual(first.filter((name) => name.startsWith('weights')).sort(), shards());
    const { asked, keys: after, ...found } = await visit();
    assert.deepEqual([found, after], [{ ...whole, cached: true }, keys]);
    assert.equal(asked.length, 1);
    assert.match(asked[0], wasm);
  });

  test('works offline, also by its manifest', async () => {
    assert.equal((await visit(undefined, { where: '/bundle' })).cached, false);
    server.fault(/bundle\/(?!index\.js)/, (_file, response) => response.destroy());
    try {
      for (const where of [undefined, '/bundle']) {
        const { y: found, cached } = await visit(undefined, { where });
        assert.deepEqual([found, cached], [y, true]);
      }
      // What somebody else keeps is not theirs.
      assert.match((await visit({ cache: 'storage:other' })).error, /cannot be fetched/);
    } finally {
      server.heal();
    }
  });

  test('fetches anew what is damaged', async () => {
    const damage = async () => {
      const cache = await caches.open('keras-compile');
      for (const { url } of await cache.keys()) await cache.put(url, new Response(new Uint8Array(4)));
    };
    const { asked, keys, ...found } = await visit(undefined, { prepare: damage });
    assert.deepEqual(found, { ...whole, cached: false });
    assert.deepEqual(asked.filter((name) => name.startsWith('weights')).sort(), shards());
    assert.equal((await visit()).cached, true);
  });

  test('drops old versions, and no other model', async () => {
    const { keys } = await visit({ cache: 'storage:mine' });
    const old = shards();
    write(70_000);
    try {
      const { keys: now, cached, y: found } = await visit({ cache: 'storage:mine' });
      assert.deepEqual([found, cached], [y, false]);
      assert.equal(now, keys - (old.length - shards().length));
      assert.equal((await visit({ cache: 'storage:mine' })).cached, true);
    } finally {
      write(100_000);
    }
    assert.equal((await visit()).cached, true);
  });

  test('says why nothing is kept', async () => {
    const full = () => {
      Cache.prototype.put = async () => {
        throw new DOMException('Quota exceeded.', 'QuotaExceededError');
      };
    };
    const given = await browser.newContext();
    const quota = await visit(undefined, { prepare: full, given });
    assert.deepEqual([quota.y, quota.cached, quota.stored], [y, false, 'Quota exceeded.']);
    const broken = () => {
      const fails = async () => {
        throw new DOMException('The disk is broken.', 'UnknownError');
      };
      Cache.prototype.match = Cache.prototype.delete = Cache.prototype.put = fails;
    };
    const disk = await visit(undefined, { prepare: broken, given });
    assert.deepEqual([disk.y, disk.cached, disk.stored], [y, false, 'The disk is broken.']);
    const refused = () => {
      CacheStorage.prototype.open = async () => {
        CacheStorage.prototype.open = open;
        throw new DOMException('The operation is insecure.', 'SecurityError');
      };
    };
    const none = await visit(undefined, { given, prepare: `const { open } = CacheStorage.prototype; (${refused})()` });
    assert.deepEqual([none.y, none.cached, none.stored], [y, false, 'The operation is insecure.']);
    await given.close();
    assert.equal((await visit({ cache: 'disk' })).error, "TypeError: load: cache is \"disk\"; pass 'storage', or 'storage:' with a name of the model");
  });

  test('and a service worker, offline', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${server.url}/blank.html`);
    const ask = () => page.evaluate(async () => {
      await navigator.serviceWorker.register('/service.js', { type: 'module' });
      const { active } = await navigator.serviceWorker.ready;
      return new Promise((resolve) => {
        navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
        active.postMessage('');
      });
    });
    assert.deepEqual(await ask(), { y, cached: false, stored: null });
    server.fault(/bundle\//, (_file, response) => response.destroy());
    assert.deepEqual(await ask(), { y, cached: true, stored: null });
    server.heal();
    await page.context().close();
  });
});

test('Node has nothing to keep files in', async () => {
  const { load } = await import(join(folder, 'index.js'));
  const model = await load(undefined, { cache: 'storage' });
  assert.deepEqual([model.cached, await model.stored], [false, 'there is no Cache API here']);
  model.dispose();
});
