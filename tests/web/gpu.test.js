// The backends on GPUs of software in other engines than Chromium: Mesa's, in a page and in a worker.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { affine, echo } from './support/fixture.js';
import { launchFirefox } from './support/firefox.js';
import { repeated, types } from './support/gpu-pages.js';
import { affineWebGL, affineWebGPU, echoWebGL, echoWebGPU } from './support/gpu.js';
import { serve } from './support/server.js';
import { launchWebKit } from './support/webkit.js';

const y = [12, 24, 36, 48];
const slots = types.map(([, storage]) => ({ storage, elements: 2 }));
const server = await serve({
  '/bundle/': affine({ gpu: { webgpu: affineWebGPU(), webgl: affineWebGL() }, weightBytes: 100_000, shardBytes: 32_768 }),
  '/echo/': echo(types, { gpu: { webgpu: echoWebGPU(slots), webgl: echoWebGL(slots) } }),
  '/': fileURLToPath(new URL('pages/', import.meta.url)),
});
after(() => server.close());

/** What a backend does, in a page or in a worker. */
async function watch([backend, inWorker]) {
  if (!inWorker) return (await import('/gpu.js')).predict(backend);
  const worker = new Worker('/gpu.js', { type: 'module' });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => resolve({ error: message ?? 'the worker cannot be started' });
    worker.postMessage(backend);
  }).finally(() => worker.terminate());
}

const software = /software/;
for (const { name, launch, backends, none, lacks } of [
  { name: 'Firefox', launch: () => launchFirefox({ gpu: true }), backends: ['webgpu', 'webgl'], none: software },
  { name: 'WebKit', launch: launchWebKit, backends: ['webgl'], lacks: /^Error: load: webgl cannot run this model here, because (WebGL 2 has no context|there is no WebGL 2) here$/ },
]) {
  describe(`in ${name}`, () => {
    let browser;
    let page;
    before(async () => {
      browser = await launch();
      page = await browser.newPage();
      await page.goto(`${server.url}/empty.html`);
    });
    after(() => browser?.close());

    for (const backend of backends) {
      for (const [where, inWorker] of [['a page', false], ['a worker', true]]) {
        test(`${backend} in ${where}`, async () => {
          const found = await page.evaluate(watch, [backend, inWorker]);
          // WebKitGTK 2.50 has WebGL in pages only.
          if (inWorker && lacks) return assert.match(found.error, lacks);
          assert.equal(found.error, undefined);
          assert.deepEqual(found.found, { backend, module: 'f32', threads: 1, fallbacks: [] });
          assert.deepEqual(found.ys, Array.from({ length: 10 }, (_, i) => [2 * i + 10, ...y.slice(1)]));
          assert.deepEqual(found.repeated, repeated);
          assert.deepEqual(found.chained, backend === 'webgpu' ? y.map((value, i) => 2 * value + 10 * (i + 1)) : undefined);
          assert.deepEqual(found.steps.map(({ step, ok }) => [step, ok]), [[0, true], [1, true]]);
        });
      }
    }

    test('the choice', async () => {
      const { backend, fallbacks } = await page.evaluate(async () => {
        const model = await (await import('/bundle/index.js')).load();
        const { backend, fallbacks } = model;
        model.dispose();
        return { backend, fallbacks };
      });
      // WebKit does not tell what draws.
      assert.equal(backend, none ? 'wasm' : backends[0]);
      for (const text of none ? fallbacks.slice(0, 2) : []) assert.match(text, none);
    });
  });
}
