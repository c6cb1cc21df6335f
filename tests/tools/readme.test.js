// README's table names the versions that are installed here.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { version } from './support.js';

const packages = {
  Vite: 'vite', webpack: 'webpack', Parcel: 'parcel', esbuild: 'esbuild', Rollup: 'rollup', Next: 'next', SvelteKit: '@sveltejs/kit',
  Vitest: 'vitest', jsdom: 'jsdom', 'happy-dom': 'happy-dom', TypeScript: '../../node_modules/typescript', publint: 'publint',
  Deno: 'deno', Bun: 'bun',
};

test('the versions of the table', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, table] = /\| tool \| what was run \| \|\n([^]*?)\n\n/.exec(readme);
  for (const [name, folder] of Object.entries(packages)) {
    const [, said] = new RegExp(`\\b${name} (\\d+(\\.\\d+)?)`).exec(table) ?? assert.fail(`${name} is not in the table`);
    assert.ok(`${version(folder)}.`.startsWith(`${said}.`), `${name} is ${version(folder)}, README says ${said}`);
  }
});
