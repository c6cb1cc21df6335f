// A further thread for the peak: the first message says how long to work, each further one to begin.

import { openLoop } from '/wasm/peak.js';

addEventListener('message', async ({ data: ms }) => {
  const work = await openLoop(ms);
  addEventListener('message', () => postMessage(work()));
  postMessage('ready');
}, { once: true });
