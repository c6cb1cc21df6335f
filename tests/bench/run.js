// Times our bundles and other engines side by side in Chromium. See README.md.

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { engines } from './lib/engines.js';
import { measure } from './lib/measure.js';
import { canMeasureMemory } from './lib/memory.js';
import { ratios } from './lib/ratios.js';
import { openSite, start } from './lib/site.js';
import { printMarkdown, printModel } from './lib/tables.js';

const usage = `usage: node run.js [MODELS_DIR] [options]

MODELS_DIR is what make_models.py wrote; the folder models beside this file when absent.

  --models A,B       Folders of MODELS_DIR; all when absent
  --engines A,B      Of ${Object.keys(engines).join(', ')}; all that are installed when absent
  --backend NAME     wasm, webgpu or webgl, of every engine that has it; wasm. GPUs are of software, in Chromium
  --hardware         This machine's GPU instead
  --threads A,B      Numbers of threads; 1,2, and 1 on GPUs
  --loads N          Page loads, each with a warm-up: an engine may be slow in one and stay so; 3
  --rounds N         Turns of every engine for each, of one run or 20 ms; 10
  --pauses N         Turns of ten runs with a pause of 20 ms before each, as a page makes them; 5
  --idle N           Browsers beside it in which all engines were opened on all threads and are idle; 0
  --cold N           Cold starts of every engine, 0 for none; 5
  --memory N         Starts of every engine in a browser of its own to measure memory, 0 for none; 3
  --baseline-module  Hide relaxed SIMD from all engines
  --markdown         Print a table of all models in Markdown at the end
  --json FILE        Write all numbers`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string' },
    engines: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
    hardware: { type: 'boolean', default: false },
    threads: { type: 'string' },
    loads: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '10' },
    pauses: { type: 'string', default: '5' },
    idle: { type: 'string', default: '0' },
    cold: { type: 'string', default: '5' },
    memory: { type: 'string', default: '3' },
    'baseline-module': { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
/** Says what is wrong with the command. @returns {never} */
function refuse(why) {
  console.error(`run.js: ${why}\n\n${usage}`);
  process.exit(2);
}
if (values.help) {
  console.log(usage);
  process.exit(0);
}

/** @param {string} text @param {string} name @param {number} least */
function whole(text, name, least) {
  const number = Number(text);
  return Number.isInteger(number) && number >= least ? number : refuse(`--${name} takes a whole number from ${least} on, not "${text}"`);
}
const { backend } = values;
if (!(backend in engines.ours.packages)) refuse(`there is no backend "${backend}"; there are ${Object.keys(engines.ours.packages).join(', ')}`);
const able = Object.keys(engines).filter((name) => engines[name].packages[backend]);
const asked = values.engines?.split(',') ?? able;
const unknown = asked.find((name) => !(name in engines));
if (unknown !== undefined) refuse(`there is no engine "${unknown}"; there are ${Object.keys(engines).join(', ')}`);
const unable = asked.find((name) => !able.includes(name));
if (unable !== undefined) refuse(`${engines[unable].title} is not measured on ${backend}`);
const folder = positionals[0] ?? fileURLToPath(new URL('models/', import.meta.url));
if (!existsSync(folder)) refuse(`${folder} does not exist; tests/bench/setup makes models`);
const models = values.models?.split(',') ?? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'case.json')));
const absent = models.filter((name) => !existsSync(join(folder, name, 'case.json')));
if (absent.length || !models.length) refuse(`${folder} does not hold ${absent.join(', ') || 'any model'}; make it with make_models.py`);

const options = {
  folder,
  engines: asked.filter((name) => !engines[name].missing(backend)),
  backend,
  hardware: values.hardware,
  threads: (values.threads ?? (backend === 'wasm' ? '1,2' : '1')).split(',').map((each) => whole(each, 'threads', 1)),
  loads: whole(values.loads, 'loads', 1),
  rounds: whole(values.rounds, 'rounds', 1),
  pauses: whole(values.pauses, 'pauses', 0),
  idle: whole(values.idle, 'idle', 0),
  cold: whole(values.cold, 'cold', 0),
  memory: whole(values.memory, 'memory', 0),
};

const browser = await start(options);
const report = {
  date: new Date().toISOString(),
  machine: `${cpus()[0]?.model}, ${cpus().length} cores`,
  browser: browser.version(),
  load: loadavg(),
  backend,
  gpu: backend === 'wasm' ? undefined : values.hardware ? 'hardware' : 'software',
  relaxedSimd: !values['baseline-module'],
  threads: options.threads,
  idleBrowsers: options.idle,
  versions: Object.fromEntries(options.engines.map((name) => [name, engines[name].version()])),
  absent: Object.fromEntries(asked.map((name) => [name, engines[name].missing(backend)]).filter(([, missing]) => missing)),
  models: [],
};
await browser.close();
console.log(`${report.machine}, load ${report.load[0].toFixed(1)}; Chromium ${report.browser}` +
  (report.gpu ? `; ${backend} on a GPU of ${report.gpu}` : '') + (report.relaxedSimd ? '' : '; without relaxed SIMD'));
for (const [name, missing] of Object.entries(report.absent)) {
  console.log(`  without ${engines[name].title}: ${missing} is not installed; tests/bench/setup does that`);
}
if (options.memory && !canMeasureMemory()) console.log('  without memory: this system has no /proc/PID/smaps_rollup');

const site = await openSite(folder, values['baseline-module']);
let failed = false;
for (const name of models) {
  const result = await measure(site, name, options);
  report.models.push({ ...result, ratios: ratios(result.results) });
  printModel(report.models.at(-1), report.versions);
  failed ||= result.results.length < options.engines.length * options.threads.length || result.results.some(({ error }) => !(error <= 1));
}
await site.close();
if (values.markdown) printMarkdown(report);
if (values.json) writeFileSync(values.json, JSON.stringify(report, null, 2) + '\n');
process.exitCode = failed ? 1 : 0;
