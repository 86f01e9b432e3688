import { writeFile } from 'node:fs/promises';
import { cells, faultIds, faults, nameOf, phaseIds, phases, whyNot } from './matrix.ts';
import type { CellResult } from './run-cell.ts';

/** One line, without what differs from machine to machine. */
const cellText = (text: string): string =>
  text.replace(/\/tmp\/[^\s'"]+/g, 'DIRECTORY').replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT').replaceAll('|', '\\|').replaceAll('\n', ' ').slice(0, 600);

export interface ReportedCell extends CellResult {
  seed: number;
  commit: string;
  /** when it ended */
  at: string;
}

/** All results of one cell, oldest first. */
interface Told {
  newest: ReportedCell;
  /** it held in each of these, behind whatever came before: one for each seed, at most as many as are asked for */
  held: ReportedCell[];
  failedBefore: number;
}

/** The matrix is held to be green when each cell was, so many times in a row, each time with another seed. */
const timesAsked = 3;

function tell(results: readonly ReportedCell[]): Told {
  const inOrder = results.toSorted((one, other) => one.at.localeCompare(other.at));
  const seen = inOrder.filter(({ outcome }) => outcome !== 'no stack');
  const sorted = seen.length > 0 ? seen : inOrder;
  const since = sorted.findLastIndex(({ outcome }) => outcome !== 'ok') + 1;
  const bySeed = new Map(sorted.slice(since).map((result) => [result.seed, result]));
  return { newest: sorted.at(-1)!, held: [...bySeed.values()].slice(-timesAsked), failedBefore: sorted.slice(0, since).filter(({ outcome }) => outcome === 'failed').length };
}

const secondsOf = ({ ms }: ReportedCell): number => Math.round(ms / 1000);

/** `3× 19 s to 25 s` */
function markOf({ newest, held }: Told): string {
  if (held.length === 0) return `**${newest.outcome}**`;
  const seconds = held.map(secondsOf).sort((one, other) => one - other);
  const [least, most] = [seconds[0]!, seconds.at(-1)!];
  return `${held.length}× ${least === most ? '' : `${least} s to `}${most} s`;
}

function outcomeOf({ newest, held, failedBefore }: Told): string {
  const before = failedBefore > 0 ? `, failed ${failedBefore}× before` : '';
  return held.length === 0 ? newest.outcome : `held ${held.length}×${before}`;
}

/** A line for each run: cells that were shuffled by one seed, at one commit; only what the table above rests on. */
function runLines(all: readonly ReportedCell[]): string[] {
  const runs = [...Map.groupBy(all, ({ seed, commit }) => `| ${seed} | ${commit.slice(0, 7)}`)].map(([run, of]) => ({ run, of, times: of.map(({ at }) => `${at.slice(0, 16)}Z`).sort() }));
  runs.sort((one, other) => one.times[0]!.localeCompare(other.times[0]!));
  const count = (of: readonly ReportedCell[], outcome: CellResult['outcome']): number => of.filter((result) => result.outcome === outcome).length;
  return runs.map(({ run, of, times }) => `${run} | ${of.length} | ${count(of, 'ok')} | ${count(of, 'failed')} | ${times[0]} to ${times.at(-1)} |`);
}

/**
 * The matrix as a page: what each cell's newest results say. A cell that failed, or was not run, is shown so.
 * @param counted - commits whose results count.
 */
export async function writeReport(path: string, all: readonly ReportedCell[], counted: ReadonlySet<string>): Promise<void> {
  // A cell that is no more, since the phase has no such middle, tells nothing.
  const known = all.filter((result) => whyNot(result) === null && counted.has(result.commit));
  const byName = new Map([...Map.groupBy(known, nameOf)].map(([name, of]) => [name, tell(of)]));
  const told = [...byName.values()];
  const mark = (fault: (typeof faultIds)[number], phase: (typeof phaseIds)[number]): string => {
    if (whyNot({ fault, phase }) !== null) return 'n/a';
    const result = byName.get(`${fault}/${phase}`);
    return result ? markOf(result) : 'not run';
  };
  const ended = (outcome: CellResult['outcome']): number => told.filter(({ newest }) => newest.outcome === outcome).length;
  const held = (times: number): number => told.filter((of) => of.held.length === times).length;
  const lines = [
    '# Fault matrix',
    '',
    'Written by `npm run test:faults -- --report-only --results test/faults/results.jsonl.gz --report docs/faults.md`; `test/faults/matrix.ts` defines',
    'the cells. Each is run on real parts: the fault strikes in the middle of the phase, a person is told what it says here (behind `status:` by `holdfast',
    'status`), and then the end is looked at: nothing false, nothing twice, nothing left, and nothing that failed without a name.',
    'The matrix is of MongoDB. What is killed under PostgreSQL stands in the tests of its engines (test/activities/engines/postgres*).',
    '',
    `Counted are ${known.length} results of ${all.length}: those of commits of this history since the cells and their checks are what they are.`,
    '',
    `Of ${cells.length} cells ${held(timesAsked)} held in each of their last ${timesAsked} runs, with ${timesAsked} different seeds; ${held(2)} in their last two, ${held(1)} in the last one;`,
    `${ended('failed')} failed in the last one, ${ended('skipped')} were skipped there, ${ended('no stack')} had no stack to run on, and ${cells.length - told.length} were not run.`,
    '',
    `\`${timesAsked}× 19 s to 25 s\`: it held so many times in a row, and took so long, with the start of its stack where it was the first on it.`,
    '',
    `| fault | ${phaseIds.join(' | ')} |`,
    `|---|${phaseIds.map(() => '---').join('|')}|`,
    ...faultIds.map((fault) => `| ${faults[fault].title} | ${phaseIds.map((phase) => mark(fault, phase)).join(' | ')} |`),
    '',
    '## Runs',
    '',
    'Cells of one seed share stacks, in an order that the seed gives. A cell that failed is run again behind the mend.',
    '',
    '| seed | commit | cells counted | held | failed | ended (UTC) |',
    '|---|---|---|---|---|---|',
    ...runLines(told.flatMap((of) => (of.held.length > 0 ? of.held : [of.newest]))),
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
      const { newest } = result;
      return [`| ${fault}/${phase} | ${outcomeOf(result)} | ${cellText(newest.seen)} | ${cellText(newest.outcome === 'ok' ? newest.end : newest.error ?? '')} |`];
    })),
    '',
    '## Who is called',
    '',
    'Each stack has a receiver of pages (`failed`, `stuck`, `backup-failed`, `gap`, `archive-late`). In every cell a page has to come, and to name what status',
    'names, for each step that waits for a person, each undo that fails, each backup that comes to nothing and each gap; and no other may come. So nobody is',
    'called for what another try mends: a process that was killed or hung, a server or a store that was away for less than a minute or two.',
    '',
    '- An archive that is late for two looks of its watch, five minutes apart, calls somebody; these cells end before that (test/workflows/notify/notifications.test.ts).',
    '- A recovery that is held up says so by the RTO that passes (`warning`: 50, 75 and 90 % of it, and a forecast past it), not by one step that takes long.',
    '- While Temporal is away, or no worker runs, nobody of ours can call anybody: that is for whoever watches the workers from outside (docs/metrics.md).',
    '- Whoever lost the command to another control plane is called for its own runs and backups that end by it, and not for its archive: the log is the other’s from then on.',
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
