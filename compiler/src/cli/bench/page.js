// The end of the script for a page: the options are in its address, the result is sent to the server.

const options = new URLSearchParams(location.search);
const [threads, rounds] = ['threads', 'rounds'].map((name) => Number(options.get(name)));
const backend = options.get('backend');
const send = (result) => fetch('/', { method: 'POST', body: JSON.stringify(result) });
try {
  const { load } = await import('/index.js');
  await send(await measure(() => load(undefined, { backend, threads, profile: true }), await openLoop(3), rounds));
} catch (error) {
  await send({ error: String(error?.stack ?? error) });
}
