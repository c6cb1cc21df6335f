// Strings as inputs and outputs: hashes against TensorFlow's, models from files against Keras, and what is said of wrong ones. In
// Node; the matrix compares the goldens of all layers on every backend.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { crossed, fingerprint64, sipHash } from '../../runtime-web/src/hash.js';
import { compile, examples, manifestOf, root } from './support/bundles.js';
import { temporary } from './support/fixture.js';

const containers = join(root, 'tests/goldens/containers');
const floats = (data) => new Float32Array(new Uint8Array(Buffer.from(data, 'base64')).buffer);
const close = (found, expected) => expected.every((value, i) => Math.abs(found[i] - value) < 1e-5);

test('hashes are those of TensorFlow', () => {
  const { bins, key, rows } = JSON.parse(readFileSync(new URL('support/hashes.json', import.meta.url), 'utf8'));
  const within = (hash) => String(hash % BigInt(bins));
  assert.ok(rows.length > 50);
  for (const [text, number, fast, strong, cross] of rows) {
    const bytes = new TextEncoder().encode(text);
    const column = BigInt.asUintN(64, BigInt(number));
    const found = [fingerprint64(bytes), sipHash(bytes, key.map(BigInt)), crossed([fingerprint64(bytes), column])].map(within);
    assert.deepEqual(found, [fast, strong, cross], text);
  }
});

/** A golden of a layer, compiled. */
function golden(id, file = 'k3-text') {
  const folder = temporary('strings');
  const goldens = readFileSync(join(root, `tests/goldens/layers/${file}.jsonl`), 'utf8').split('\n');
  writeFileSync(join(folder, 'golden.jsonl'), goldens.find((line) => line.startsWith(`{"id":"${id}"`)));
  const { status, stderr } = spawnSync(join(root, 'target/release/golden-bundle'), [join(folder, 'golden.jsonl'), folder], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { folder: join(folder, 'dist'), ...JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) };
}

async function opened(id, options = {}) {
  const { folder, ...rest } = golden(id);
  const { load } = await import(join(folder, 'index.js'));
  return { folder, load, model: await load(undefined, { backend: 'wasm', threads: 1, ...options }), ...rest };
}

describe('files with vocabularies that Keras saved', () => {
  for (const name of ['k2-text-adapted', 'k3-text-adapted']) {
    test(name, async () => {
      const file = (end) => join(containers, `${name}${end}`);
      const { inputs, outputs: [{ data }] } = JSON.parse(readFileSync(file('-keras.golden.json'), 'utf8'));
      const folder = compile(file('.keras'), { args: ['--input-shape', 'text=2', '--input-shape', 'kind=2,1'] });
      const { load } = await import(join(folder, 'index.js'));
      const model = await load(undefined, { backend: 'wasm' });
      assert.deepEqual(model.inputs, [{ name: 'text', shape: [2], dtype: 'string' }, { name: 'kind', shape: [2, 1], dtype: 'string' }]);
      const { dense } = await model.predict(Object.fromEntries(inputs.map(({ name, texts }) => [name, texts])));
      assert.ok(close(dense, floats(data)), `${dense} instead of ${floats(data)}`);
      model.dispose();
      const types = readFileSync(join(folder, 'index.d.ts'), 'utf8');
      assert.match(types, /"text": readonly string\[\];/);
      assert.match(types, /TensorInfo<"kind", readonly \[2, 1\], 'string'>/);
      // It can be replaced, and is sound.
      compile(file('.keras'), { folder, args: ['--force', '--input-shape', 'text=2', '--input-shape', 'kind=2,1'] });
      const { status, stdout } = spawnSync(join(root, 'target/release/keras-compile'), ['inspect', folder], { encoding: 'utf8' });
      assert.equal(status, 0);
      assert.match(stdout, /input  "text" string \[2\]/);
    });
  }
});

describe('a model that takes strings', () => {
  let model;
  let folder;
  let load;
  let inputs;
  let expected;
  before(async () => ({ model, folder, load, inputs, expected } = await opened('text-classifier-sequential')));

  test('takes them with their name, bare, and one alone', async () => {
    const [text] = Object.values(inputs)[0];
    const [name] = model.inputs.map((input) => input.name);
    for (const x of [{ [name]: [text] }, [text], text, { [name]: text }, Object.freeze([text])]) {
      const [output] = Object.values(await model.predict(x));
      assert.ok(close(output, Object.values(expected)[0]));
    }
    assert.match(readFileSync(join(folder, 'index.d.ts'), 'utf8'), /: readonly string\[\] \| string;/);
  });
  test('says what is wrong with others', async () => {
    const wrong = (x, name, message) => assert.rejects(model.predict(x), { name, message });
    await wrong(['a', 'b'], 'RangeError', /input ".*" \(string \[1, 1\]\) takes 1 elements, got 2/);
    await wrong([], 'RangeError', /takes 1 elements, got 0/);
    await wrong([3], 'TypeError', /has a number at 0, where a string belongs/);
    await wrong(new Float32Array(1), 'TypeError', /takes an Array of strings, got Float32Array/);
    await wrong(new Uint8Array(1), 'TypeError', /takes an Array of strings, got Uint8Array/);
    await wrong({}, 'TypeError', /is missing; the model takes { .*: Array of strings\(1\) }/);
    await wrong({ other: ['a'] }, 'TypeError', /there is no input "other"/);
  });
  test('takes any text', async () => {
    for (const text of ['', ' \n', '\ud800', '\0', '💩'.repeat(1000), '"\\\u2028', 'constructor', '__proto__']) {
      const [output] = Object.values(await model.predict([text]));
      assert.ok(output.every(Number.isFinite));
    }
  });
  test('fetches its vocabulary once, and says when that is damaged', async () => {
    const { strings: { vocabularies } } = manifestOf(folder);
    assert.match(vocabularies, /^vocabularies[.-][0-9a-f]+\.bin$/);
    const asked = [];
    const read = (change) => async (href) => {
      const name = new URL(href).pathname.split('/').at(-1);
      asked.push(name);
      const bytes = readFileSync(join(folder, name));
      return new Response(name === vocabularies ? change(bytes) : bytes, { headers: { 'content-type': name.endsWith('.wasm') ? 'application/wasm' : 'text/plain' } });
    };
    const whole = await load('http://host.example/', { backend: 'wasm', fetch: read((bytes) => bytes) });
    assert.equal(asked.filter((name) => name === vocabularies).length, 1);
    whole.dispose();
    const damaged = (change, message) =>
      assert.rejects(load('http://host.example/', { backend: 'wasm', fetch: read(change) }), { name: 'BundleError', message });
    await damaged((bytes) => bytes.toString().replace('cat', 'cow'), /vocabularies.* is damaged/);
    await damaged((bytes) => bytes.subarray(1), /ends after/);
  });
  test('refuses manifests that make no sense, and scripts that know nothing of strings', async () => {
    const { load: other } = await import(join(compile(join(examples, 'digits/digits.h5'), { args: ['--backends', 'wasm'] }), 'index.js'));
    await assert.rejects(other(folder), { name: 'BundleError', message: /takes or gives strings, for which this index.js has no code/ });
    const changed = (change) => {
      const manifest = structuredClone(manifestOf(folder));
      change(manifest);
      return load('http://host.example/', {
        backend: 'wasm',
        fetch: async (href) => {
          const name = new URL(href).pathname.split('/').at(-1);
          return new Response(name === 'manifest.json' ? JSON.stringify(manifest) : readFileSync(join(folder, name)), { headers: { 'content-type': name.endsWith('.wasm') ? 'application/wasm' : 'text/plain' } });
        },
      });
    };
    const changes = [
      ({ strings }) => { strings.steps[0].of = 1; },
      ({ strings }) => { strings.steps[0].do = 'constructor'; },
      ({ strings }) => { strings.steps[2] = { do: 'hash', of: 0, bins: 0 }; },
      ({ strings }) => { strings.steps[2] = { do: 'hash', of: 0, bins: 3, key: ['a', 'b'] }; },
      ({ strings }) => { strings.steps = {}; },
      ({ strings }) => { strings.vocabularies = '../words.bin'; },
      ({ inputs }) => { inputs[0].of = 99; },
      ({ inputs }) => { delete inputs[0].of; },
      (manifest) => { manifest.strings = []; },
    ];
    for (const change of changes) await assert.rejects(changed(change), { name: 'BundleError', message: /a "strings" that makes no sense/ }, String(change));
  });
  test('reads them before predict returns, profiles and verifies', async () => {
    const profiled = await load(undefined, { backend: 'wasm', threads: 1, profile: true });
    const [text] = Object.values(inputs)[0];
    const x = [text];
    const under = profiled.predict(x);
    x[0] = 'else';
    assert.ok(close(Object.values(await under)[0], Object.values(expected)[0]));
    assert.ok((await profiled.profile([text])).length > 0);
    assert.equal(await profiled.verify({ against: 'wasm', inputs: [text] }), undefined);
    profiled.dispose();
  });
});

test('a string out of a vocabulary that takes no others is named', async () => {
  const { model, inputs: { x } } = await opened('string-lookup-no-oov');
  await model.predict(x);
  await assert.rejects(model.predict(x.with(1, 'cow')), { name: 'RangeError', message: 'predict: "cow" is not in the vocabulary of layer "lookup", which takes no others' });
});

test('outputs are strings, new or in the arrays of the caller', async () => {
  const { model, folder, inputs: { x }, expected } = await opened('string-lookup-invert-of-classes');
  assert.deepEqual(model.outputs.map(({ name, dtype }) => [name, dtype]), [['label', 'string'], ['p', 'float32']]);
  const input = Float32Array.from(x);
  assert.deepEqual((await model.predict(input)).label, expected.label);
  const out = { label: new Array(5), p: new Float32Array(20) };
  const given = await model.predict(input, { out });
  assert.equal(given.label, out.label);
  assert.deepEqual(out.label, expected.label);
  assert.ok(close(out.p, expected.p));
  await assert.rejects(model.predict(input, { output: 'gpu' }), { name: 'TypeError', message: /strings are no GPUBuffer/ });
  await assert.rejects(model.predict(input, { out: { ...out, label: new Int32Array(5) } }), { name: 'TypeError', message: /takes an Array of strings/ });
  assert.match(readFileSync(join(folder, 'index.d.ts'), 'utf8'), /"label": string\[\];/);
});

test('a bundle without strings has no code for them', () => {
  const folder = compile(join(examples, 'digits/digits.h5'));
  assert.ok(readdirSync(folder).every((name) => !name.startsWith('vocabularies')));
  assert.doesNotMatch(readFileSync(join(folder, 'index.js'), 'utf8'), /fingerprint64|openStrings/);
});
