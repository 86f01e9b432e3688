import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { locateTool, type ToolName } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { drawChart } from './chart.ts';
import { writeSection } from './figures.ts';
import { targetOf, type BenchLine } from './line.ts';

const folder = join(import.meta.dirname, '../../docs');
const [begin, end] = ['<!-- figures: written by the bench -->', '<!-- end of figures -->'];

/** Writes docs/benchmarks.svg, and the figures of docs/benchmarks.md between their marks; what people wrote around them stays. */
export async function writeReport(lines: readonly BenchLine[], command: string): Promise<void> {
  writeFileSync(join(folder, 'benchmarks.svg'), drawChart(lines));
  const path = join(folder, 'benchmarks.md');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : `# Benchmarks\n\n${begin}\n${end}\n`;
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${path} has lost its marks ${begin} and ${end}`);
  const said = await figures(lines, command, ['mongod', 'mongodump', 'mongorestore']);
  writeFileSync(path, `${before}${begin}\n\n${[said.made, '', '![times of ours and of the peers](benchmarks.svg)', '', ...said.body, ''].join('\n')}\n${end}${after}`);
}

/** The same for a bench with a section of its own, without a chart. */
export async function writeLines(bench: string, title: string, lines: readonly BenchLine[], command: string, programs: readonly ToolName[]): Promise<void> {
  const { made, body } = await figures(lines, command, programs);
  writeSection(bench, title, [made, '', ...body].join('\n').trimEnd());
}

async function figures(lines: readonly BenchLine[], command: string, programs: readonly ToolName[]): Promise<{ made: string; body: string[] }> {
  const head = ['what', 'bytes', 'entries', 'ours', 'peer', 'its time', 'ratio', 'target', 'memory, ours and peer'];
  const rows = lines.map((line) => [
    `${line.bench} ${line.of}`, mib(line.bytes), String(line.entries), `${ms(line.oursMs)} (${spread(line.oursSpreadMs)})`, line.peer ?? 'none',
    line.peerMs === null ? '' : `${ms(line.peerMs)} (${spread(line.peerSpreadMs!)})`, line.ratio === null ? '' : `${line.ratio.toFixed(2)}×`,
    targetOf(line), [line.oursPeakRssBytes, line.peerPeakRssBytes].flatMap((bytes) => (bytes === null ? [] : mib(bytes))).join(', '),
  ]);
  const notes = [...new Set(lines.flatMap(({ bench, of, note }) => (note ? [`- ${bench}, ${of}: ${note}`] : [])))];
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  return { made: `${new Date().toISOString().slice(0, 10)}, \`${command}\`; ${machine()}; ${(await versions(programs)).join(', ')}.`, body: [...table, '', ...notes] };
}

const machine = (): string => `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 1024 ** 3)} GiB, ${process.platform}`;

async function versions(named: readonly ToolName[]): Promise<string[]> {
  const said = await Promise.all(named.map(async (name) => {
    const tool = locateTool(name);
    if (!tool) return [];
    const { stdout } = await runTool({ path: tool.path }, [name === 'pgbackrest' ? 'version' : '--version']);
    return [`${name} ${/\d+\.\d+(\.\d+)?/.exec(stdout.split('\n')[0]!)?.[0] ?? 'of a build that does not say its version'}`];
  }));
  return [`Node ${process.versions.node}`, ...said.flat()];
}

const mib = (bytes: number): string => (bytes === 0 ? '' : `${Math.round(bytes / 1024 / 1024)} MiB`);
const ms = (value: number): string => (value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(2)} s`);
const spread = ([least, most]: readonly [number, number]): string => `${ms(least)} to ${ms(most)}`;
