// The package of npm, packed and installed in a fresh folder.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { examples } from './support/bundles.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'keras-compile-package-')));
after(() => rmSync(folder, { recursive: true, force: true }));
const digits = join(examples, 'digits/digits.h5');

/** Runs a program in the folder and gives what became of it. */
const run = (command, args, env = {}) => spawnSync(command, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env } });
/** The same where it must end well. */
function ran(command, args) {
  const done = run(command, args);
  assert.equal(done.status, 0, `${command} ${args.join(' ')}\n${done.stdout}\n${done.stderr}`);
  return done.stdout;
}

ran(process.execPath, [join(root, 'compiler/npm/pack.js'), join(folder, 'packed')]);
const tarballs = readdirSync(join(folder, 'packed'));
writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
ran('npm', ['install', '--offline', '--no-audit', '--no-fund', ...tarballs.map((name) => `./packed/${name}`)]);
const { compile, CompileError } = await import(pathToFileURL(join(folder, 'node_modules/keras-compile/index.js')).href);
const version = /version = "([^"]+)"/.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))[1];

test('the packages have the version of Cargo.toml, and nothing that is not needed', () => {
  const platform = `${process.platform}-${process.arch}`;
  assert.deepEqual(tarballs.sort(), [`keras-compile-${platform}-${version}.tgz`, `keras-compile-${version}.tgz`].sort());
  const files = readdirSync(join(folder, 'node_modules/keras-compile')).sort();
  assert.deepEqual(files, ['LICENSE', 'README.md', 'bin', 'binary.js', 'client.d.ts', 'index.d.ts', 'index.js', 'package.json', 'platforms.json', 'vite.d.ts', 'vite.js']);
  const { os, cpu } = JSON.parse(readFileSync(join(folder, `node_modules/@keras-compile/${platform}/package.json`), 'utf8'));
  assert.deepEqual([os, cpu], [[process.platform], [process.arch]]);
});

test('npx runs the command, with its exit codes', () => {
  assert.equal(ran('npx', ['--offline', 'keras-compile', '--version']), `keras-compile ${version}\n`);
  ran('npx', ['--offline', 'keras-compile', digits, '--out', 'by-command']);
  assert.ok(existsSync(join(folder, 'by-command/index.js')));
  assert.equal(run('npx', ['--offline', 'keras-compile', 'none.h5', '--out', 'none']).status, 1);
  assert.equal(run('npx', ['--offline', 'keras-compile', '--no-such-option']).status, 2);
});

test('a platform without its package is told what to do', () => {
  const launcher = join(folder, 'node_modules/keras-compile/bin/keras-compile.js');
  const named = run(process.execPath, [launcher, '--version'], { KERAS_COMPILE_BINARY: '/none' });
  assert.match(named.stderr, /^error: KERAS_COMPILE_BINARY names "\/none", where nothing is/);
  // Where npm left the optional packages out.
  const outside = mkdtempSync(join(tmpdir(), 'keras-compile-alone-'));
  after(() => rmSync(outside, { recursive: true, force: true }));
  ran('tar', ['-xzf', join(folder, `packed/keras-compile-${version}.tgz`), '-C', outside]);
  const told = run(process.execPath, [join(outside, 'package/bin/keras-compile.js'), '--version']);
  assert.equal(told.status, 2);
  assert.match(told.stderr, /^error: the package @keras-compile\/[\w-]+ is not installed.*--omit=optional/);
});

test('compile gives the bundle that the command writes, and tells its progress', async () => {
  const stages = [];
  const { dir, files, report } = await compile({
    model: digits,
    out: 'by-function',
    cwd: folder,
    inputShape: [2, 8, 8, 1],
    backends: ['wasm'],
    quantize: { 'conv*': 'int8' },
    threads: false,
    onProgress: ({ stage }) => stages.push(stage),
  });
  assert.equal(dir, join(folder, 'by-function'));
  assert.deepEqual(files.map(({ name }) => name).sort(), readdirSync(dir).sort());
  assert.deepEqual([report.version, report.inputs[0].shape, Object.keys(report.backends)], [1, [2, 8, 8, 1], ['wasm']]);
  assert.deepEqual(stages, ['reading', 'lowering', 'optimising', 'planning', 'generating code', 'writing']);
  const { load } = await import(pathToFileURL(join(dir, 'index.js')).href);
  const model = await load();
  const { digit } = await model.predict(new Float32Array(128));
  assert.ok(digit.length === 20 && digit.every(Number.isFinite));
  model.dispose();
});

test('compile rejects with all problems', async () => {
  const layers = [
    { class_name: 'InputLayer', config: { name: 'in', batch_input_shape: [null, 4], dtype: 'float32' } },
    { class_name: 'Wormhole', config: { name: 'odd' } },
  ];
  const model = { class_name: 'Sequential', keras_version: '2.4.0', backend: 'tensorflow', config: { name: 'broken', layers } };
  writeFileSync(join(folder, 'broken.json'), JSON.stringify(model));
  const error = await compile({ model: 'none.h5', out: 'broken', cwd: folder }).catch((reason) => reason);
  assert.ok(error instanceof CompileError);
  assert.deepEqual([error.problems[0].file, existsSync(join(folder, 'broken'))], ['none.h5', false]);
  assert.match(error.message, /none\.h5: No such file/);
  const usage = await compile({ model: digits, out: 'broken', cwd: folder, backends: 'webnn' }).catch((reason) => reason);
  assert.deepEqual([usage.name, usage.problems[0].field], ['CompileError', '--backends']);
  const clap = await compile({ model: digits, out: 'broken', cwd: folder, gpuPrecision: 'f8' }).catch((reason) => reason);
  assert.match(clap.problems[0].message, /f8/);
  await assert.rejects(compile({ model: digits, out: 'broken', shape: [1] }), /no option "shape"/);
});

test('what README shows', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [block] = readme.match(/(?<=```js\n)import \{ compile \} from 'keras-compile';[^]*?(?=```)/) ?? assert.fail('README has no such block');
  cpSync(digits, join(folder, 'examples/digits/digits.h5'));
  writeFileSync(join(folder, 'shown.js'), block);
  assert.match(ran(process.execPath, ['shown.js']), /^\S+compiled \d+ \d+\n$/);
});

test('the release builds every platform that there is', () => {
  const workflow = readFileSync(join(root, '.github/workflows/release.yml'), 'utf8');
  const built = [...workflow.matchAll(/platform: ([\w-]+), target: ([\w-]+)/g)].map(([, name, target]) => [name, target]);
  const platforms = JSON.parse(readFileSync(join(root, 'compiler/npm/platforms.json'), 'utf8'));
  assert.deepEqual(built, platforms.map(({ name, target }) => [name, target]));
});

test('compile can be given up', async () => {
  const reason = new Error('no more');
  const controller = new AbortController();
  // It takes seconds: whoever gives it up is early enough on any machine.
  const model = join(root, 'tests/cli/wide.h5');
  const options = { model, out: 'given-up', cwd: folder, quantize: 'auto', maxError: 0.001, signal: controller.signal, onProgress: () => controller.abort(reason) };
  await assert.rejects(compile(options), reason);
  assert.deepEqual(readdirSync(folder).filter((name) => name.includes('given-up')), []);
});
