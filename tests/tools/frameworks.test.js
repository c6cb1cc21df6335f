// Sites with a model, built and served by frameworks: in the page and on the server.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { check, close, here, prelude, project, results, start, tool, version } from './support.js';

after(close);

const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

describe(`Next ${version('next')}, with Turbopack`, () => {
  const root = project('next', {
    'package.json': '{ "private": true }',
    'next.config.mjs': `export default {
  turbopack: { root: ${JSON.stringify(here)} },
  headers: async () => [{ source: '/(.*)', headers: ${JSON.stringify(Object.entries(headers).map(([key, value]) => ({ key, value })))} }],
};
`,
    'app/layout.js': "export default function Layout({ children }) {\n  return <html lang=\"en\"><head><link rel=\"icon\" href=\"data:,\" /></head><body>{children}</body></html>;\n}\n",
    'app/page.js': `'use client';
import { useEffect } from 'react';
${prelude('../model/index.js')}
export default function Page() {
  useEffect(() => {
    predict(2).then((found) => (window.results = found), (error) => (window.results = { error: String(error) }));
  }, []);
  return <p>A model</p>;
}
`,
    'app/server/route.js': `${prelude('../../model/index.js')}
export const dynamic = 'force-dynamic';
export const GET = async () => Response.json(await predict(1));
`,
  });
  test('builds and serves it', async () => {
    tool(root, 'next/dist/bin/next', ['build']);
    // Nothing may come from where it was built.
    renameSync(join(root, 'model'), join(root, 'moved'));
    const server = await start(root, process.execPath, [join(here, 'node_modules/next/dist/bin/next'), 'start', '--port', '0', '--hostname', '127.0.0.1']);
    try {
      check(await results(server.url));
      check(await (await fetch(`${server.url}/server`)).json(), 1);
    } finally {
      server.stop();
    }
  });
});

describe(`SvelteKit ${version('@sveltejs/kit')}`, () => {
  const root = project('sveltekit', {
    'package.json': '{ "private": true, "type": "module", "dependencies": { "digits": "file:./node_modules/digits" } }',
    'vite.config.js': "import { sveltekit } from '@sveltejs/kit/vite';\nexport default { plugins: [sveltekit()], logLevel: 'error' };\n",
    'svelte.config.js': "import adapter from '@sveltejs/adapter-node';\nexport default { kit: { adapter: adapter() } };\n",
    'src/app.html': '<!doctype html>\n<html lang="en"><head><link rel="icon" href="data:,">%sveltekit.head%</head><body>%sveltekit.body%</body></html>\n',
    // Hooks give headers to pages only, and worker.js needs them as well.
    'server.js': `import { createServer } from 'node:http';
import { handler } from './build/handler.js';
const server = createServer((request, response) => {
  for (const [name, value] of Object.entries(${JSON.stringify(headers)})) response.setHeader(name, value);
  handler(request, response);
});
server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port));
`,
    // Packages are not built into the server. Its `load` is SvelteKit's.
    'src/routes/+page.server.js': `${prelude('digits')}
const found = { one: await predict(1), two: await predict(2) };
const page = () => found;
export { page as load };
`.replace('import { load }', 'import { load as open }').replace('await load(', 'await open('),
    'src/routes/+page.svelte': `<script>
import { onMount } from 'svelte';
${prelude('digits')}
let { data } = $props();
onMount(() => {
  predict(2).then((found) => (window.results = { found, server: data }), (error) => (window.results = { error: String(error) }));
});
</script>
<p>A model</p>
`,
  }, 'node_modules/digits');
  test('builds and serves it', async () => {
    tool(root, 'vite/bin/vite.js', ['build']);
    const server = await start(root, process.execPath, ['server.js']);
    try {
      const { found, server: { one, two } } = await results(server.url);
      check(found);
      check(one, 1);
      check(two, 2);
    } finally {
      server.stop();
    }
  });
});
