import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';

/** One measured figure of ours that has no peer beside it: a line of `--json`. */
export interface Figure {
  bench: string;
  /** what was measured */
  of: string;
  value: number;
  /** left out: a number of something that `of` names */
  unit?: 'ms' | 'MiB' | '%' | 'KiB' | undefined;
  note?: string | undefined;
}

/** What a bench of ours alone is given. */
export interface AloneOptions {
  quick: boolean;
  say(line: string): void;
  /** All that is known by now: a bench that is broken off leaves this. */
  partly(figures: readonly Figure[]): void;
}

/** 1.5 ms, 12 s: three digits say enough. */
const shown = ({ value, unit }: Figure): string => {
  const seconds = unit === 'ms' && value >= 10_000;
  const number = seconds ? value / 1000 : value;
  return `${number >= 100 ? Math.round(number) : Number(number.toPrecision(3))}${seconds ? ' s' : unit ? ` ${unit}` : ''}`;
};

export const describeFigure = (figure: Figure): string => `${figure.bench}  ${figure.of}  ${shown(figure)}${figure.note ? `   ${figure.note}` : ''}`;

export function writeFigures(bench: string, title: string, figures: readonly Figure[], command: string): void {
  const rows = figures.map((figure) => `| ${[figure.of, shown(figure), figure.note ?? ''].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  const made = `${new Date().toISOString().slice(0, 10)}, \`${command}\`; ${availableParallelism()} processors, load ${loadavg()[0]!.toFixed(1)} at the end.`;
  writeSection(bench, title, [made, '', '| what | measured | |', '| --- | --- | --- |', ...rows].join('\n'));
}

/** Replaces the section of one bench in docs/benchmarks.md between its own marks; without such a section it goes to the end. */
export function writeSection(bench: string, title: string, body: string): void {
  const path = join(import.meta.dirname, '../../docs/benchmarks.md');
  const [begin, end] = [`<!-- ${bench}: written by the bench -->`, `<!-- end of ${bench} -->`];
  const section = [begin, '', body, '', end].join('\n');
  const text = readFileSync(path, 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  writeFileSync(path, after === undefined ? `${text.trimEnd()}\n\n## ${title}\n\n${section}\n` : `${before}${section}${after}`);
}
