// The end of the script for Node: the folder of the bundle, and a folder with what it is to know and for its answer are its arguments.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, files] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(join(files, 'settings'), 'utf8'));
const { load } = await import(pathToFileURL(resolve(folder, 'index.js')).href);
writeFileSync(join(files, 'answer'), await answer(load, settings, new Uint8Array(readFileSync(join(files, 'samples')))));
process.exit();
