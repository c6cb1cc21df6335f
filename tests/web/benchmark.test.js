// The page of `tests/bench` opens: whatever it imports is where it looks for it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openSite, start } from '../bench/lib/site.js';
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
