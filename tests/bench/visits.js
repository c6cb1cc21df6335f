// Times first and second visits of pages with our bundles and with other engines. See README.md.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compile } from '../web/support/bundles.js';
import { temporary } from '../web/support/fixture.js';
import { deliver } from './lib/delivery.js';
import { engines, filesIn } from './lib/engines.js';
import { networks } from './lib/networks.js';
import { median } from './lib/statistics.js';
import { table } from './lib/tables.js';
import { numbersOf, pageOf, visitTwice } from './lib/visits.js';

const usage = `usage: node visits.js [MODELS_DIR] [options]

MODELS_DIR is what make_models.py wrote with --small; the folder models beside this file when absent.

  --models A,B     Folders of MODELS_DIR; all when absent
  --engines A,B    Of ${Object.keys(engines).join(', ')}; all that are installed when absent
  --forms A,B      Encodings of weights, of f32, f16, int8; all that an engine has when absent
  --networks A,B   Of ${Object.keys(networks).join(', ')}; all when absent
  --backend NAME   wasm, webgpu or webgl; wasm. GPUs are of software
  --rounds N       Visits of each; 3
  --first-only     No second visits
  --markdown       Print a table in Markdown at the end
  --json FILE      Write all numbers`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string' },
    engines: { type: 'string' },
    forms: { type: 'string' },
    networks: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
    rounds: { type: 'string', default: '3' },
    'first-only': { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
/** Says what is wrong with the command. @returns {never} */
function refuse(why) {
  console.error(`visits.js: ${why}\n\n${usage}`);
  process.exit(2);
}
if (values.help) {
  console.log(usage);
  process.exit(0);
}
/** Those of a list that were asked for. @param {string | undefined} asked @param {string[]} all */
function chosen(asked, all, what) {
  const names = asked?.split(',') ?? all;
  const unknown = names.find((name) => !all.includes(name));
  return unknown === undefined ? names : refuse(`there is no ${what} "${unknown}"; there are ${all.join(', ')}`);
}
const { backend } = values;
if (!(backend in engines.ours.packages)) refuse(`there is no backend "${backend}"; there are ${Object.keys(engines.ours.packages).join(', ')}`);
const able = Object.keys(engines).filter((name) => engines[name].packages[backend]);
const asked = chosen(values.engines, able, `engine on ${backend}`);
const installed = asked.filter((name) => !engines[name].missing(backend));
const forms = chosen(values.forms, ['f32', 'f16', 'int8'], 'encoding');
const over = chosen(values.networks, Object.keys(networks), 'network');
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) refuse(`--rounds takes a whole number from 1 on, not "${values.rounds}"`);
const folder = positionals[0] ?? fileURLToPath(new URL('models/', import.meta.url));
if (!existsSync(folder)) refuse(`${folder} does not exist; tests/bench/setup makes models`);
const models = chosen(values.models, readdirSync(folder).filter((name) => existsSync(join(folder, name, 'case.json'))), 'model');

console.log(`${cpus()[0]?.model}, ${cpus().length} cores, load ${loadavg()[0].toFixed(1)}; ${backend}, one thread`);
for (const name of asked.filter((each) => !installed.includes(each))) {
  console.log(`  without ${engines[name].title}: ${engines[name].missing(backend)} is not installed; tests/bench/setup does that`);
}

/** What is visited of a model: engines by encodings. */
function columnsOf(name, bundles, pages) {
  const at = join(folder, name);
  const about = JSON.parse(readFileSync(join(at, 'case.json'), 'utf8'));
  const numbers = { inputs: numbersOf(at, about.inputs), outputs: numbersOf(at, about.outputs) };
  return installed.flatMap((engine) => forms.filter((form) => engines[engine].needs[form]).flatMap((form) => {
    const file = join(at, engines[engine].needs[form]);
    if (!existsSync(file)) {
      console.error(`  ${engines[engine].title}, ${form}: ${name} has no ${engines[engine].needs[form]}; see make_models.py --small`);
      return [];
    }
    const bundle = `${name}-${form}`;
    if (engine === 'ours') compile(file, { folder: join(bundles, bundle), args: ['--backends', backend, ...(form === 'f32' ? [] : ['--quantize', form])] });
    const place = { model: `/models/${name}/`, bundle: `/bundles/${bundle}/`, backend, files: filesIn(form), threads: 1, ...about };
    const path = `/visit/${name}/${engine}-${form}.html`;
    pages.set(path, pageOf(engine, place));
    return [{ engine, form, path, ...numbers }];
  }));
}

/** @returns {Promise<object[]>} Of every column, what its visits over a network took. */
async function measure(server, columns, network) {
  const runs = columns.map(() => []);
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes.
    const order = columns.map((column, i) => ({ column, i }));
    for (const { column, i } of round % 2 ? order.toReversed() : order) {
      if (runs[i].at(-1)?.failed) continue;
      const options = { gpu: backend !== 'wasm', second: !values['first-only'], check: round === 0 };
      runs[i].push(await visitTwice(server, column, network, options).catch((error) => ({ failed: String(error?.message ?? error) })));
    }
  }
  return columns.map(({ engine, form }, i) => {
    const failed = runs[i].find((run) => run.failed)?.failed;
    const middle = (key) => (failed || runs[i].some((run) => run[key] === undefined) ? undefined : median(runs[i].map((run) => run[key])));
    return { engine, form, failed, error: runs[i][0].error, bytes: runs[i][0].bytes, firstMs: middle('firstMs'), secondMs: middle('secondMs'), runs: runs[i] };
  });
}

/** Ours by the best of the others, for the lines that users compare. */
function ratios(results) {
  const best = (form, key) => results.filter((each) => each.engine !== 'ours' && each.form === form && Number.isFinite(each[key])).sort((a, b) => a[key] - b[key])[0];
  return results.filter(({ engine }) => engine === 'ours').flatMap((ours) => [...new Set(['f32', ours.form])].flatMap((form) => ['firstMs', 'secondMs'].flatMap((key) => {
    const other = best(form, key);
    return other && Number.isFinite(ours[key]) ? [{ ours: ours.form, form, key, engine: other.engine, ratio: ours[key] / other[key] }] : [];
  })));
}

const seconds = (ms) => (Number.isFinite(ms) ? (ms / 1000).toFixed(2) : '-');
const report = { date: new Date().toISOString(), backend, load: loadavg(), models: [] };
const bundles = temporary('visits');
/** @type {Map<string, string>} */
const pages = new Map();
const server = await deliver({
  '/models/': folder,
  '/bundles/': bundles,
  '/node_modules/': fileURLToPath(new URL('node_modules/', import.meta.url)),
}, (path) => pages.get(path));
let wrong = false;
for (const name of models) {
  const columns = columnsOf(name, bundles, pages);
  // What is compressed first takes a while: not while anything is timed.
  await measure(server, columns, networks.loopback);
  for (const over_ of over) {
    const network = networks[over_];
    const results = await measure(server, columns, network);
    const against = ratios(results);
    report.models.push({ model: name, network: over_, results, ratios: against });
    console.log(`\n${name}, ${network.title}`);
    table([
      ['', 'weights', 'KB', 'first visit', 'second visit', 'error'],
      ['', '', 'fetched', 's to output', 's to output', 'of largest'],
      ...results.map(({ engine, form, bytes, firstMs, secondMs, error, failed }) => [
        [engines[engine].title, engines[engine].version()].filter(Boolean).join(' '), form, failed ? '-' : (bytes / 1024).toFixed(0),
        seconds(firstMs), seconds(secondMs), failed ? 'failed' : error.toExponential(1),
      ]),
    ], 2);
    for (const { engine, form, failed } of results) if (failed) console.log(`  ${engines[engine].title}, ${form}: ${failed}`);
    for (const key of ['firstMs', 'secondMs']) {
      const parts = against.filter((each) => each.key === key).map(({ ours, form, engine, ratio }) => `${ours} / ${form} ${ratio.toFixed(2)} (${engines[engine].title})`);
      if (parts.length) console.log(`  ours / best of the others, ${key === 'firstMs' ? 'first' : 'second'} visit: ${parts.join(', ')}`);
    }
    // In f32 as exact as elsewhere; in fewer bits an error is told.
    wrong ||= results.some(({ engine, form, error, failed }) => engine === 'ours' && (failed || !(error <= (form === 'f32' ? 1e-3 : 0.5))));
  }
}
await server.close();
if (values.markdown) {
  console.log('\n| | network | weights | KB | first visit, s | second visit, s | first / best f32 | first / best of as few bits | second / best f32 |');
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const { model, network, results, ratios: all } of report.models) {
    for (const { form, bytes, firstMs, secondMs } of results.filter(({ engine }) => engine === 'ours')) {
      const of = (key, against) => {
        const found = all.find((each) => each.ours === form && each.key === key && each.form === against);
        return found ? `${found.ratio.toFixed(2)} (${engines[found.engine].title})` : '-';
      };
      console.log(`| ${[model, networks[network].title, form, (bytes / 1024).toFixed(0), seconds(firstMs), seconds(secondMs), of('firstMs', 'f32'), of('firstMs', form), of('secondMs', 'f32')].join(' | ')} |`);
    }
  }
}
if (values.json) writeFileSync(values.json, JSON.stringify(report, null, 2) + '\n');
process.exitCode = wrong ? 1 : 0;
