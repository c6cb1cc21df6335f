// Weights in fewer bits: what decodes them gives the very numbers, every backend computes with these, and descriptions that make no
// sense are refused.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { checkEncoded, decoding } from '../../runtime-web/src/decode.js';
import { compile, examples, inputsFor, manifestOf } from './support/bundles.js';
import { gpuPages } from './support/gpu-pages.js';

const encodings = ['f16', 'int8', 'int4'];
const digits = join(examples, 'digits/digits.h5');
const plain = compile(digits);
const quantized = Object.fromEntries(encodings.map((encoding) => [encoding, compile(digits, { args: ['--quantize', encoding] })]));
const inputs = inputsFor(manifestOf(plain));
const { run } = await gpuPages({ plain, ...quantized });
/** How far the outputs of each may be from those of floats. */
const tolerance = { f16: 2e-3, int8: 3e-2, int4: 0.2 };

const halfOf = (half) => {
  const [sign, exponent, mantissa] = [half >> 15 ? -1 : 1, (half >> 10) & 31, half & 1023];
  return exponent ? sign * 2 ** (exponent - 15) * (1 + mantissa / 1024) : sign * mantissa * 2 ** -24;
};

/** The numbers of a part, one after the other, as ARCHITECTURE.md and the types describe them. */
function numbersOf({ encoding, from, elements, first, block, lanes, rows, head }, view) {
  const perBlock = Math.ceil((block / lanes - head) / rows);
  const blocks = Math.ceil((first + elements) / block);
  let at = from;
  const floats = (count) => Array.from({ length: count }, () => view.getFloat32((at += 4) - 4, true));
  const heads = floats(head ? blocks * lanes : 0);
  const scales = floats(encoding === 'f16' ? 0 : blocks * perBlock * lanes);
  const levels = floats(encoding === 'int4' ? 16 : 0);
  let code = 0;
  return Array.from({ length: elements }, (_, which) => {
    const i = first + which;
    const [inside, of, lane] = [Math.floor((i % block) / lanes) - head, Math.floor(i / block), i % lanes];
    if (inside < 0) return heads[of * lanes + lane];
    const scale = scales[(of * perBlock + Math.floor(inside / rows)) * lanes + lane];
    const next = code++;
    if (encoding === 'f16') return halfOf(view.getUint16(at + 2 * next, true));
    if (encoding === 'int8') return Math.fround(view.getInt8(at + next) * scale);
    return Math.fround(levels[(view.getUint8(at + (next >> 1)) >> (4 * (next & 1))) & 15] * scale);
  });
}

/** A bundle of which files are in memory, as backends get it. */
const bundleOf = (manifest, fileOf) => decoding({ manifest, fill: async (name, target) => target.set(fileOf(name)) });

/** Decodes the files of a bundle, and gives for each number that differs from what it should be its file and place. */
async function differences(manifest, fileOf) {
  const bundle = bundleOf(manifest, fileOf);
  const wrong = [];
  let at = 0;
  for (const [i, name] of manifest.weights.shards.entries()) {
    const target = new Uint8Array(bundle.manifest.files[name].bytes);
    await bundle.fill(name, target);
    const file = fileOf(name);
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    const found = new DataView(target.buffer);
    let [from, to] = [0, at];
    const same = (until) => {
      for (; from < until; from += 4, to += 4) if (view.getUint32(from) !== found.getUint32(to - at)) wrong.push([name, to]);
    };
    for (const part of manifest.weights.encoded[i]) {
      same(part.from);
      numbersOf(part, view).forEach((number, k) => {
        if (!Object.is(number, found.getFloat32(to - at + 4 * k, true))) wrong.push([name, to + 4 * k]);
      });
      [from, to] = [part.from + part.bytes, part.to + 4 * part.elements];
    }
    same(file.length);
    at += target.length;
  }
  return wrong;
}

describe('numbers', () => {
  for (const encoding of encodings) {
    test(`of the digits in ${encoding}`, async () => {
      const folder = quantized[encoding];
      const manifest = manifestOf(folder);
      assert.equal(manifest.format, 3);
      assert.ok(checkEncoded(manifest));
      assert.ok(manifest.weights.encoded.flat().length > 2);
      assert.deepEqual(await differences(manifest, (name) => readFileSync(join(folder, name))), []);
    });
  }

  test('of parts of every form', async () => {
    let state = 7;
    const below = (bound) => (state = (state * 48271) % 2147483647) % bound;
    for (let round = 0; round < 400; round++) {
      const encoding = encodings[below(3)];
      const lanes = [1, 3, 4, 8, 32][below(5)];
      const head = lanes > 1 && below(2) === 1;
      const block = lanes * (Number(head) + 1 + below(40));
      const shape = { encoding, block, lanes, head, rows: 1 + below(50), first: below(block), elements: 400 + below(600) };
      const perBlock = Math.ceil((block / lanes - head) / shape.rows);
      const blocks = Math.ceil((shape.first + shape.elements) / block);
      const floats = (head ? blocks * lanes : 0) + (encoding === 'f16' ? 0 : blocks * perBlock * lanes) + (encoding === 'int4' ? 16 : 0);
      let codes = 0;
      for (let i = shape.first; i < shape.first + shape.elements; i++) codes += head && i % block < lanes ? 0 : 1;
      const bytes = 4 * (floats + Math.ceil((codes * { f16: 16, int8: 8, int4: 4 }[encoding]) / 32));
      if (bytes > 4 * shape.elements) continue;
      const [before, behind] = [4 * below(9), 4 * below(9)];
      const file = new Uint8Array(before + bytes + behind).map(() => below(256));
      const view = new DataView(file.buffer);
      for (let i = 0; i < floats; i++) view.setFloat32(before + 4 * i, below(2001) / 1000 - 1, true);
      // Infinities are no weights.
      if (encoding === 'f16') for (let i = before + 4 * floats; i < before + bytes; i += 2) view.setUint16(i, view.getUint16(i, true) & 0xbfff, true);
      const part = { from: before, bytes, to: before, ...shape };
      const manifest = {
        weights: { bytes: before + 4 * shape.elements + behind, shards: ['w'], encoded: [[part]] },
        files: { w: { bytes: file.length, sha256: '' } },
      };
      assert.ok(checkEncoded(manifest), JSON.stringify(part));
      assert.deepEqual(await differences(manifest, () => file), [], JSON.stringify(part));
    }
  });
});

/** Loads a folder in Node with another manifest. */
async function loadWith(script, folder, manifest) {
  const { load } = await import(pathToFileURL(join(script, 'index.js')));
  const fetch = async (href) => {
    const name = new URL(href).pathname.split('/').at(-1);
    return new Response(name === 'manifest.json' ? JSON.stringify(manifest) : readFileSync(join(folder, name)));
  };
  return load(pathToFileURL(folder), { backend: 'wasm', threads: 1, fetch });
}

describe('a description that makes no sense', () => {
  const folder = quantized.int8;
  const nonsense = {
    'more bytes': ({ part }) => (part.bytes += 4),
    'fewer bytes': ({ part }) => (part.bytes -= 4),
    'no elements': ({ part }) => (part.elements = 0),
    'more elements': ({ part }) => (part.elements += 1),
    'elements beyond all memory': ({ part }) => (part.elements = 2 ** 40),
    'elements that are no number': ({ part }) => (part.elements = '1000'),
    'a block beyond all memory': ({ part }) => (part.block = part.lanes * 2 ** 30),
    'a block that is no multiple of its rows': ({ part }) => (part.block += 1),
    'blocks of nothing': ({ part }) => (part.block = 0),
    'rows of nothing': ({ part }) => (part.lanes = 0),
    'rows beyond the block': ({ part }) => (part.lanes = 2 * part.block),
    'groups of nothing': ({ part }) => (part.rows = 0),
    'a beginning behind its block': ({ part }) => (part.first = part.block),
    'a fraction': ({ part }) => (part.first = 0.5),
    'less than nothing': ({ part }) => (part.from = -4),
    'another place in the file': ({ part }) => (part.from += 4),
    'another place among weights': ({ part }) => (part.to += 4),
    'an unknown encoding': ({ part }) => (part.encoding = 'int3'),
    'a name of all objects': ({ part }) => (part.encoding = 'toString'),
    'plain elements that are neither there nor not': ({ part }) => delete part.head,
    'parts over each other': ({ parts }) => parts.push(parts.at(-1)),
    'parts in another order': ({ parts }) => parts.reverse(),
    'a part that is none': ({ parts }) => parts.push(null),
    'a part that is left out': ({ parts }) => parts.shift(),
    'no parts of a file': ({ weights }) => (weights.encoded = []),
    'parts of no file': ({ weights }) => weights.encoded.push([]),
    'parts that are no list': ({ weights }) => (weights.encoded = {}),
    'more weights': ({ weights }) => (weights.bytes += 64),
    'fewer weights': ({ weights }) => (weights.bytes -= 64),
    'a file of fewer bytes than its parts': ({ file, part }) => (file.bytes = part.from),
    'a file of half a number': ({ file, weights }) => [(file.bytes += 2), (weights.bytes += 2)],
    'a file twice': ({ weights }) => [weights.shards.push(weights.shards[0]), weights.encoded.push(weights.encoded[0]), (weights.bytes *= 2)],
  };
  for (const [what, change] of Object.entries(nonsense)) {
    test(what, async () => {
      const manifest = manifestOf(folder);
      const { weights, files } = manifest;
      const parts = weights.encoded[0];
      change({ weights, parts, part: parts.at(-1), file: files[weights.shards[0]] });
      await assert.rejects(loadWith(folder, folder, manifest), {
        name: 'BundleError',
        message: new RegExp('manifest.json: has a "weights" that makes no sense; compile the model anew$'),
      });
    });
  }

  test('files are checked as others are', async () => {
    const manifest = manifestOf(folder);
    manifest.files[manifest.weights.shards[0]].sha256 = '0'.repeat(64);
    await assert.rejects(loadWith(folder, folder, manifest), /is damaged \(its SHA-256 is not the one in the manifest\)/);
  });

  test('what a script has no code for', async () => {
    await assert.rejects(loadWith(plain, folder, manifestOf(folder)), /has format 3, this index\.js reads format 2/);
    await assert.rejects(loadWith(folder, folder, { ...manifestOf(folder), format: 4 }), /has format 4/);
    assert.ok(!readFileSync(join(plain, 'index.js'), 'utf8').includes('decodeFile'));
  });

  test('but a bundle of floats can be loaded by such a script', async () => {
    const model = await loadWith(folder, plain, manifestOf(plain));
    assert.equal(model.backend, 'wasm');
    model.dispose();
  });
});

/** Predicts on each backend. To be run in a page. */
async function predictOn({ backends, inputs }) {
  const x = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Float32Array.from(values)]));
  const found = [];
  for (const options of backends) {
    const model = await load(undefined, options);
    await model.settled;
    const outputs = Object.values(await model.predict(x)).map((values) => Array.from(values));
    // Of wasm there is nothing to check.
    const wrong = model.backend === 'wasm' ? undefined : await model.verify();
    found.push({ backend: model.backend, outputs, wrong: String(wrong) });
    model.dispose();
  }
  return found;
}

const apart = (a, b) => Math.max(...a.flat().map((value, i) => Math.abs(value - b.flat()[i])));
const backends = [
  ...['wasm', 'webgpu', 'webgl'].map((backend) => ({ backend })),
  { backend: 'wasm', threads: 2 },
  { backend: ['webgpu', 'wasm'], warm: 'wasm' },
];

describe('predictions in Chromium', () => {
  for (const encoding of encodings) {
    test(`of ${encoding}`, async () => {
      const [expected] = await run(predictOn, { backends: [{ backend: 'wasm' }], inputs }, 'plain');
      const found = await run(predictOn, { backends, inputs }, encoding);
      const wanted = ['wasm', 'webgpu', 'webgl', 'wasm', 'webgpu'];
      assert.deepEqual(found.map(({ backend, wrong }) => [backend, wrong]), wanted.map((backend) => [backend, 'undefined']));
      const [first] = found;
      const far = apart(first.outputs, expected.outputs);
      assert.ok(far > 0 && far < tolerance[encoding], `${far} from what floats give`);
      for (const { backend, outputs } of found) assert.ok(apart(outputs, first.outputs) < 1e-5, `${backend}: ${outputs}`);
    });
  }
});
