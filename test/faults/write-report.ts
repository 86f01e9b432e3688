import { writeFile } from 'node:fs/promises';
import { cells, faultIds, faults, nameOf, phaseIds, phases, whyNot } from './matrix.ts';
import type { CellResult } from './run-cell.ts';

/** One line, without what differs from machine to machine. */
const cellText = (text: string): string =>
  text.replace(/\/tmp\/[^\s'"]+/g, 'DIRECTORY').replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT').replaceAll('|', '\\|').replaceAll('\n', ' ').slice(0, 400);

export interface ReportedCell extends CellResult {
  seed: number;
  commit: string;
  /** when it ended */
  at: string;
}

const unique = (values: readonly (string | number)[]): string => [...new Set(values)].join(', ');

/** The matrix as a page: the newest result of each cell. A cell that failed, or was not run, is shown so. */
export async function writeReport(path: string, all: readonly ReportedCell[]): Promise<void> {
  // A cell that is no more, since the phase has no such middle, tells nothing.
  const byName = new Map(all.filter((result) => whyNot(result) === null).map((result) => [nameOf(result), result]));
  const results = [...byName.values()];
  const mark = (fault: (typeof faultIds)[number], phase: (typeof phaseIds)[number]): string => {
    if (whyNot({ fault, phase }) !== null) return 'n/a';
    const result = byName.get(`${fault}/${phase}`);
    return result ? (result.outcome === 'ok' ? `${Math.round(result.ms / 1000)} s` : `**${result.outcome}**`) : 'not run';
  };
  const count = (outcome: CellResult['outcome']): number => results.filter((of) => of.outcome === outcome).length;
  const times = results.map(({ at }) => at.slice(0, 16)).sort();
  const lines = [
    '# Fault matrix',
    '',
    'Written by `npm run test:faults`; `test/faults/matrix.ts` defines the cells. Each is run on real parts: the fault strikes in the',
    'middle of the phase, a person is told what it says here, and then the end is looked at: nothing false, nothing twice, nothing left.',
    '',
    `Of ${cells.length} cells ${count('ok')} held, ${count('failed')} failed, ${count('skipped')} were skipped and ${cells.length - results.length} not run;`,
    `between ${times[0]}Z and ${times.at(-1)}Z, seeds ${unique(results.map(({ seed }) => seed))}, commits ${unique(results.map(({ commit }) => commit))}.`,
    '',
    `| fault | ${phaseIds.join(' | ')} |`,
    `|---|${phaseIds.map(() => '---').join('|')}|`,
    ...faultIds.map((fault) => `| ${faults[fault].title} | ${phaseIds.map((phase) => mark(fault, phase)).join(' | ')} |`),
    '',
    '## In the middle of what',
    '',
    ...phaseIds.map((phase) => `- ${phases[phase].title}`),
    '',
    '## What was seen',
    '',
    '| cell | outcome | what a person saw | the end |',
    '|---|---|---|---|',
    ...faultIds.flatMap((fault) => phaseIds.flatMap((phase) => {
      const result = byName.get(`${fault}/${phase}`);
      if (!result) return [];
      return [`| ${fault}/${phase} | ${result.outcome} | ${cellText(result.seen)} | ${cellText(result.outcome === 'ok' ? result.end : result.error ?? '')} |`];
    })),
    '',
    '## Why a cell does not exist',
    '',
    ...faultIds.flatMap((fault) => {
      const reasons = Map.groupBy(phaseIds.filter((phase) => whyNot({ fault, phase }) !== null), (phase) => whyNot({ fault, phase })!);
      return [...reasons].map(([why, of]) => `- ${faults[fault].title}, in ${of.join(', ')}: ${why}`);
    }),
    '',
  ];
  await writeFile(path, lines.join('\n'));
}
