// Times our bundles and other engines side by side in Chromium. See README.md.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launch } from '../web/support/browser.js';
import { compile, manifestOf } from '../web/support/bundles.js';
import { temporary } from '../web/support/fixture.js';
import { faults, serve } from '../web/support/server.js';
import { bytesOf } from './lib/bytes.js';
import { engines } from './lib/engines.js';
import { readPlan } from './lib/plan.js';
import { printModel, printProfile } from './lib/tables.js';
import { median, summary } from './lib/statistics.js';

const usage = `usage: node run.js MODELS_DIR [options]

MODELS_DIR is what make_models.py wrote.

  --models A,B      Folders of MODELS_DIR; all when absent
  --engines A,B     Of ${Object.keys(engines).join(', ')}; ours,litert when absent
  --loads N         Page loads, each with a warm-up: an engine may be slow in one and stay so; 3
  --rounds N        Turns of every engine for each, of one run or 20 ms; 10
  --cold N          Cold starts of every engine, 0 for none; 5
  --threads N       1
  --profile         Time every step of our bundles, too
  --steps N         The slowest steps to print; 40
  --json FILE       Write all numbers`;

const { values: options, positionals: [folder] } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string' },
    engines: { type: 'string', default: 'ours,litert' },
    loads: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '10' },
    cold: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
    profile: { type: 'boolean', default: false },
    steps: { type: 'string', default: '40' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (options.help || !folder) {
  console.log(usage);
  process.exit(options.help ? 0 : 2);
}

const chosen = options.engines.split(',');
const unknown = chosen.find((name) => !(name in engines));
if (unknown) throw new Error(`there is no engine "${unknown}"; there are ${Object.keys(engines).join(', ')}`);
const models = options.models?.split(',') ?? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'case.json')));

const bundles = temporary('bench');
const roots = {
  '/models/': resolve(folder),
  '/bundles/': bundles,
  '/node_modules/': fileURLToPath(new URL('node_modules/', import.meta.url)),
  '/': fileURLToPath(new URL('page/', import.meta.url)),
};
// With these two, pages get timers of 5 µs, and threads.
const server = await serve(roots, { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' });
server.fault(/\.mjs$/, faults.type('text/javascript'));

/** The file behind a path that the server was asked for. */
function fileOf(path) {
  const prefix = Object.keys(roots).find((prefix) => path.startsWith(prefix));
  return join(roots[prefix], path.slice(prefix.length));
}

/** A bundle of the model, if it can be compiled. */
function bundleOf(name) {
  const begin = performance.now();
  try {
    const bundle = compile(join(folder, name, engines.ours.needs), join(bundles, name));
    return { bundle, ms: performance.now() - begin };
  } catch (error) {
    return { failed: error.message };
  }
}

/** A page, each time in a profile and a process of its own. */
async function openPage(browser, query = '') {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error('  page:', error.message));
  await page.goto(`${server.url}/index.html${query}`);
  await page.waitForFunction(() => 'bench' in window);
  if (!(await page.evaluate(() => crossOriginIsolated))) throw new Error('the page is not isolated: its timers are coarse');
  return { page, close: () => context.close() };
}

/** The CPU time of the page's thread and of its process so far, in ms. */
async function openClock(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    const [thread, process] = ['ThreadTime', 'ProcessTime'].map((wanted) => metrics.find(({ name }) => name === wanted).value * 1000);
    return { thread, process };
  };
}

/**
 * Runs the engines until the browser has replaced its quick code by its good code: until nothing is compiled in the
 * background any more.
 */
async function warmUp(page, names, clock) {
  for (let turn = 0, quiet = 0; turn < 5 || quiet < 3; turn++) {
    if (turn === 50) return console.error('  the page still works in the background; times may be too long');
    for (const name of names) await page.evaluate((name) => window.bench.turn(name), name);
    const before = await clock();
    await new Promise((resolve) => setTimeout(resolve, 300));
    quiet = (await clock()).process - before.process < 10 ? quiet + 1 : 0;
  }
}

/**
 * Engines in turns: milliseconds of every run, CPU time of the page's thread per run, GFLOP/s of the peak. Where other
 * programs take the cores, CPU time says more than time.
 */
async function inTurns(page, names, clock, { times, cpu, peak }) {
  const timed = async (act, argument) => {
    const begin = await clock();
    const result = await page.evaluate(act, argument);
    return { result, ms: (await clock()).thread - begin.thread };
  };
  const asking = [];
  for (let i = 0; i < 30; i++) asking.push((await timed(async () => [0])).ms);

  for (let round = 0; round < Number(options.rounds); round++) {
    // Who goes first changes.
    for (const name of round % 2 ? names.toReversed() : names) {
      peak.push(await page.evaluate(() => window.bench.peak()));
      const { result, ms } = await timed((name) => window.bench.turn(name), name);
      (times[name] ??= []).push(...result);
      if (Number(options.threads) === 1) (cpu[name] ??= []).push((ms - median(asking)) / result.length);
    }
  }
}

/** Times from navigation to output in ms, engines in turns, and the files that were fetched. */
async function coldStarts(browser, names, place) {
  const times = Object.fromEntries(names.map((name) => [name, []]));
  const fetched = {};
  for (let round = 0; round < Number(options.cold); round++) {
    for (const name of names) {
      const from = server.log.length;
      const { page, close } = await openPage(browser, '?' + new URLSearchParams({ cold: name, place: JSON.stringify(place) }));
      times[name].push(await page.evaluate(() => window.cold));
      await close();
      fetched[name] = server.log.slice(from).map(({ path }) => path);
    }
  }
  return { times, fetched };
}

/** Code and manifest that an engine loads; of our bundle both single-threaded modules. */
function bytesBeforeWeights(paths, bundle) {
  const isCode = (path) => /^\/(node_modules|bundles)\//.test(path) && !path.endsWith('.bin');
  const files = new Set(paths.filter(isCode).map(fileOf));
  if (bundle) {
    const { relaxed, baseline } = manifestOf(bundle).backends.wasm;
    for (const name of [relaxed, baseline]) files.add(join(bundle, name));
  }
  return bytesOf([...files]);
}

async function measure(browser, name) {
  const about = JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8'));
  const compiled = chosen.includes('ours') ? bundleOf(name) : {};
  if (compiled.failed) console.error(`  ${compiled.failed}`);
  const missing = chosen.filter((engine) => !existsSync(join(folder, name, engines[engine].needs)));
  for (const engine of missing) console.error(`  ${engine}: ${name} has no ${engines[engine].needs}; see make_models.py`);
  const names = chosen.filter((engine) => !missing.includes(engine) && (engine !== 'ours' || compiled.bundle));
  const place = { model: `/models/${name}/`, bundle: `/bundles/${name}/`, threads: Number(options.threads), ...about };

  /** @type {Record<string, { about?: string, error?: number, failed?: string }>} */
  const opened = {};
  const agrees = (engine) => opened[engine].error <= 1;
  const samples = { times: {}, cpu: {}, peak: [] };
  const profile = [];
  for (let load = 0; load < Number(options.loads); load++) {
    const { page, close } = await openPage(browser);
    const now = await page.evaluate(([names, place]) => window.bench.open(names, place), [names, place]);
    // Once wrong, always wrong.
    for (const engine of names) if (!load || agrees(engine)) opened[engine] = now[engine];
    const right = names.filter(agrees);
    const clock = await openClock(page);
    await warmUp(page, right, clock);
    await inTurns(page, right, clock, samples);
    if (options.profile && right.includes('ours')) {
      profile.push(...(await page.evaluate((rounds) => window.bench.profile(rounds), Number(options.rounds))));
    }
    await close();
  }

  const cold = await coldStarts(browser, names.filter(agrees), place);
  const result = { model: name, flops: about.flops, compileMs: compiled.ms, peak: summary(samples.peak), engines: {} };
  for (const engine of names) {
    const [ms, cpuMs, coldMs] = [samples.times, samples.cpu, cold.times].map((times) => times[engine]?.length && summary(times[engine]));
    const bytes = coldMs && bytesBeforeWeights(cold.fetched[engine], engine === 'ours' ? compiled.bundle : undefined);
    result.engines[engine] = { ...opened[engine], ...(ms && { ms }), ...(cpuMs && { cpuMs }), ...(coldMs && { coldMs, bytes }) };
  }
  if (profile.length) result.steps = readPlan(join(folder, name, engines.ours.needs), profile);
  return result;
}

const report = {
  date: new Date().toISOString(),
  machine: `${cpus()[0]?.model}, ${cpus().length} cores`,
  load: loadavg(),
  threads: Number(options.threads),
  versions: Object.fromEntries(chosen.map((name) => [name, engines[name].version()])),
  models: [],
};
const browser = await launch();
report.browser = browser.version();
await browser.close();
console.log(`${report.machine}, load ${report.load[0].toFixed(1)}; Chromium ${report.browser}; threads: ${report.threads}`);
let failed = false;
for (const name of models) {
  const browser = await launch();
  try {
    const result = await measure(browser, name);
    report.models.push(result);
    printModel(result, report.versions);
    if (result.steps) printProfile(result, Number(options.steps));
    failed ||= chosen.some((engine) => !(result.engines[engine]?.error <= 1));
  } finally {
    await browser.close();
  }
}
await server.close();
if (options.json) writeFileSync(options.json, JSON.stringify(report, null, 2) + '\n');
process.exitCode = failed ? 1 : 0;
