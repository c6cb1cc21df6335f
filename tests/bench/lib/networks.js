// The networks over which visits are timed, as Chromium's developer tools emulate them.

/** @typedef {{ title: string, ms: number, mbits: number }} Network The time until an answer begins, and how fast it comes; 0 for no limit. */

/** @type {Record<string, Network>} */
export const networks = {
  loopback: { title: 'loopback', ms: 0, mbits: 0 },
  fast: { title: '50 Mbit/s, 40 ms', ms: 40, mbits: 50 },
  slow: { title: '10 Mbit/s, 100 ms', ms: 100, mbits: 10 },
};

/** Has a page come over a network. @param {Network} network */
export async function emulate(page, { ms, mbits }) {
  if (!ms && !mbits) return;
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const bytes = (mbits * 1e6) / 8;
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: ms, downloadThroughput: bytes, uploadThroughput: bytes });
}
