// The pages of `tests/bench` open: whatever they import is where they look for it.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { deliver } from '../bench/lib/delivery.js';
import { filesIn } from '../bench/lib/engines.js';
import { networks } from '../bench/lib/networks.js';
import { openSite, start } from '../bench/lib/site.js';
import { pageOf, visitTwice } from '../bench/lib/visits.js';
import { compile, examples, manifestOf } from './support/bundles.js';
import { temporary } from './support/fixture.js';

const browser = await start({ backend: 'wasm', hardware: false });
const site = await openSite(temporary('models'), false);
after(async () => {
  await site.close();
  await browser.close();
});

test('the page of the benchmark measures the peak', async () => {
  const { page, close } = await site.open(browser);
  const peak = await page.evaluate(async () => {
    const { openPeak } = await import('/peak.js');
    return (await openPeak(2))();
  });
  assert.ok(peak > 0, `${peak} GFLOP/s`);
  await close();
});

test('a visit over a network takes the time of its bytes, and the second one does without', async () => {
  const folder = compile(join(examples, 'digits/digits.h5'), { args: ['--backends', 'wasm'] });
  const { inputs, outputs } = manifestOf(folder);
  const page = pageOf('ours', { model: '/models/', bundle: '/bundle/', backend: 'wasm', files: filesIn('f32'), threads: 1, inputs, outputs });
  const server = await deliver({ '/bundle/': folder }, (path) => (path === '/page.html' ? page : undefined));
  // Numbers of another input than the page's own: whatever comes out is compared with what is wrong here by intent.
  const numbers = (all) => all.map(({ dtype, shape }) => ({ dtype, values: new Array(shape.reduce((product, size) => product * size, 1)).fill(1) }));
  const column = { path: '/page.html', inputs: numbers(inputs), outputs: numbers(outputs) };
  const options = { gpu: false, second: true, check: true };
  const { firstMs, secondMs, bytes, error } = await visitTwice(server, column, { ...networks.slow, ms: 400 }, options);
  // The page, its script, and the rest.
  assert.ok(firstMs > 1200, `the first visit took ${firstMs} ms of three answers that begin after 400 each`);
  assert.ok(secondMs < firstMs - 400, `the second visit took ${secondMs} ms, the first ${firstMs}`);
  assert.equal(server.log.filter(({ path }) => path === '/page.html').length, 2);
  assert.equal(server.log.length, new Set(server.log.map(({ path }) => path)).size + 1, 'all but the page was fetched once');
  assert.ok(bytes > 10_000 && bytes < 200_000, `${bytes} bytes`);
  assert.ok(error > 0.1 && error < 1.01, `${error}`);
  await server.close();
});
