// tsc on what ships and on the declarations of a bundle.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { compile, examples } from './support/bundles.js';
import { temporary, writeBundle } from './support/fixture.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const tsc = join(here, '../node_modules/typescript/bin/tsc');

function check(...args) {
  assert.ok(existsSync(tsc), `there is no TypeScript at ${tsc}; run npm ci in tests/`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
}

const slot = (name, dtype, shape) => ({ name, dtype, shape, storage: 'f32', offset: 1024 });
const bundle = (inputs, outputs) => writeBundle({ inputs, outputs, bodies: () => [] });

test('the runtime is typed', () => check('-p', join(here, '../../runtime-web')));

/** What a script would complain of that was joined wrongly: syntax, names that nobody declares, two do, or nobody uses. */
const ofNames = /error TS(1\d{3}|2300|2304|2451|2552|6133|6192|6196|6198|8\d{3}):/;

test('as it ships, without comments, every name is declared once and used', () => {
  const text = join(here, '../goldens/containers/k3-text-adapted.keras');
  const pictures = ['--image', 'gray', '--labels', join(examples, 'digits/labels.txt')];
  for (const args of [[], ['--threads', 'off'], ['--backends', 'webgpu'], ['--backends', 'webgl'], pictures, undefined]) {
    const folder = args ? compile(join(examples, 'digits/digits.h5'), { args }) : compile(text);
    for (const name of readdirSync(folder).filter((name) => name.endsWith('.js'))) {
      const file = join(folder, name);
      const script = readFileSync(file, 'utf8');
      // It is for projects with other options than ours.
      assert.ok(script.includes('// @ts-nocheck\n'), name);
      writeFileSync(file, script.replace('// @ts-nocheck\n', ''));
    }
    // What shows that such complaints are found.
    writeFileSync(join(folder, 'wrong.js'), 'nowhere();\n');
    const { compilerOptions } = JSON.parse(readFileSync(join(here, '../../runtime-web/tsconfig.json'), 'utf8'));
    // Types stood in the comments.
    Object.assign(compilerOptions, { strict: false, exactOptionalPropertyTypes: false });
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }));
    const { stdout } = spawnSync(process.execPath, [tsc, '--pretty', 'false', '-p', folder], { encoding: 'utf8' });
    const complaints = stdout.split('\n').filter((line) => ofNames.test(line)).map((line) => line.replace(/^.*\//, ''));
    assert.deepEqual(complaints, ["wrong.js(1,1): error TS2304: Cannot find name 'nowhere'."]);
  }
});

test('the declarations of a bundle say what its model takes and gives', () => {
  const one = bundle([slot('image', 'float32', [1, 8, 8, 1])], [slot('digit', 'float32', [1, 10])]);
  const two = bundle(
    [slot('left/image', 'float32', [1, 4]), slot('ids', 'int64', [1, 3])],
    [slot('a', 'float32', [1]), slot('b', 'bool', [2])],
  );
  const folder = temporary('types');
  copyFileSync(join(here, 'types.test-d.ts'), join(folder, 'types.test-d.ts'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        target: 'es2022',
        module: 'nodenext',
        lib: ['es2022', 'dom'],
        types: [],
        paths: { '#one': [join(one, 'index.d.ts')], '#two': [join(two, 'index.d.ts')] },
      },
      files: ['types.test-d.ts'],
    }),
  );
  check('-p', folder);
});

test('strings are strings to TypeScript', () => {
  const text = compile(join(here, '../goldens/containers/k3-text-adapted.keras'), { args: ['--input-shape', 'text=1', '--input-shape', 'kind=1,1'] });
  const folder = temporary('types');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'strings.ts'), `
    import { load } from '#text';
    const model = await load();
    const { dense } = await model.predict({ text: ['a'], kind: 'b' });
    dense satisfies Float32Array;
    model.inputs[0].dtype satisfies 'string';
    await model.predict({ text: Object.freeze(['a']), kind: ['b'] } as const);
    // @ts-expect-error no number is a string
    await model.predict({ text: [1], kind: 'b' });
    // @ts-expect-error nor are bytes
    await model.predict({ text: new Uint8Array(1), kind: 'b' });
  `);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: 'es2022', module: 'nodenext', lib: ['es2022', 'dom'], types: [],
      paths: { '#text': [join(text, 'index.d.ts')] },
    },
    files: ['strings.ts'],
  }));
  check('-p', folder);
});
