// Ours against the best of the others.

const figures = {
  ms: ({ ms }) => ms?.median,
  least: ({ ms }) => ms?.least,
  coldMs: ({ coldMs }) => coldMs?.median,
  memoryMb: ({ memoryMb }) => memoryMb?.median,
  brotli: ({ bytes }) => bytes?.brotli,
};

/**
 * By number of threads and figure: ours, the least of the others, whose it is, and ours / theirs.
 * @param {{ engine: string, asked: number }[]} results Of one model.
 */
export function ratios(results) {
  const all = {};
  for (const threads of new Set(results.map(({ asked }) => asked))) {
    const column = results.filter(({ asked, error }) => asked === threads && error <= 1);
    const ours = column.find(({ engine }) => engine === 'ours');
    if (!ours) continue;
    all[threads] = {};
    for (const [figure, of] of Object.entries(figures)) {
      const peers = column.filter((each) => each !== ours && Number.isFinite(of(each))).sort((a, b) => of(a) - of(b));
      if (!peers.length || !Number.isFinite(of(ours))) continue;
      all[threads][figure] = { ours: of(ours), best: of(peers[0]), engine: peers[0].engine, ratio: of(ours) / of(peers[0]) };
    }
  }
  return all;
}
