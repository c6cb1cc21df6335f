// Pictures as inputs and classes as outputs: sizes and numbers against Keras and Pillow, in Node and in every engine; what is said of
// wrong ones; types. `tests/goldens/make_pictures.py` made the files.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { takePictures } from '../../runtime-web/src/pictures.js';
import { launch } from './support/browser.js';
import { compile, compiler, examples, manifestOf, root } from './support/bundles.js';
import { everyEngine } from './support/engines.js';
import { temporary } from './support/fixture.js';
import { serve, strict } from './support/server.js';

const here = fileURLToPath(new URL('pictures/', import.meta.url));
const goldens = JSON.parse(readFileSync(join(here, 'goldens.json'), 'utf8'));
const bytes = (data) => new Uint8Array(Buffer.from(data, 'base64'));
const pixels = (name) => ({ ...goldens.pictures[name], data: bytes(goldens.pictures[name].data) });

/** What `--image` says for each kind of `preprocess_input`. */
const modes = {
  caffe: 'bgr,mean=103.939,116.779,123.68',
  tf: 'rgb,scale=1/127.5,mean=1',
  torch: 'rgb,scale=1/255,mean=0.485,0.456,0.406,std=0.229,0.224,0.225',
};

const model = (mode) => join(here, `${mode}.keras`);
const built = new Map();
/** A bundle, compiled once. */
function bundle(mode, image, ...args) {
  const key = [mode, image, ...args].join();
  if (!built.has(key)) built.set(key, compile(model(mode), { args: ['--image', image, ...args] }));
  return built.get(key);
}
const opened = async (folder, options = {}) => (await import(join(folder, 'index.js'))).load(undefined, { backend: 'wasm', threads: 1, ...options });
const close = (found, expected, within = 1e-5) => expected.every((value, i) => Math.abs(found[i] - value) <= within);

/** What a network would get for pictures. */
async function read(picture, ...values) {
  const { height, width, channels } = picture;
  const slot = { name: 'x', dtype: 'float32', shape: [values.length, height, width, channels], picture };
  const given = { predict: async (x) => x.x };
  takePictures(given, { inputs: [slot] });
  return given.predict(values.length === 1 ? values[0] : values);
}

describe('a picture in another size', () => {
  test('has the goldens of all filters', () => {
    const kinds = new Set(goldens.resized.map(({ filter, fit }) => `${filter} ${fit}`));
    assert.equal(kinds.size, 6 * 2 + 2 * 3);
    assert.ok(goldens.resized.length > 100);
  });
  for (const { picture, mode, height, width, filter, fit, dtype, data } of goldens.resized) {
    test(`${picture} as ${width}x${height} ${mode}, ${filter} ${fit}`, async () => {
      const found = await read({ height, width, channels: mode === 'gray' ? 1 : 3, resize: { filter, fit } }, pixels(picture));
      if (dtype === 'uint8') assert.deepEqual(Array.from(found), Array.from(bytes(data)));
      else {
        const expected = new Float32Array(bytes(data).buffer);
        const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i])), 0);
        assert.ok(worst < 0.001, `off by ${worst}`);
      }
    });
  }
  test('with black around it keeps its proportions', async () => {
    const white = { width: 4, height: 2, data: new Uint8Array(32).fill(255) };
    const found = await read({ height: 4, width: 4, channels: 1, resize: { filter: 'bilinear', fit: 'pad' } }, white);
    assert.deepEqual(Array.from(found), [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]);
  });
  test('has channels first where the network has', async () => {
    const picture = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 255) };
    const found = await read({ height: 1, width: 2, channels: 3, first: true }, picture, picture);
    assert.deepEqual(Array.from(found), [1, 4, 2, 5, 3, 6, 1, 4, 2, 5, 3, 6]);
  });
});

describe('networks with preprocess_input in front', () => {
  for (const { mode, picture, filter, fit, scores } of goldens.networks) {
    test(`${mode}, ${picture}, ${filter} ${fit}`, async () => {
      const loaded = await opened(bundle(mode, `${modes[mode]},resize=${filter},${fit}`));
      const outputs = await loaded.predict(pixels(picture));
      assert.ok(close(outputs.scores, scores), `${outputs.scores} instead of ${scores}`);
      loaded.dispose();
    });
  }
  test('cost one kernel, or two where channels are turned', () => {
    for (const [mode, most] of [['tf', 1], ['torch', 1], ['caffe', 2]]) {
      const plain = manifestOf(compile(model(mode))).backends;
      const { backends } = manifestOf(bundle(mode, `${modes[mode]},resize=bilinear,stretch`));
      for (const name of Object.keys(backends)) assert.ok(backends[name].steps - plain[name].steps <= most, `${mode} on ${name}`);
    }
  });
});

describe('a model that takes pictures', () => {
  let loaded;
  const [golden] = goldens.networks.filter(({ mode, picture }) => mode === 'tf' && picture === 'large');
  before(async () => (loaded = await opened(bundle('tf', `${modes.tf},resize=bilinear`))));
  const wrong = (x, name, message) => assert.rejects(loaded.predict(x), { name, message });

  test('takes them with their name, bare, in a list, and arrays as img_to_array gives them', async () => {
    const one = pixels('large');
    const clamped = { ...one, data: new Uint8ClampedArray(one.data) };
    for (const x of [one, clamped, [one], { picture: one }, { picture: [one] }, Object.freeze([one])]) {
      assert.ok(close((await loaded.predict(x)).scores, golden.scores));
    }
    const even = pixels('even');
    const array = Float32Array.from({ length: 192 }, (_, i) => even.data[Math.trunc(i / 3) * 4 + (i % 3)]);
    const { scores } = await loaded.predict(even);
    assert.deepEqual((await loaded.predict(array)).scores, scores);
    assert.deepEqual((await loaded.predict({ picture: Uint8Array.from(array) })).scores, scores);
    const out = { scores: new Float32Array(5) };
    assert.equal((await loaded.predict(even, { out })).scores, out.scores);
    assert.deepEqual(out.scores, scores);
  });
  test('reads them before predict returns', async () => {
    const one = pixels('large');
    const under = loaded.predict(one);
    one.data.fill(0);
    assert.ok(close((await under).scores, golden.scores));
  });
  test('verifies and profiles with them', async () => {
    const profiled = await opened(bundle('tf', `${modes.tf},resize=bilinear`), { profile: true });
    assert.ok((await profiled.profile(pixels('wide'))).length > 0);
    assert.equal(await profiled.verify({ against: 'wasm', inputs: pixels('wide') }), undefined);
    profiled.dispose();
  });
  test('says what is wrong with others', async () => {
    await wrong('a.png', 'TypeError', /got String/);
    await wrong({ picture: 'a.png' }, 'TypeError', /input "picture" \(float32 \[1, 8, 8, 3\]\) takes a picture, got String; pass an image, video/);
    await wrong({ picture: [1] }, 'TypeError', /takes a picture, got an Array of Number/);
    await wrong([pixels('even'), 3], 'TypeError', /got Number at 1, where a picture belongs/);
    await wrong([pixels('even'), pixels('even')], 'RangeError', /takes 1 picture, got 2/);
    await wrong({ data: new Uint8Array(3), width: 1, height: 1 }, 'RangeError', /got pixels of 1 x 1 with 3 bytes; they have 4 bytes each/);
    await wrong({ data: new Uint8Array(0), width: 0, height: 0 }, 'RangeError', /got pixels of 0 x 0/);
    await wrong({ other: pixels('even') }, 'TypeError', /there is no input "other"/);
    await wrong({}, 'TypeError', /input "picture" is missing/);
    await wrong(undefined, 'TypeError', /got Undefined/);
    await wrong(new Blob(['']), 'TypeError', /got a Blob, which nothing decodes here; pass \{ data, width, height \}/);
    await wrong(new Float32Array(3), 'RangeError', /takes 192 elements, got 3/);
  });
  test('has the size that was asked for, if no other', async () => {
    const exact = await opened(bundle('tf', modes.tf));
    await exact.predict(pixels('even'));
    await assert.rejects(exact.predict(pixels('wide')), { name: 'RangeError', message: /got a picture of 23 x 11, and takes 8 x 8; compile the model with --image …,resize=bilinear/ });
  });
});

test('a manifest that makes no sense is refused', async () => {
  const folder = bundle('tf', `${modes.tf},resize=bilinear`);
  const { load } = await import(join(folder, 'index.js'));
  const changed = (change) => {
    const manifest = structuredClone(manifestOf(folder));
    change(manifest.inputs[0].picture);
    return load('http://host.example/', {
      backend: 'wasm',
      fetch: async (href) => {
        const name = new URL(href).pathname.split('/').at(-1);
        const body = name === 'manifest.json' ? JSON.stringify(manifest) : readFileSync(join(folder, name));
        return new Response(body, { headers: { 'content-type': name.endsWith('.wasm') ? 'application/wasm' : 'text/plain' } });
      },
    });
  };
  (await changed(() => {})).dispose();
  const changes = [
    (picture) => (picture.width = -8), (picture) => (picture.width = 7), (picture) => (picture.height = '8'), (picture) => (picture.channels = 2),
    (picture) => (picture.first = 1), (picture) => (picture.resize = 'bilinear'), (picture) => (picture.resize.filter = 'constructor'),
    (picture) => (picture.resize.fit = 'cover'),
  ];
  for (const change of changes) await assert.rejects(changed(change), { name: 'BundleError', message: /a "picture" that makes no sense/ }, String(change));
});

test('several pictures are a batch', async () => {
  const one = compile(join(examples, 'digits/digits.h5'), { args: ['--image', 'gray,resize=box'] });
  const folder = compile(join(examples, 'digits/digits.h5'), { args: ['--image', 'gray,resize=box', '--input-shape', '2,8,8,1'] });
  const [single, both] = [await opened(one), await opened(folder)];
  const [name] = single.outputs.map((output) => output.name);
  const apart = [];
  for (const picture of ['large', 'tall']) apart.push(...(await single.predict(pixels(picture)))[name]);
  const together = (await both.predict([pixels('large'), pixels('tall')]))[name];
  assert.ok(close(together, apart));
  await assert.rejects(both.predict(pixels('large')), { name: 'RangeError', message: /takes 2 pictures, got 1/ });
});

describe('classes', () => {
  const names = ['ant', 'bee', 'cat', 'dog', 'elk'];
  const file = (text, name = 'labels.txt') => {
    const path = join(temporary('labels'), name);
    writeFileSync(path, text);
    return path;
  };
  const [golden] = goldens.networks.filter(({ mode, picture }) => mode === 'tf' && picture === 'large');

  test('are told by name, the likeliest first', async () => {
    for (const text of [names.join('\n'), JSON.stringify(names), JSON.stringify(Object.fromEntries(names.map((name, i) => [i, [`n${i}`, name]])))]) {
      const folder = compile(model('tf'), { args: ['--image', `${modes.tf},resize=bilinear`, '--labels', file(text)] });
      const loaded = await opened(folder);
      const found = await loaded.classify(pixels('large'), { top: 2 });
      const order = golden.scores.map((score, index) => ({ index, score })).sort((a, b) => b.score - a.score);
      assert.deepEqual(found.map(({ label, index }) => [label, index]), order.slice(0, 2).map(({ index }) => [names[index], index]));
      assert.ok(Math.abs(found[0].score - order[0].score) < 1e-5);
      assert.equal((await loaded.classify(pixels('large'))).length, 5);
      assert.equal((await loaded.classify(pixels('large'), { top: 99 })).length, 5);
      for (const top of [0, 1.5, '3']) await assert.rejects(loaded.classify(pixels('large'), { top }), { name: 'RangeError', message: /^classify: top is/ });
      await assert.rejects(loaded.classify(3), { name: 'TypeError' });
    }
  });
  test('are shares, also of logits, which the compiler says', async () => {
    const folder = join(temporary('logits'), 'dist');
    const said = spawnSync(compiler, [model('torch'), '--out', folder, '--image', `${modes.torch},resize=bilinear`, '--labels', file(names.join('\n'))], { encoding: 'utf8' });
    assert.equal(said.status, 0, said.stderr);
    assert.match(said.stdout + said.stderr, /output "scores" does not end in softmax or sigmoid: classify computes the softmax of it/);
    const loaded = await opened(folder);
    const { scores } = await loaded.predict(pixels('large'));
    const found = await loaded.classify(pixels('large'));
    const sum = scores.reduce((all, score) => all + Math.exp(score), 0);
    for (const { index, score } of found) assert.ok(Math.abs(score - Math.exp(scores[index]) / sum) < 1e-6);
    assert.ok(Math.abs(found.reduce((all, { score }) => all + score, 0) - 1) < 1e-6);
  });
  test('of a batch are a list for each', async () => {
    const digits = file('0123456789'.split('').join('\n'));
    const folder = compile(join(examples, 'digits/digits.h5'), { args: ['--input-shape', '2,8,8,1', '--labels', digits] });
    const loaded = await opened(folder);
    const found = await loaded.classify(new Float32Array(128), { top: 3 });
    assert.deepEqual(found.map((list) => list.length), [3, 3]);
    assert.deepEqual(found[0], found[1]);
    const { argmax, topk } = await import(join(folder, 'index.js'));
    const { digit } = await loaded.predict(new Float32Array(128));
    assert.equal(String(argmax(digit.subarray(0, 10))), found[0][0].label);
    assert.deepEqual(topk([1, 3, 2, 3], 3), [{ index: 1, value: 3 }, { index: 3, value: 3 }, { index: 2, value: 2 }]);
    assert.equal(argmax([]), -1);
  });
  test('come from their file, checked, and from no other bundle', async () => {
    const folder = compile(model('tf'), { args: ['--labels', file(names.join('\n'))] });
    const manifest = manifestOf(folder);
    assert.match(manifest.labels.file, /^labels.[0-9a-f]+\.bin$/);
    const { load } = await import(join(folder, 'index.js'));
    const changed = (change) => {
      const other = structuredClone(manifest);
      change(other.labels);
      return load('http://host.example/', {
        backend: 'wasm',
        fetch: async (href) => {
          const name = new URL(href).pathname.split('/').at(-1);
          const body = name === 'manifest.json' ? JSON.stringify(other) : readFileSync(join(folder, name));
          return new Response(body, { headers: { 'content-type': name.endsWith('.wasm') ? 'application/wasm' : 'text/plain' } });
        },
      });
    };
    (await changed(() => {})).dispose();
    for (const change of [(labels) => delete labels.file, (labels) => (labels.output = 'x'), (labels) => (labels.softmax = 1), (labels) => (labels.file = manifest.weights.shards[0])]) {
      await assert.rejects(changed(change), Error, String(change));
    }
    const plain = await opened(compile(model('tf')));
    assert.equal(plain.classify, undefined);
  });
});

describe('the command', () => {
  const says = (...args) => spawnSync(compiler, [...args, '--out', join(temporary('said'), 'dist')], { encoding: 'utf8' });
  const refuses = (message, ...args) => {
    const { status, stderr } = says(...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, message);
  };
  test('refuses pictures that do not fit, by name', () => {
    refuses(/--image: the model has no input "x"; the inputs are \["picture"\]/, model('tf'), '--image', 'x=rgb');
    refuses(/--image: input "picture" of shape .* has not 1 channels/, model('tf'), '--image', 'gray');
    refuses(/--image: the model is none of keras.applications that is known/, model('tf'), '--image', 'auto');
    refuses(/--image: an input is given twice/, model('tf'), '--image', 'rgb', '--image', 'bgr');
    refuses(/--image: input "picture" is given twice/, model('tf'), '--image', 'rgb', '--image', 'picture=bgr');
  });
  test('refuses labels that do not fit, by name', () => {
    refuses(/--labels: there are 1000 labels for output "scores" of shape \[1, 5\]; name as many classes as its last axis has, 5/, model('tf'), '--labels', 'imagenet');
    refuses(/--labels: the model has no output "x"/, model('tf'), '--labels', 'x=imagenet');
    const { status, stderr } = says(model('tf'), '--labels', 'nowhere.txt');
    assert.equal(status, 1, stderr);
    assert.match(stderr, /nowhere.txt: --labels: /);
  });
});

test('TypeScript knows pictures and classes', () => {
  const labels = join(temporary('labels'), 'labels.txt');
  writeFileSync(labels, 'a\nb\nc\nd\ne\n');
  const folder = temporary('types');
  const taking = compile(model('tf'), { args: ['--image', `${modes.tf},resize=bilinear`, '--labels', labels] });
  const plain = compile(model('tf'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'pictures.ts'), `
    import { argmax, load, topk, type Classified } from '#taking';
    import { load as loadPlain } from '#plain';
    const model = await load();
    await model.predict(document.createElement('img'));
    await model.predict([document.createElement('canvas')]);
    await model.predict({ picture: document.createElement('video') });
    await model.predict(new Blob([]));
    await model.predict(new VideoFrame(document.createElement('canvas'), { timestamp: 0 }));
    await model.predict({ data: new Uint8Array(4), width: 1, height: 1 });
    await model.predict(new ImageData(1, 1));
    await model.predict(new Float32Array(192));
    const classes = await model.classify(document.createElement('img'), { top: 2 });
    classes satisfies Classified[];
    classes[0]!.label satisfies 'a' | 'b' | 'c' | 'd' | 'e';
    topk(new Float32Array(3), 2)[0]!.index satisfies number;
    argmax([1]) satisfies number;
    // @ts-expect-error an element that is no picture
    await model.predict(document.createElement('p'));
    // @ts-expect-error one picture is what it takes
    await model.predict([new ImageData(1, 1), new ImageData(1, 1)] as const);
    const other = await loadPlain();
    // @ts-expect-error it was not compiled with --image
    await other.predict(document.createElement('img'));
    // @ts-expect-error nor with --labels
    await other.classify(new Float32Array(192));
  `);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: 'es2022', module: 'nodenext', lib: ['es2022', 'dom'], types: [],
      paths: { '#taking': [join(taking, 'index.d.ts')], '#plain': [join(plain, 'index.d.ts')] },
    },
    files: ['pictures.ts'],
  }));
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'tests/node_modules/typescript/bin/tsc'), '-p', folder], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('a bundle without them has no code for them', () => {
  const folder = compile(join(examples, 'digits/digits.h5'));
  assert.ok(readdirSync(folder).every((name) => !name.startsWith('labels')));
  assert.doesNotMatch(readFileSync(join(folder, 'index.js'), 'utf8'), /drawImage|classify/);
});

/** Gives a network every kind of picture that there is; everything it needs is in its arguments. */
async function everyKind({ entry, url, backend }) {
  const { load } = await import(entry);
  const model = await load(undefined, { backend, threads: 1 });
  const image = new Image();
  image.src = url;
  await image.decode();
  const blob = await (await fetch(url)).blob();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height);
  const kinds = { image, blob, canvas, data, bitmap: await createImageBitmap(image), raw: { data: data.data, width: data.width, height: data.height } };
  if (typeof OffscreenCanvas !== 'undefined') {
    kinds.offscreen = new OffscreenCanvas(canvas.width, canvas.height);
    kinds.offscreen.getContext('2d').drawImage(image, 0, 0);
  }
  if (typeof VideoFrame !== 'undefined') kinds.frame = new VideoFrame(canvas, { timestamp: 0 });
  const scores = {};
  for (const [kind, picture] of Object.entries(kinds)) scores[kind] = Array.from((await model.predict(picture)).scores);
  kinds.frame?.close();
  const unloaded = await model.predict(new Image()).catch((error) => `${error.name}: ${error.message}`);
  const element = await model.predict(document.createElement('p')).catch((error) => `${error.name}: ${error.message}`);
  const top = await model.classify(blob, { top: 1 });
  model.dispose();
  return { scores, unloaded, element, top };
}

/** A page of a server with a network that takes pictures. */
async function withPage(browser, use) {
  const labels = join(temporary('labels'), 'labels.txt');
  writeFileSync(labels, 'a\nb\nc\nd\ne\n');
  const folder = compile(model('caffe'), { args: ['--image', `${modes.caffe},resize=bilinear`, '--labels', labels] });
  const server = await serve({ '/bundle/': folder, '/pictures/': here, '/': new URL('pages/', import.meta.url).pathname }, strict);
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}/empty.html`);
    await use((url, backend) => page.evaluate(everyKind, { entry: '/bundle/index.js', url, backend }));
  } finally {
    await page.close();
    await server.close();
  }
}

const { scores: expected } = goldens.networks.find(({ mode, picture }) => mode === 'caffe' && picture === 'large');

test('GPUs of software give it too', async () => {
  const browser = await launch([], { gpu: true });
  try {
    await withPage(browser, async (everyKind) => {
      for (const backend of ['webgl', 'webgpu']) {
        const { scores } = await everyKind('/pictures/large.png', backend);
        for (const [kind, found] of Object.entries(scores)) assert.ok(close(found, expected, 1e-3), `${backend}, ${kind}: ${found} instead of ${expected}`);
      }
    });
  } finally {
    await browser.close();
  }
});

everyEngine((engine, browser) => {
  test('every kind of picture gives what Keras gives', () => withPage(browser, async (everyKind) => {
    const { scores, unloaded, element, top } = await everyKind('/pictures/large.png', 'wasm');
    for (const [kind, found] of Object.entries(scores)) assert.ok(close(found, expected, 1e-4), `${kind}: ${found} instead of ${expected}`);
    assert.ok(Object.keys(scores).length >= 6, Object.keys(scores).join());
    assert.match(unloaded, /TypeError: .*got a HTMLImageElement without pixels; wait until it is loaded/);
    assert.match(element, /TypeError/);
    assert.equal(top[0].index, expected.indexOf(Math.max(...expected)));
    // Upright, as the browser draws it: red above, green and blue below, not beside each other.
    const turned = await everyKind('/pictures/rotated.jpg', 'wasm');
    const [first, ...others] = Object.entries(turned.scores);
    for (const [kind, found] of others) assert.ok(close(found, first[1], 1e-2), `${kind}: ${found} and ${first}`);
  }));
});
