// A plugin for Vite: `import { load } from './model.h5?shape=1,224,224,3'` compiles the model and imports the bundle.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { CompileError, binary, compile } from './index.js';

/** What a query may say, and how it becomes an option of `compile`. */
const PARAMETERS = {
  shape: (values) => (values.some((value) => value.includes(':'))
    ? { inputShape: Object.fromEntries(values.map((value) => [value.slice(0, value.lastIndexOf(':')), value.slice(value.lastIndexOf(':') + 1)])) }
    : { inputShape: values.join(',') }),
  backends: ([value]) => ({ backends: value }),
  quantize: ([value]) => ({ quantize: value }),
  compute: ([value]) => ({ compute: value }),
  image: (values) => ({ image: values }),
  labels: ([value]) => ({ labels: value }),
  outputs: ([value]) => ({ outputs: value }),
  inputs: ([value]) => ({ inputs: value }),
  exact: () => ({ exact: true }),
  threads: ([value]) => ({ threads: value !== 'off' }),
};
/** What Vite itself means by a query, or adds to one. */
const RAW = ['raw', 'url', 'inline', 'no-inline', 'worker', 'sharedworker'];
const ADDED = ['import', 't', 'v'];

/** The file and the query of an import that is a model's; nothing for all others. */
function parse(id) {
  const [, file, query = ''] = /^([^?\0]+\.(?:h5|keras))(?:\?(.*))?$/.exec(id) ?? [];
  if (!file) return undefined;
  const all = new URLSearchParams(query);
  return RAW.some((name) => all.has(name)) ? undefined : { file, query: all };
}

/** The options that a query stands for. */
function options(query) {
  const found = {};
  for (const name of new Set(query.keys())) {
    if (ADDED.includes(name)) continue;
    if (!Object.hasOwn(PARAMETERS, name)) {
      throw new Error(`there is no parameter ${JSON.stringify(name)}, only ${Object.keys(PARAMETERS).join(', ')}`);
    }
    Object.assign(found, PARAMETERS[name](query.getAll(name)));
  }
  return found;
}

/** SHA-256 of files, one after the other. */
async function hashed(files, more) {
  const hash = createHash('sha256').update(more);
  for (const file of files) await pipeline(createReadStream(file), async (chunks) => {
    for await (const chunk of chunks) hash.update(chunk);
  });
  return hash.digest('hex').slice(0, 16);
}

/** The plugin; `defaults` are options of `compile` for all models. */
export default function kerasCompile(defaults = {}) {
  const running = new Map();
  let [root, say] = [process.cwd(), (text) => console.log(text)];

  /** The folder of the compiled model, by all that it depends on: the model, the options and the command. */
  async function bundle(file, chosen) {
    const all = { ...defaults, ...chosen };
    // Behind the name of an output, where there is one.
    const labels = all.labels instanceof URL ? all.labels : all.labels?.replace(/^[^=]*=/, '');
    const others = [all.custom, all.samples, labels === 'imagenet' ? undefined : labels].flat().filter(Boolean).map((other) => (other instanceof URL ? fileURLToPath(other) : resolve(root, other)));
    const name = `${basename(file).replace(/\W+/g, '-')}-${await hashed([file, binary(), ...others], JSON.stringify(all))}`;
    const out = join(root, 'node_modules/.cache/keras-compile', name);
    if (existsSync(out)) return out;
    if (!running.has(out)) {
      const shown = relative(root, file);
      say(`keras-compile ${shown}`);
      const done = compile({ ...all, model: shown, out, cwd: root }).then(
        ({ report, files }) => say(`keras-compile ${shown}: ${report.bytes} bytes in ${files.length} files`),
        // Another process may have been quicker.
        (error) => { if (!existsSync(out)) throw error; },
      );
      running.set(out, done.finally(() => running.delete(out)));
    }
    await running.get(out);
    return out;
  }

  return {
    name: 'keras-compile',
    enforce: 'pre',
    configResolved(config) {
      root = config.root;
      say = (text) => config.logger.info(text, { timestamp: true });
    },
    resolveId(source, importer) {
      const found = /^\.\.?\//.test(source) && importer ? parse(source) : undefined;
      if (!found) return undefined;
      return resolve(dirname(importer.replace(/\?.*/, '')), found.file) + source.slice(found.file.length);
    },
    async load(id) {
      const found = parse(id);
      if (!found) return undefined;
      this.addWatchFile(found.file);
      try {
        const folder = await bundle(found.file, options(found.query));
        return `export * from ${JSON.stringify(join(folder, 'index.js').replaceAll('\\', '/'))};\n`;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const message = error instanceof CompileError ? error.message : `${relative(root, found.file)}: ${error.message}`;
        return this.error(Object.assign(new Error(message, { cause: error }), { id }));
      }
    },
  };
}
