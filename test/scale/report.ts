import { writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { formatBytes } from '../../workflows/domain/units.ts';
import type { PhaseLine } from './phases.ts';
import { snapshotWindowSeconds, type ScaleResult } from './run-scale.ts';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const percent = (ratio: number | null): string => (ratio === null ? '–' : `${Math.round(ratio * 100)} %`);

const rateOf = ({ bytes, entries, tookMs }: PhaseLine): string =>
  [bytes > 0 ? `${formatBytes(Math.round((bytes / tookMs) * 1000))}/s` : '', entries > 0 ? `${Math.round((entries / tookMs) * 1000)} entries/s` : ''].filter(Boolean).join(', ');

const killedAt = ({ killed }: PhaseLine): string => {
  if (!killed) return '';
  return `at ${killed.atPercent} %; ${killed.partsTwice} of ${killed.parts} ${killed.of} twice (${killed.allowed} may be in flight)`;
};

export const describeLine = (line: PhaseLine): string =>
  [line.phase, seconds(line.tookMs), rateOf(line), `${formatBytes(line.peakRssBytes)} of memory`, line.forecast?.median ? `forecast ${percent(line.forecast.median)}` : '', killedAt(line) && `killed ${killedAt(line)}`].filter(Boolean).join('  ');

/** What was measured, as a page: nothing of it is written by hand. */
export function writeReport(path: string, result: ScaleResult, broken: readonly string[], command: string): void {
  const head = ['phase', 'time', 'rate', 'most memory of a process', 'forecast after a tenth', 'median', 'farthest off', 'killed', 'load'];
  const rows = result.lines.map((line) => [
    line.phase, seconds(line.tookMs), rateOf(line), line.processes > 0 ? formatBytes(line.peakRssBytes) : '',
    line.forecast ? percent(line.forecast.atTenth) : '', line.forecast ? percent(line.forecast.median) : '', line.forecast ? percent(line.forecast.worst) : '', killedAt(line), line.load.toFixed(1),
  ]);
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 1024 ** 3)} GiB, load ${loadavg().map((load) => load.toFixed(1)).join(', ')} at the end`;
  const lines = [
    '# Scale of one source', '',
    `Written by \`${command}\`, ${new Date().toISOString().slice(0, 10)}; ${machine}; Node ${process.versions.node}.`, '',
    `${result.documents} documents, ${formatBytes(result.plainBytes)} (${formatBytes(result.storedBytes)} stored) in ${result.collections} collections; ${result.entries} entries of log.`,
    `Source, store, target and tools share the machine. Each job runs in a data plane process, as a worker runs it; Temporal itself does not run here.`,
    `The source keeps an instant readable for ${snapshotWindowSeconds} s (\`minSnapshotHistoryWindowInSeconds\`; 300 by default, and a base that takes longer than the source allows is replay-consistent, not proved equal).`, '',
    ...table, '',
    '- Memory: `VmHWM`, what the kernel kept as the most that any process of the data plane held.',
    '- Forecast: elapsed time and time left as they are told, each second once a tenth is done, divided by what it took in the end: 100 % is right. It is judged (within 20 %, after the first tenth and by the median) where the phase took a minute; the one that was farthest off is shown, and not judged.',
    '- Load: processes that wanted to run, on average over the minute before the phase ended; beside this run others use the machine.',
    '- Killed: all processes of the phase at once; what is put or got twice is counted at the store’s door.',
    `- Proof: ${result.proved.claim}.`, '',
    broken.length === 0 ? 'All bounds hold.' : `**Broken**: ${broken.join('; ')}.`, '',
  ];
  writeFileSync(path, lines.join('\n'));
}
