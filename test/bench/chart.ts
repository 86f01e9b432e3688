import type { BenchLine } from './line.ts';

const [left, right, row] = [300, 700, 58];

/** Two bars a comparison, ours above the peer's, each comparison to its own scale: the longer bar is its whole width. An SVG without a library. */
export function drawChart(lines: readonly BenchLine[]): string {
  const compared = lines.filter((line) => line.peerMs !== null);
  const height = 40 + compared.length * row;
  const rows = compared.map((line, index) => {
    const y = 34 + index * row;
    const most = Math.max(line.oursMs, line.peerMs!);
    const bar = (ms: number, name: string, at: number, colour: string): string => {
      const width = Math.max(2, (ms / most) * (right - left - 130));
      return `<rect x="${left}" y="${at}" width="${width.toFixed(1)}" height="18" rx="2" fill="${colour}"/>`
        + `<text x="${(left + width + 6).toFixed(1)}" y="${at + 13}" font-size="12">${escape(name)} ${formatMs(ms)}</text>`;
    };
    return `<text x="${left - 10}" y="${y + 15}" text-anchor="end" font-weight="600">${escape(line.bench)}  ${line.ratio!.toFixed(1)}×</text>`
      + `<text x="${left - 10}" y="${y + 33}" text-anchor="end" font-size="11" fill="#667">${escape(line.of)}</text>`
      + bar(line.oursMs, 'holdfast', y, '#1f7a5c') + bar(line.peerMs!, line.peer!, y + 21, '#b9c0c7');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 ${height}" font-family="system-ui, sans-serif" font-size="14" fill="#223">`
    + `<rect width="900" height="${height}" fill="#fff"/><text x="16" y="20" font-size="12" fill="#667">time, shorter is better; each pair to its own scale</text>\n`
    + `${rows.join('\n')}\n</svg>\n`;
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const formatMs = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);
