// Makes the packages that npm takes: `node compiler/npm/pack.js OUT [PLATFORM BINARY]…`. Without pairs, of the platform that this runs
// on, with the command from target/release. The version is that of Cargo.toml.

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = resolve(here, '../..');
const read = (file) => JSON.parse(readFileSync(join(here, file), 'utf8'));
const platforms = read('platforms.json');
const [, version] = /\[workspace\.package\]\s+version = "([^"]+)"/.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8')) ?? [];
if (!version) throw new Error('Cargo.toml has no version');

/** Whether a program of Linux needs a loader, and so the libc that it was built with. */
const needsLoader = (file) => readFileSync(file).subarray(0, 4096).includes('/ld-linux');

const [out, ...pairs] = process.argv.slice(2);
if (!out || pairs.length % 2) throw new Error('usage: node compiler/npm/pack.js OUT [PLATFORM BINARY]…');
if (pairs.length === 0) pairs.push(`${process.platform}-${process.arch}`, join(root, 'target/release', process.platform === 'win32' ? 'keras-compile.exe' : 'keras-compile'));
mkdirSync(out, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), 'keras-compile-npm-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** Packs a folder with this description. */
function pack(folder, description) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(description, undefined, 2)}\n`);
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--ignore-scripts', '--pack-destination', resolve(out), folder], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`npm pack: ${stderr}`);
  console.log(stdout.trim().split('\n').at(-1));
}

const main = join(scratch, 'main');
cpSync(here, main, { recursive: true, filter: (file) => !file.endsWith('pack.js') });
cpSync(join(root, 'README.md'), join(main, 'README.md'));
const optionalDependencies = Object.fromEntries(platforms.map(({ name }) => [`@keras-compile/${name}`, version]));
pack(main, { ...read('package.json'), version, optionalDependencies });

for (let i = 0; i < pairs.length; i += 2) {
  const [name, binary] = pairs.slice(i);
  const platform = platforms.find((each) => each.name === name);
  if (!platform) throw new Error(`there is no platform ${name}, only ${platforms.map((each) => each.name).join(', ')}`);
  const { os, cpu } = platform;
  const folder = join(scratch, name);
  const file = join(folder, 'bin', os === 'win32' ? 'keras-compile.exe' : 'keras-compile');
  cpSync(binary, file);
  chmodSync(file, 0o755);
  pack(folder, {
    name: `@keras-compile/${name}`,
    version,
    description: `The command keras-compile for ${name}`,
    license: 'MIT',
    os: [os],
    cpu: [cpu],
    // One that is linked statically runs beside any libc.
    ...(os === 'linux' && needsLoader(binary) ? { libc: ['glibc'] } : {}),
    files: ['bin'],
  });
}
