// All figures of one model.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../../web/support/bundles.js';
import { engines, filesIn } from './engines.js';
import { canMeasureMemory } from './memory.js';
import { start } from './site.js';
import { coldStarts, memoryGrowth } from './starts.js';
import { summary } from './statistics.js';
import { inTurns, keyOf, openClock, warmUp, withPauses } from './turns.js';

/** A bundle of the model, if it can be compiled. */
function bundleOf(model, folder, backend) {
  const begin = performance.now();
  try {
    compile(model, { folder, args: ['--backends', backend] });
    return { ms: performance.now() - begin };
  } catch (error) {
    return { failed: error.message };
  }
}

/**
 * Times of all engines in one browser. An engine may be slow in one page load and stay so: there are several. Numbers
 * are compared with Keras' before and after the rounds of each.
 */
async function steady(site, browser, names, place, options) {
  /** @type {Map<string, { about?: string, threads?: number, error?: number, failed?: string }>} */
  const opened = new Map();
  const samples = new Map();
  const agrees = (key) => opened.get(key)?.error <= 1;
  for (let load = 0; load < options.loads; load++) {
    const pages = [];
    for (const threads of options.threads) {
      const { page, close } = await site.open(browser);
      const now = await page.evaluate(([names, place]) => window.bench.open(names, place), [names, { ...place, threads }]);
      // Once wrong, always wrong.
      for (const name of names) if (!load || agrees(keyOf(name, threads))) opened.set(keyOf(name, threads), now[name]);
      const right = names.filter((name) => agrees(keyOf(name, threads)));
      pages.push({ page, close, threads, alone: threads === 1 && options.backend === 'wasm', right, clock: await openClock(page) });
    }
    for (const page of pages) await warmUp(page);
    await inTurns(pages, options.rounds, samples);
    await withPauses(pages, options.pauses, samples);
    for (const { page, threads, right, close } of pages) {
      for (const name of right) {
        const each = opened.get(keyOf(name, threads));
        each.error = Math.max(each.error, await page.evaluate((name) => window.bench.check(name), name));
      }
      await close();
    }
  }
  return { opened, samples, agrees };
}

/** Browsers in which all engines are open on all numbers of threads and have predicted, and do nothing any more. */
async function openIdle(site, names, place, options) {
  const browsers = [];
  for (let i = 0; i < options.idle; i++) {
    const browser = await start(options);
    browsers.push(browser);
    for (const threads of options.threads) {
      const { page } = await site.open(browser);
      await page.evaluate(([names, place]) => window.bench.open(names, place), [names, { ...place, threads }]);
    }
  }
  return browsers;
}

/** The median of everything by the median of a steady run. */
function figures({ times, cpu, paused }, flops, peak, start) {
  const ms = summary(times);
  const cpuMs = cpu.length ? summary(cpu) : undefined;
  const gflops = flops / (cpuMs ?? ms).median / 1e6;
  const [first, second, tenth] = [0, 1, 9].map((at) => start && start.predictMs[at] / ms.median);
  return { ms, pausedMs: paused.length ? summary(paused) : undefined, cpuMs, gflops, ofPeak: gflops / peak, ...start, ...(start && { toSteady: { first, second, tenth } }) };
}

/**
 * @param {string} name A folder of the models.
 * @param {{ folder: string, engines: string[], backend: string, hardware: boolean, threads: number[], loads: number, rounds: number, pauses: number,
 *   idle: number, cold: number, memory: number }} options
 */
export async function measure(site, name, options) {
  const file = (each) => join(options.folder, name, engines[each].needs.f32);
  const about = JSON.parse(readFileSync(join(options.folder, name, 'case.json'), 'utf8'));
  const compiled = options.engines.includes('ours') ? bundleOf(file('ours'), join(site.bundles, name), options.backend) : {};
  if (compiled.failed) console.error(`  ${compiled.failed}`);
  const missing = options.engines.filter((each) => !existsSync(file(each)));
  for (const each of missing) console.error(`  ${each}: ${name} has no ${engines[each].needs.f32}; see make_models.py`);
  const names = options.engines.filter((each) => !missing.includes(each) && (each !== 'ours' || !compiled.failed));
  const place = { model: `/models/${name}/`, bundle: `/bundles/${name}/`, backend: options.backend, files: filesIn('f32'), ...about };

  const idle = await openIdle(site, names, place, options);
  const browser = await start(options);
  try {
    const { opened, samples, agrees } = await steady(site, browser, names, place, options);
    const columns = options.threads.flatMap((threads) => names
      .filter((engine) => agrees(keyOf(engine, threads)))
      .map((engine) => ({ engine, threads, name, place: { ...place, threads } })));
    const starts = await coldStarts(site, browser, columns, options.cold);
    const peaks = Object.fromEntries(options.threads.map((threads) => [
      threads,
      summary(names.flatMap((engine) => samples.get(keyOf(engine, threads))?.peak ?? [])),
    ]));
    const results = [];
    for (const threads of options.threads) {
      for (const engine of names) {
        const key = keyOf(engine, threads);
        const at = columns.findIndex((column) => column.engine === engine && column.threads === threads);
        const measured = at >= 0 && figures(samples.get(key), about.flops, peaks[threads].median, starts[at]);
        results.push({ engine, asked: threads, ...opened.get(key), ...measured, column: columns[at] });
      }
    }
    await browser.close();
    for (const result of results.filter(({ column }) => column)) {
      const growths = [];
      for (let i = 0; i < options.memory && canMeasureMemory(); i++) growths.push(await memoryGrowth(site, result.column, options));
      if (growths.length) result.memoryMb = summary(growths);
    }
    for (const result of results) delete result.column;
    return { model: name, flops: about.flops, compileMs: compiled.ms, peaks, results };
  } finally {
    await Promise.all([browser, ...idle].map((each) => each.close()));
  }
}
