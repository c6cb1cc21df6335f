// Whether pages can trust what GPUs give them, with a model of the compiler: broken kernels, GPUs that are not there, and memory.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { launch, withoutGpu } from './support/browser.js';
import { compile, examples, inputsFor, manifestOf, root } from './support/bundles.js';
import { gpuPages, usedBytes } from './support/gpu-pages.js';

const folder = compile(join(examples, 'digits/digits.h5'));
/** A network that GPUs compute several steps of at once. */
const attention = compile(join(root, 'tests/goldens/containers/k3-attention.keras'), { args: ['--backends', 'wasm,webgpu'] });
const manifest = manifestOf(folder);
const inputs = inputsFor(manifest);
const { server, open, run } = await gpuPages({ bundle: folder, attention });
/** What wasm predicts. */
const sound = await run(choose, { backend: 'wasm', inputs });

/** How each backend calls its things, and what a kernel's result is before it is written. A program ends with `end`. */
const onWebGPU = { backend: 'webgpu', dispatches: 'dispatches', programOf: ({ pipelines }, { pipeline }) => pipelines[pipeline].module, result: /bitcast<(?:vec4<u32>|u32)>\((?=\w+\))/g };
const gpus = [
  { ...onWebGPU, end: '' },
  { ...onWebGPU, end: '-software' },
  { backend: 'webgl', end: '', dispatches: 'draws', programOf: (_, { program }) => program, result: /floatBitsToUint\((?=\w+\))/g },
];

/** Every kernel of a backend, or those of some shaders, with its sign changed: the files that differ, and what the check has to say. */
function brokenOf({ backend, end, dispatches, programOf, result }, folder, some = () => true) {
  const manifest = manifestOf(folder);
  const read = (name) => readFileSync(join(folder, name), 'utf8');
  const json = (name) => JSON.parse(read(name));
  const section = manifest.backends[backend];
  const [programName, shadersName, checkName] = ['program', 'shaders', 'check'].map((what) => section.code[what + end]);
  const [program, check] = [json(programName), json(checkName)];
  // Software takes what is meant for GPUs where there is nothing else.
  const code = end ? section.code : { program: programName, shaders: shadersName, check: checkName };
  const backends = { ...manifest.backends, [backend]: { ...section, code } };
  const shaders = read(shadersName).split(/^(?=\/\/ (?:module|program) \d+:)/m);
  return shaders.flatMap((text, which) => {
    if (!some(text)) return [];
    const broken = text.replace(result, '$&-');
    assert.notEqual(broken, text, `nothing to break in ${text}`);
    const bytes = Buffer.from(shaders.with(which, broken).join(''));
    const files = { ...manifest.files, [shadersName]: { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') } };
    const uses = ({ step, dispatches: [begin, end] }) =>
      program.steps[step][dispatches].slice(begin, end).some((each) => programOf(program, each) === which);
    const kernel = check.kernels.find(uses);
    return { name: kernel?.name ?? 'output 0', files: { [shadersName]: bytes.toString(), 'manifest.json': JSON.stringify({ ...manifest, backends, files }) } };
  });
}

/** Loads with some files changed, with something to fall back to and, if told so, without. To be run in a page. */
async function loadChanged({ backend, files, inputs, alone, bundle = 'bundle' }) {
  const changed = async (href, init) => {
    const text = files[new URL(href).pathname.split('/').at(-1)];
    return text === undefined ? fetch(href, init) : new Response(text);
  };
  const where = new URL(`/${bundle}/`, location.href);
  const x = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Float32Array.from(values)]));
  const model = await load(where, { backend: [backend, 'wasm'], fetch: changed });
  const outputs = Object.values(await model.predict(x)).map((values) => Array.from(values));
  const { backend: taken, fallbacks } = model;
  model.dispose();
  return { taken, fallbacks, outputs, refused: alone && await failed(load(where, { backend, fetch: changed })) };
}

describe('a kernel that is broken', () => {
  for (const gpu of gpus) {
    const { backend } = gpu;
    for (const [which, { name, files }] of brokenOf(gpu, folder).entries()) {
      test(`shader ${which} of ${backend}${gpu.end}, which "${name}" runs first`, async () => {
        const { taken, fallbacks, outputs, refused } = await run(loadChanged, { backend, files, inputs, alone: which === 0 });
        assert.equal(taken, 'wasm', String(fallbacks));
        assert.equal(fallbacks.length, 1);
        const [start, clause] = [`wasm was taken instead of ${backend}, because `, `it computes wrong numbers: "${name}" gives `];
        assert.ok(fallbacks[0].startsWith(start + clause), fallbacks[0]);
        assert.match(fallbacks[0], / gives \S+ instead of \S+ as element \d+ of its buffer\.$/);
        assert.deepEqual(outputs, sound.outputs);
        const reason = fallbacks[0].slice(start.length, -1);
        if (which === 0) assert.equal(refused, `Error: load: ${backend} cannot run this model here, because ${reason}`);
      });
    }
  }

  test('of attention in one dispatch, for GPUs', async () => {
    const [gpu] = gpus;
    const fused = brokenOf(gpu, attention, (text) => text.includes('of_rows'));
    assert.equal(fused.length, 1);
    const [{ name, files }] = fused;
    const inputs = inputsFor(manifestOf(attention));
    const { taken, fallbacks } = await run(loadChanged, { backend: gpu.backend, files, inputs, bundle: 'attention' }, 'attention');
    assert.equal(taken, 'wasm', String(fallbacks));
    assert.match(fallbacks[0], new RegExp(`because it computes wrong numbers: "${name}" gives `));
  });

  for (const backend of ['webgpu', 'webgl']) {
    test(`a sound model has none, on ${backend}`, async () => {
      const found = await run(async (backend) => {
        const model = await load(undefined, { backend });
        const found = [String(await model.verify()), String(await model.verify()), model.backend, model.fallbacks];
        model.dispose();
        return found;
      }, backend);
      assert.deepEqual(found, ['undefined', 'undefined', backend, []]);
    });
  }
});

/** What is chosen, why, and what it predicts. To be run in a page. */
async function choose({ backend, inputs }) {
  const x = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Float32Array.from(values)]));
  const model = await load(undefined, { backend });
  const outputs = Object.values(await model.predict(x)).map((values) => Array.from(values));
  const { backend: taken, fallbacks } = model;
  model.dispose();
  return { taken, fallbacks, outputs };
}

const close = (found, expected) =>
  found.forEach((values, i) => values.forEach((value, at) => assert.ok(Math.abs(value - expected[i][at]) < 1e-4, `${value} instead of ${expected[i][at]}`)));

describe('a GPU that is pulled', () => {
  const why = {
    webgpu: /^\w+ was taken instead of webgpu, because WebGPU has no adapter here\.$/,
    webgl: /^wasm was taken instead of webgl, because WebGL 2 has no context here\.$/,
  };
  for (const { title, pulled, taken, reasons } of [
    { title: 'with all', pulled: [], taken: 'webgpu', reasons: [] },
    { title: 'without WebGPU', pulled: ['webgpu'], taken: 'webgl', reasons: [why.webgpu] },
    { title: 'without WebGL 2 as well', pulled: ['webgpu', 'webgl'], taken: 'wasm', reasons: [why.webgpu, why.webgl] },
  ]) {
    test(title, async () => {
      const flags = pulled.map((name) => withoutGpu[name]);
      const browser = await launch(flags.flatMap(({ args }) => args), { gpu: true, without: flags.flatMap(({ without }) => without) });
      try {
        const page = await browser.newPage();
        await page.goto(`${server.url}/empty.html`);
        await page.evaluate(async () => void (window.load = (await import('/bundle/index.js')).load));
        const found = await page.evaluate(choose, { backend: ['webgpu', 'webgl', 'wasm'], inputs });
        assert.equal(found.taken, taken, String(found.fallbacks));
        assert.equal(found.fallbacks.length, reasons.length, String(found.fallbacks));
        reasons.forEach((reason, i) => assert.match(found.fallbacks[i], reason));
        close(found.outputs, sound.outputs);
        const automatic = await page.evaluate(choose, { backend: 'auto', inputs });
        assert.equal(automatic.taken, 'wasm');
        reasons.forEach((reason, i) => assert.match(automatic.fallbacks[i], reason));
        close(automatic.outputs, sound.outputs);
      } finally {
        await browser.close();
      }
    });
  }
});

/** Counts what is made and not given back, from here on. To be run in a page. */
function countMade() {
  window.made = {};
  const count = (name, by) => (window.made[name] = (window.made[name] ?? 0) + by);
  const watch = (prototype, methods, by = () => 1) => {
    for (const name of methods) {
      const method = prototype[name];
      prototype[name] = function (...args) {
        count(name.replace(/^delete|^fence|^create/, ''), by(name));
        return method.apply(this, args);
      };
    }
  };
  watch(WebAssembly.Memory.prototype, ['grow']);
  watch(GPUDevice.prototype, ['createBuffer', 'createTexture', 'createBindGroup', 'createQuerySet', 'createShaderModule', 'createComputePipeline', 'createComputePipelineAsync']);
  watch(WebGL2RenderingContext.prototype, ['createTexture', 'createFramebuffer', 'createProgram', 'createShader', 'createVertexArray', 'createQuery', 'texStorage2D', 'texStorage3D']);
  watch(WebGL2RenderingContext.prototype, ['createBuffer', 'deleteBuffer', 'fenceSync', 'deleteSync'], (name) => (name.startsWith('delete') ? -1 : 1));
}

describe('a thousand predictions leave nothing behind', () => {
  for (const backend of ['wasm', 'webgpu', 'webgl']) {
    test(`on ${backend}`, async () => {
      const page = await open('bundle');
      try {
        await page.evaluate(countMade);
        const predict = (times) => page.evaluate(async ({ backend, inputs, times }) => {
          window.input ??= Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Float32Array.from(values)]));
          window.model ??= await load(undefined, { backend, threads: 1 });
          for (let i = 0; i < times; i++) await window.model.predict(window.input);
          return { ...window.made };
        }, { backend, inputs, times });
        const atFirst = await predict(100);
        if (backend !== 'wasm') assert.ok(atFirst.Buffer > 0, 'nothing is counted');
        const before = await usedBytes(page);
        const made = await predict(1000);
        const growth = (await usedBytes(page)) - before;
        assert.deepEqual(made, atFirst);
        assert.ok(growth < 100_000, `${growth} bytes more`);
      } finally {
        await page.close();
      }
    });
  }
});
