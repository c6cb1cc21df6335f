// Programs with a model outside browsers, as people run, check and install them.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { binary, check, checkPrinted, here, prelude, program, project, run, tool, version } from './support.js';

const module = '{ "type": "module" }';

test('Node: ES modules, import() and require', () => {
  const commonJs = (loading) => `${prelude().replace(/^import.*\n/, '')}
let load;
(async () => {
  ({ load } = ${loading});
  console.log(JSON.stringify([await predict(1), await predict(2)]));
})();
`;
  const root = project('node', {
    'package.json': '{}',
    'module.mjs': program(),
    'imports.cjs': commonJs("await import('./model/index.js')"),
    'requires.cjs': commonJs("require('./model/index.js')"),
  });
  for (const name of ['module.mjs', 'imports.cjs', 'requires.cjs']) checkPrinted(run(root, process.execPath, [name]).stdout);
});

test('npm: the bundle is a package', async () => {
  const root = project('npm', { 'app/package.json': module, 'app/main.js': program('digits') }, 'dist');
  run(join(root, 'app'), 'npm', ['install', '../dist', '--offline', '--no-audit', '--no-fund']);
  checkPrinted(run(join(root, 'app'), process.execPath, ['main.js']).stdout);
  const { messages, pkg } = await publint({ pkgDir: join(root, 'dist'), pack: false });
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), []);
});

test('TypeScript: a project that checks JavaScript', () => {
  const main = `import { load } from './model/index.js';
const model = await load();
/** @type {Float32Array} */
const digit = (await model.predict({ image: new Uint8ClampedArray(64) })).digit;
console.log(digit);
`;
  const strictest = {
    strict: true, noUnusedLocals: true, noUnusedParameters: true, noUncheckedIndexedAccess: true, noImplicitReturns: true,
    exactOptionalPropertyTypes: true, noPropertyAccessFromIndexSignature: true, noImplicitOverride: true,
    noUncheckedSideEffectImports: true, verbatimModuleSyntax: true, isolatedModules: true,
  };
  const root = project('typescript', { 'package.json': module, 'main.js': main });
  const tsc = join(here, '../node_modules/typescript/bin/tsc');
  for (const options of [
    { module: 'nodenext' },
    { module: 'esnext', moduleResolution: 'bundler' },
    { module: 'nodenext', ...strictest },
  ]) {
    const all = { checkJs: true, allowJs: true, noEmit: true, target: 'es2022', lib: ['es2022', 'dom'], types: [], ...options };
    const args = Object.entries(all).filter(([name]) => name !== 'types').flatMap(([name, value]) => [`--${name}`, String(value)]);
    run(root, process.execPath, [tsc, ...args, 'main.js', 'model/index.js', 'model/worker.js', 'model/internal.d.ts']);
  }
  assert.throws(() => run(root, process.execPath, [tsc, '--checkJs', '--noEmit', '--lib', 'es2022', 'main.js']), /error TS/);
});

describe(`Vitest ${version('vitest')}`, () => {
  for (const environment of ['jsdom', 'happy-dom']) {
    test(`in ${environment} ${version(environment)}`, () => {
      const root = project(`vitest-${environment}`, {
        'package.json': module,
        'vitest.config.js': `export default { test: { environment: '${environment}', include: ['*.spec.js'], cache: false } };\n`,
        'digit.spec.js': `import { expect, test } from 'vitest';
${prelude()}
test('predicts in a document', async () => {
  document.body.append('here');
  for (const threads of [1, 2]) console.log('FOUND' + JSON.stringify(await predict(threads)));
  expect(document.body.textContent).toBe('here');
});
`,
      });
      const { stdout } = tool(root, 'vitest/vitest.mjs', ['run', '--reporter=verbose']);
      const found = Array.from(stdout.matchAll(/FOUND(\{.*\})/g), ([, text]) => JSON.parse(text));
      assert.equal(found.length, 2, stdout);
      found.forEach((one, i) => check(one, i + 1));
    });
  }
});

test(`Deno ${version('deno')}`, () => {
  const root = project('deno', { 'main.js': program() });
  const deno = binary('deno/deno', '@deno/linux-x64-glibc/deno', '.bin/deno');
  checkPrinted(run(root, deno, ['run', '--allow-read', 'main.js']).stdout);
});

describe(`Bun ${version('bun')}`, () => {
  const bun = binary('bun/bin/bun.exe', '@oven/bun-linux-x64/bin/bun', '@oven/bun-linux-x64-baseline/bin/bun');
  const beside = "(await import('node:path')).join(process.execPath, '../model')";
  const root = project('bun', { 'main.js': program(), 'beside.js': program(undefined, beside) });

  test('runs a program', () => checkPrinted(run(root, bun, ['main.js']).stdout));

  test('compiles a program that reads the model beside it', () => {
    const out = join(root, 'out');
    mkdirSync(out);
    run(root, bun, ['build', '--compile', '--entry-naming', '[name].[ext]', '--outfile', 'out/program', 'beside.js', 'model/worker.js']);
    cpSync(join(root, 'model'), join(out, 'model'), { recursive: true });
    // Nothing may come from where it was built.
    renameSync(join(root, 'model'), join(root, 'away'));
    checkPrinted(run(out, './program', []).stdout);
    renameSync(join(root, 'away'), join(root, 'model'));
  });
});
