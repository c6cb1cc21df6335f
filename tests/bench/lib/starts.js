// What a visitor waits for, fetches and gives memory for.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf } from './bytes.js';
import { peakOfChildren, memoryOfChildren } from './memory.js';
import { start } from './site.js';
import { summary } from './statistics.js';

const manifestOf = (bundle) => JSON.parse(readFileSync(join(bundle, 'manifest.json'), 'utf8'));

/**
 * Cold starts, engines in turns: from the start of the navigation to the engine and to the first output, and the first
 * ten predictions.
 * @param {{ engine: string, threads: number, place: object }[]} columns
 */
export async function coldStarts(site, browser, columns, rounds) {
  const samples = columns.map(() => ({ runs: [], code: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, { engine, place }] of columns.entries()) {
      const query = '?' + new URLSearchParams({ cold: engine, place: JSON.stringify(place) });
      const { result, code } = await site.fetched(async () => {
        const { page, close } = await site.open(browser, query);
        const run = await page.evaluate(() => window.cold);
        await close();
        return run;
      });
      samples[i].runs.push(result);
      samples[i].code = code;
    }
  }
  return samples.map(({ runs, code }, i) => runs.length && {
    coldMs: summary(runs.map(({ first }) => first)),
    openMs: summary(runs.map(({ opened }) => opened)),
    predictMs: runs[0].predictions.map((_, at) => summary(runs.map(({ predictions }) => predictions[at])).median),
    bytes: bytesOf([...code, ...otherModules(columns[i], code, site)]),
  });
}

/** Of our bundle the module that this browser did not take, too. */
function otherModules({ engine, name, place }, code, site) {
  if (engine !== 'ours' || place.backend !== 'wasm') return [];
  const bundle = join(site.bundles, name);
  return ['relaxed', 'baseline'].map((module) => manifestOf(bundle).backends.wasm.code[module])
    .map((each) => join(bundle, each))
    .filter((file) => !code.includes(file));
}

/** MB by which the browser grows beyond an empty page while an engine opens and predicts, in a browser of its own. */
export async function memoryGrowth(site, { engine, place }, options) {
  const browser = await start(options);
  try {
    const { page } = await site.open(browser);
    // Until the start has come to rest.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const before = memoryOfChildren();
    const most = await peakOfChildren(() => page.evaluate(([engine, place]) => window.bench.start(engine, place), [engine, place]));
    return most - before;
  } finally {
    await browser.close();
  }
}
