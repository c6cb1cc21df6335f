// How a bundle is found, read and checked. In Node; page.test.js does it in Chromium.

import assert from 'node:assert/strict';
import { cpSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, afterEach, before, describe, test } from 'node:test';
import { affine, temporary } from './support/fixture.js';
import { faults, serve } from './support/server.js';

const x = Float32Array.of(1, 2, 3, 4);
const y = [12, 24, 36, 48];
const check = async (model) => assert.deepEqual(Array.from((await model.predict({ x })).y), y);

const folder = affine({ weightBytes: 100_000, shardBytes: 40_000 });
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
const { load, BundleError } = await import(join(folder, 'index.js'));

describe('where', () => {
  let server;
  before(async () => (server = await serve({ '/bundle/': folder, '/inner/': join(folder, '..') })));
  after(() => server.close());

  test('nothing: the folder of index.js, without its manifest', async () => {
    const copy = join(temporary(), 'copy');
    cpSync(folder, copy, { recursive: true });
    rmSync(join(copy, 'manifest.json'));
    await check(await (await import(join(copy, 'index.js'))).load());
  });
  test('an absolute path', async () => check(await load(folder)));
  test('an absolute path that ends in a slash', async () => check(await load(folder + '/')));
  test('a relative path', async () => {
    const cwd = process.cwd();
    try {
      process.chdir(join(folder, '..'));
      await check(await load('./' + folder.split('/').at(-1)));
    } finally {
      process.chdir(cwd);
    }
  });
  test('a path with characters that mean something in a URL', async () => {
    const odd = join(temporary(), 'a b%20c#d?e é');
    cpSync(folder, odd, { recursive: true });
    await check(await load(odd));
    await check(await load(pathToFileURL(odd)));
    await check(await (await import(pathToFileURL(join(odd, 'index.js')).href)).load());
  });
  test('a file: URL, as text and as URL', async () => {
    await check(await load(pathToFileURL(folder).href));
    await check(await load(pathToFileURL(folder)));
  });
  test('an http: URL, with and without the last slash, as text and as URL', async () => {
    await check(await load(`${server.url}/bundle`));
    await check(await load(`${server.url}/bundle/`));
    await check(await load(new URL(`${server.url}/bundle`)));
  });
  test('a path where nothing is', async () => {
    await assert.rejects(load('/nowhere'), {
      name: 'BundleError',
      url: 'file:///nowhere/manifest.json',
      message:
        "file:///nowhere/manifest.json: cannot be read (ENOENT: no such file or directory, open '/nowhere/manifest.json'); " +
        'see whether the path is right; pages need HTTP',
    });
  });
});

describe('files that a bundler made part of index.js', () => {
  const mime = { wasm: 'application/wasm', bin: 'application/octet-stream', json: 'application/json' };
  /** Such a bundle, each file as `encode` has it. */
  const inlined = async (encode, harm = (bytes) => bytes) => {
    const copy = temporary('inlined');
    let script = readFileSync(join(folder, 'index.js'), 'utf8');
    for (const name of [manifest.backends.wasm.profile, ...Object.values(manifest.backends.wasm.code), ...manifest.weights.shards]) {
      const address = `data:${mime[name.split('.').at(-1)]}${encode(harm(readFileSync(join(folder, name)), name))}`;
      assert.ok(script.includes(`new URL('./${name}',`));
      script = script.replace(`new URL('./${name}',`, () => `new URL('${address}',`);
    }
    writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(copy, 'index.js'), script);
    return (await import(join(copy, 'index.js'))).load(undefined, { fetch: () => assert.fail('was fetched'), profile: true });
  };
  const base64 = (bytes) => `;base64,${bytes.toString('base64')}`;
  const percent = (bytes) => `,${Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`;

  test('in base 64', async () => check(await inlined(base64)));
  test('with percent signs', async () => check(await inlined(percent)));
  for (const [what, harm, message] of [
    ['changed', (bytes) => bytes.fill(0), 'is damaged (its SHA-256 is not the one in the manifest); upload the whole bundle anew'],
    ['cut', (bytes) => bytes.subarray(1), 'ends after 39999 of 40000 bytes; upload the whole bundle anew'],
    ['too long', (bytes) => Buffer.concat([bytes, bytes]), 'is longer than the 40000 bytes in the manifest; upload the whole bundle anew'],
  ]) {
    test(`${what}, which is said in a line`, async () => {
      const [first] = manifest.weights.shards;
      await assert.rejects(inlined(base64, (bytes, name) => (name === first ? harm(bytes) : bytes)), (error) => {
        assert.match(error.url, /^data:application\/octet-stream;base64,[\w+/]{27}…$/);
        assert.equal(error.message, `${error.url}: ${message}`);
        return error.name === 'BundleError';
      });
    });
  }
});

test('a script that does not know its address says what to do', async () => {
  const copy = temporary('addressless');
  const script = readFileSync(join(folder, 'index.js'), 'utf8').replaceAll('import.meta.url', 'undefined');
  writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(copy, 'index.js'), script);
  const { load } = await import(join(copy, 'index.js'));
  await assert.rejects(load(), {
    name: 'TypeError',
    message: "load: this script does not know its own address, since it was not built as an ES module; pass the address of the model's folder",
  });
  await check(await load(folder));
});

describe('options', () => {
  let server;
  before(async () => (server = await serve({ '/bundle/': folder })));
  afterEach(() => server.heal());
  after(() => server.close());

  for (const [how, where] of [['path', () => folder], ['http', () => `${server.url}/bundle`]]) {
    test(`progress by ${how} goes from nothing to all, in bytes of the manifest`, async () => {
      const seen = [];
      const model = await load(where(), { onProgress: (progress) => seen.push(progress) });
      const names = [manifest.backends.wasm.code[model.module], ...manifest.weights.shards];
      const total = names.reduce((sum, name) => sum + manifest.files[name].bytes, 0);
      assert.deepEqual(seen[0], { loaded: 0, total });
      assert.deepEqual(seen.at(-1), { loaded: total, total });
      assert.ok(seen.every(({ loaded }, i) => i === 0 || loaded > seen[i - 1].loaded));
      assert.ok(seen.every((progress) => progress.total === total));
    });
  }
  test('an error in onProgress ends the load', async () => {
    const error = new Error('mine');
    await assert.rejects(load(folder, { onProgress: () => { throw error; } }), (thrown) => thrown === error);
  });
  test('there is no progress after an error', async () => {
    let loaded = 0;
    let late;
    const chunks = new ReadableStream({ type: 'bytes', start: (controller) => (late = controller) });
    const own = (url, init) => (url.endsWith('.wasm') ? new Response(chunks) : fetch(url, init));
    server.fault(/\.bin$/, faults.missing);
    await assert.rejects(load(`${server.url}/bundle`, { fetch: own, onProgress: (progress) => ({ loaded } = progress) }), /404/);
    late.enqueue(new Uint8Array(10));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(loaded, 0);
  });
  test('an own fetch gets every address', async () => {
    const seen = [];
    const own = (url, init) => {
      seen.push(url);
      return fetch(url, { ...init, headers: { authorization: 'Bearer token' } });
    };
    server.log.length = 0;
    const model = await load(`${server.url}/bundle`, { fetch: own });
    await check(model);
    const names = ['manifest.json', manifest.backends.wasm.code[model.module], ...manifest.weights.shards];
    assert.deepEqual(seen.sort(), names.map((name) => `${server.url}/bundle/${name}`).sort());
    assert.ok(server.log.every(({ headers }) => headers.authorization === 'Bearer token'));
  });
  test('an unknown backend is refused with the ones present', async () => {
    await assert.rejects(load(folder, { backend: 'webnn' }), {
      name: 'TypeError',
      message: 'load: there is no backend "webnn" in this bundle; it holds wasm',
    });
    assert.equal((await load(folder, { backend: 'wasm' })).backend, 'wasm');
  });
  test('more threads are refused once', async (context) => {
    const warn = context.mock.method(console, 'warn', () => {});
    await check(await load(folder, { threads: 4 }));
    await check(await load(folder, { threads: 4 }));
    assert.equal(warn.mock.callCount(), 1);
    assert.match(warn.mock.calls[0].arguments[0], /^keras-compile: .*There is one thread only, because the model was compiled with --threads off\.$/);
  });
  test('a signal that is already aborted', async () => {
    server.log.length = 0;
    await assert.rejects(load(`${server.url}/bundle`, { signal: AbortSignal.abort() }), { name: 'AbortError' });
    assert.equal(server.log.length, 0);
  });
  test('a signal stops every download', async () => {
    server.fault(/\.bin$/, faults.stalled);
    server.log.length = 0;
    const controller = new AbortController();
    const loading = load(`${server.url}/bundle`, {
      signal: controller.signal,
      onProgress: ({ loaded }) => loaded > 2000 && controller.abort(),
    });
    await assert.rejects(loading, { name: 'AbortError' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const shards = server.log.filter(({ path }) => path.endsWith('.bin'));
    assert.equal(shards.length, 3);
    assert.ok(shards.every(({ hungUp }) => hungUp));
  });
  test('a signal stops reading from the disk, with the reason given', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const loading = load(folder, { signal: controller.signal, onProgress: () => controller.abort(reason) });
    await assert.rejects(loading, (error) => error === reason);
  });
  test('a signal leaves no listener behind', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    for (const [name, by] of [['addEventListener', 1], ['removeEventListener', -1]]) {
      const original = signal[name];
      signal[name] = (...rest) => {
        listeners += by;
        return original.apply(signal, rest);
      };
    }
    await check(await load(folder, { signal }));
    assert.equal(listeners, 0);
  });
});

describe('files that are not what they should be, over HTTP', () => {
  let server;
  before(async () => (server = await serve({ '/bundle/': folder })));
  afterEach(() => server.heal());
  after(() => server.close());

  const again = 'upload the whole bundle anew';
  const html = 'the server answered with an HTML page; see whether the address is right and the whole bundle was uploaded';
  const gone = 'the server answered 404 Not Found; see whether the address is right and the whole bundle was uploaded';
  const damaged = `is damaged (its SHA-256 is not the one in the manifest); ${again}`;
  const [shard] = manifest.weights.shards;
  const wasm = (kind) => manifest.backends.wasm.code[kind];
  const patch = (change) => {
    const copy = structuredClone(manifest);
    change(copy);
    return faults.text(JSON.stringify(copy));
  };

  const cases = [
    ['a manifest that is absent', /manifest/, faults.missing, 'manifest.json', gone],
    ['a page in place of the manifest', /manifest/, faults.page, 'manifest.json', html],
    ['a manifest that is cut', /manifest/, faults.truncated, 'manifest.json', 'is not JSON; see whether the address is right'],
    ['a manifest of another version', /manifest/, patch((m) => (m.format = 3)), 'manifest.json',
      'has format 3, this index.js reads format 2; take both from the same run of keras-compile'],
    ['another JSON file', /manifest/, faults.text('[]'), 'manifest.json',
      'has format undefined, this index.js reads format 2; take both from the same run of keras-compile'],
    ['a manifest that lacks a part', /manifest/, patch((m) => delete m.weights), 'manifest.json',
      'has no "weights"; compile the model anew'],
    ['a manifest that lacks a file', /manifest/, patch((m) => delete m.files[shard]), 'manifest.json',
      `does not list ${shard}; compile the model anew`],
    ['a manifest without a backend', /manifest/, patch((m) => (m.backends = {})), 'manifest.json',
      'holds nothing for the backend "wasm"; compile the model anew'],
    ['a manifest whose tensors lie outside the memory', /manifest/, patch((m) => (m.backends.wasm.inputs[0].offset = 1e9)), 'manifest.json',
      /^contradicts itself \(.*\); compile the model anew$/],
    ['a manifest with an address too few', /manifest/, patch((m) => (m.backends.wasm.outputs = [])), 'manifest.json',
      'contradicts itself (1 tensors have 0 addresses); compile the model anew'],
    ['more memory than there is', /manifest/, patch((m) => (m.backends.wasm.memory = 65537 * 65536)), 'manifest.json',
      'the model needs 4097 MiB of memory, which are not to be had here'],
    ...[
      ['files', (m) => (m.files = null)],
      ['files', (m) => (m.files = [])],
      ['files', (m) => (m.files[shard] = null)],
      ['files', (m) => (m.files[shard].bytes = -1)],
      ['files', (m) => (m.files['../up.bin'] = { bytes: 1, sha256: '' })],
      ['backends.wasm', (m) => (m.backends.wasm.memory = null)],
      ['backends.wasm', (m) => (m.backends.wasm.memory = -65536)],
      ['backends.wasm', (m) => (m.backends.wasm.memory = 0)],
      ['backends.wasm', (m) => (m.backends.wasm.memory = 65537)],
      ['backends.wasm', (m) => (m.backends.wasm.memory = 1e300)],
      ['backends.wasm', (m) => (m.backends.wasm.memory = '65536')],
      ['inputs', (m) => (m.inputs = {})],
      ['inputs', (m) => (m.inputs[0].shape = [1, -4])],
      ['outputs', (m) => (m.outputs = [null])],
      ['backends', (m) => (m.backends = null)],
      ['backends.wasm', (m) => (m.backends.wasm = 'model.wasm')],
      ['backends.wasm', (m) => (m.backends.wasm.code = null)],
      ['backends.wasm', (m) => (m.backends.wasm.code.relaxed = '../model.wasm')],
      ['backends.wasm', (m) => (m.backends.wasm.prepare = null)],
      ['backends.wasm', (m) => (m.backends.wasm.steps = '2')],
      ['backends.wasm', (m) => (m.backends.wasm.profile = 'https://host.example/steps.json')],
      ['backends.wasm', (m) => (m.backends.wasm.profile = '..')],
      ['backends.wasm', (m) => (m.backends.wasm.inputs[0].offset = -4)],
      ['backends.wasm', (m) => (m.backends.wasm.weights.offset = -4)],
      ['backends.wasm', (m) => (m.backends.wasm.threads = { scratch: 0, command: 1 << 20, useful: 2 })],
      ['weights', (m) => (m.weights.shards = null)],
    ].map(([key, change]) => [`a manifest with ${change.toString().slice(8, -1)}`, /manifest/, patch(change), 'manifest.json',
      `has a "${key}" that makes no sense; compile the model anew`]),
    ['a manifest with a file that no memory holds', /manifest/, patch((m) => (m.files[m.backends.wasm.code.relaxed].bytes = m.files[m.backends.wasm.code.baseline].bytes = 2 ** 52)),
      'manifest.json', /^lists model-\w+\.\w+\.wasm with 4503599627370496 bytes, which is more than there is room for$/],
    ['a manifest with more memory than can be counted', /manifest/, patch((m) => (m.backends.wasm.memory = 2 ** 52)), 'manifest.json',
      'the model needs 4294967296 MiB of memory, which are not to be had here'],
    ['a shard that is absent', /weights-0/, faults.missing, shard, gone],
    ['a page in place of a shard', /weights-0/, faults.page, shard, html],
    ['a shard that is cut', /weights-0/, faults.truncated, shard, `ends after 39995 of 40000 bytes; ${again}`],
    ['a shard that is too long', /weights-0/, faults.longer, shard, `is longer than the 40000 bytes in the manifest; ${again}`],
    ['a shard with a flipped bit', /weights-0/, faults.flipped, shard, damaged],
    ['a transfer that breaks off', /weights-0/, faults.cut, shard, /^the transfer broke off after 1000 bytes \(.*\); load again$/],
    ['a module that is absent', /\.wasm/, faults.missing, wasm, gone],
    ['a module with a flipped bit', /\.wasm/, faults.flipped, wasm, damaged],
    ['a module that is cut', /\.wasm/, faults.truncated, wasm, /^ends after \d+ of \d+ bytes; upload the whole bundle anew$/],
  ];
  for (const [what, pattern, act, file, message] of cases) {
    test(what, async () => {
      server.fault(pattern, act);
      const { module } = await load(folder);
      const url = `${server.url}/bundle/${typeof file === 'string' ? file : file(module)}`;
      await assert.rejects(load(`${server.url}/bundle`), (error) => {
        assert.ok(error instanceof BundleError);
        assert.equal(error.url, url);
        assert.ok(error.message.startsWith(`${url}: `));
        const text = error.message.slice(url.length + 2);
        if (typeof message === 'string') assert.equal(text, message);
        else assert.match(text, message);
        return true;
      });
    });
  }
  test('nobody answers', async () => {
    await assert.rejects(load('http://127.0.0.1:9/'), {
      name: 'BundleError',
      message:
        'http://127.0.0.1:9/manifest.json: cannot be fetched (fetch failed); see whether the address is right, ' +
        'the network is up and another origin allows this one (CORS)',
    });
  });
  test('a failure stops the other downloads', async () => {
    server.fault(/weights-0/, faults.missing);
    server.fault(/\.bin$/, faults.stalled);
    server.log.length = 0;
    await assert.rejects(load(`${server.url}/bundle`), { name: 'BundleError' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stalled = server.log.filter(({ path }) => /weights-[12]/.test(path));
    assert.equal(stalled.length, 2);
    assert.ok(stalled.every(({ hungUp }) => hungUp));
  });
  test('a module of the wrong MIME type is compiled from its bytes', async () => {
    server.fault(/\.wasm/, faults.type('text/plain'));
    await check(await load(`${server.url}/bundle`));
  });
  test('a shard that the server compressed is counted as it is', async () => {
    const { gzipSync } = await import('node:zlib');
    server.fault(/\.bin/, (file, response, { headers }) =>
      response.writeHead(200, { ...headers, 'content-encoding': 'gzip' }).end(gzipSync(file)));
    await check(await load(`${server.url}/bundle`));
  });
});

describe('files that are not what they should be, on the disk', () => {
  const [shard] = manifest.weights.shards;
  const broken = (harm) => {
    const copy = join(temporary(), 'copy');
    cpSync(folder, copy, { recursive: true });
    harm(join(copy, shard));
    return copy;
  };
  const cases = [
    ['absent', (file) => renameSync(file, file + '.away'), /: cannot be read \(ENOENT: .*\); see whether the path is right; pages need HTTP$/],
    ['cut', (file) => truncateSync(file, 39_000), /: ends after 39000 of 40000 bytes; upload the whole bundle anew$/],
    ['too long', (file) => writeFileSync(file, Buffer.alloc(statSync(file).size + 1)), /: is longer than the 40000 bytes in the manifest; /],
    ['changed', (file) => writeFileSync(file, Buffer.alloc(statSync(file).size)), /: is damaged \(its SHA-256 is not the one in the manifest\); /],
  ];
  for (const [what, harm, message] of cases) {
    test(what, () => assert.rejects(load(broken(harm)), { name: 'BundleError', message }));
  }
});
