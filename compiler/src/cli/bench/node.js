// The end of the script for Node: the folder of the bundle and the options are its arguments.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, text] = process.argv.slice(1);
const { backend, threads, rounds } = JSON.parse(text);
const { load } = await import(pathToFileURL(resolve(folder, 'index.js')).href);
console.log(JSON.stringify(await measure(() => load(undefined, { backend, threads, profile: true }), await openLoop(3), rounds)));
process.exit();
