// Every golden on every backend, in a page and in a worker. ENGINES names browsers, BACKENDS backends, PLACES page or worker, KINDS
// layers or networks, with commas between them; GOLDEN names goldens whose id contains it, MACHINE=hardware the shaders for GPUs. It takes too long for tests/run.

import { engines, files, pack, testMatrix } from '../web/support/matrix.js';

const list = (name) => process.env[name]?.split(',');

const every = (list('KINDS') ?? ['layers', 'networks']).map((kind) => [kind, pack('all', files(kind))]);
const packed = Object.fromEntries(every.filter(([, { cases }]) => cases));
if (!Object.keys(packed).length) throw new Error(`no golden contains ${process.env.GOLDEN}`);
for (const engine of list('ENGINES') ?? Object.keys(engines)) testMatrix(engine, packed, { backends: list('BACKENDS'), places: list('PLACES') });
