// Every golden on every backend, in a page and in a worker. ENGINES names browsers, BACKENDS backends, PLACES page or worker,
// with commas between them; GOLDEN names goldens whose id contains it. It takes too long for tests/run.

import { engines, files, pack, testMatrix } from '../web/support/matrix.js';

const list = (name) => process.env[name]?.split(',');

const every = { layers: pack('all', files('layers')), networks: pack('all', files('networks')) };
const packed = Object.fromEntries(Object.entries(every).filter(([, { cases }]) => cases));
if (!Object.keys(packed).length) throw new Error(`no golden contains ${process.env.GOLDEN}`);
for (const engine of list('ENGINES') ?? Object.keys(engines)) testMatrix(engine, packed, { backends: list('BACKENDS'), places: list('PLACES') });
