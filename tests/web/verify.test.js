// `verify`: what a GPU computes, against what the compiler computed and against wasm.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './support/browser.js';
import { compile, examples } from './support/bundles.js';
import { serve, strict } from './support/server.js';

const dist = compile(join(examples, 'digits/digits.h5'));
const server = await serve({ '/dist/': dist, '/': new URL('pages/', import.meta.url).pathname }, strict);
/** @type {Awaited<ReturnType<typeof launch>>} */
let browser;
before(async () => {
  browser = await launch([], { gpu: true });
});
after(async () => {
  await browser?.close();
  server.close();
});

/** What `verify` says of a backend, as it is and when the GPU does nothing any more. */
async function verified(backend) {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}/empty.html`);
    return await page.evaluate(async (backend) => {
      const { load } = await import('/dist/index.js');
      const model = await load('/dist', { backend });
      const size = model.inputs[0].shape.reduce((product, extent) => product * extent, 1);
      const both = async (value) => [
        await model.verify(),
        await model.verify({ against: 'wasm' }),
        await model.verify({ against: 'wasm', inputs: new Float32Array(size).fill(value) }),
      ];
      const sound = await both(0.25);
      // What was there before must be no answer to what is asked then.
      GPUComputePassEncoder.prototype.dispatchWorkgroups = () => {};
      WebGL2RenderingContext.prototype.drawArrays = () => {};
      return { sound, idle: await both(-3), backend: model.backend };
    }, backend);
  } finally {
    await page.close();
  }
}

for (const backend of ['webgpu', 'webgl']) {
  test(`${backend} is right, and found out when it does nothing`, async () => {
    const { sound, idle, backend: used } = await verified(backend);
    assert.equal(used, backend);
    assert.deepEqual(sound, [undefined, undefined, undefined]);
    assert.match(idle[0], /^it computes wrong numbers: ".+" gives .+ instead of .+ as element \d+ of its buffer/);
    for (const said of idle.slice(1)) assert.match(said, new RegExp(`^output "digit" has .+ at \\d+ on ${backend}, and .+ on wasm$`));
  });
}
