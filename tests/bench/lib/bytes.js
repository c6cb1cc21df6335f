// What a visitor loads before the weights.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const options = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };

/** Large ones take half a minute. */
const known = new Map();

function sizeOf(file) {
  const content = readFileSync(file);
  return { file: basename(file), raw: content.length, brotli: brotliCompressSync(content, options).length };
}

/** @param {string[]} files Paths. */
export function bytesOf(files) {
  const sizes = files.map((file) => {
    if (!known.has(file)) known.set(file, sizeOf(file));
    return known.get(file);
  });
  const sum = (key) => sizes.reduce((total, size) => total + size[key], 0);
  return { raw: sum('raw'), brotli: sum('brotli'), files: sizes };
}
