import assert from 'node:assert/strict';
import { Bench, type BenchOptions } from './bench.ts';
import { bookmark } from './cell.ts';
import { whyNoClock } from './clock.ts';
import { whyNoDisks } from './disks.ts';
import { enterFor } from './phases/index.ts';
import { strike } from './inject/index.ts';
import { lookAround } from './look-around.ts';
import { nameOf, type Cell, type FaultId } from './matrix.ts';
import { specialCells } from './special/index.ts';

export interface CellResult extends Cell {
  /** `no stack`: its stack did not come up, so that nothing was seen of the cell; it has not held for that */
  outcome: 'ok' | 'failed' | 'skipped' | 'no stack';
  /** what a person saw */
  seen: string;
  end: string;
  ms: number;
  /** of a failed cell; why, of a skipped one */
  error?: string;
}

/** Whether a cell can be run at all; one that cannot fails, so that nobody takes it for green. */
export const isBuilt = (cell: Cell): boolean => specialCells[nameOf(cell)] !== undefined || strike[cell.fault] !== undefined;

/** Kinds of bench: cells of one kind share one, and are run one after another. */
const benches = { plain: {}, disks: { disks: true }, 'small log': { smallLog: true }, clock: { clock: true }, 'two members': { secondMember: true } } as const satisfies Record<string, BenchOptions>;
type BenchKind = keyof typeof benches;

const special: Partial<Record<FaultId, BenchKind>> = { 'full-disk': 'disks', 'oplog-rolls-over': 'small log', 'clock-wrong': 'clock', election: 'two members' };
const kindOf = ({ fault }: Cell): BenchKind => special[fault] ?? 'plain';

/** Why there can be no bench of a kind here; null: there can. */
const whyNoBench: Partial<Record<BenchKind, () => string | null | Promise<string | null>>> = { disks: whyNoDisks, clock: whyNoClock };

/**
 * Runs cells one after another, on one bench of each kind as long as it is as it was: one that a cell has spent or broken is thrown away,
 * since behind it nothing can be said. Within a kind the order is kept.
 */
export async function runCells(cells: readonly Cell[], onEnd: (result: CellResult) => void = () => undefined, goesOn: () => boolean = () => true): Promise<CellResult[]> {
  const results: CellResult[] = [];
  for (const [kind, ofKind] of Map.groupBy(cells, kindOf)) {
    const why = (await whyNoBench[kind]?.()) ?? null;
    const shared: { bench?: Bench | undefined } = {};
    try {
      for (const cell of ofKind) {
        if (!goesOn()) return results;
        const startedAt = Date.now();
        const ran = why === null ? await runOn(shared, kind, cell) : { outcome: 'skipped' as const, seen: '', end: '', error: why };
        const result = { ...cell, ...ran, ms: Date.now() - startedAt };
        results.push(result);
        onEnd(result);
      }
    } finally {
      await shared.bench?.end();
    }
  }
  return results;
}

async function runOn(shared: { bench?: Bench | undefined }, kind: BenchKind, cell: Cell): Promise<Omit<CellResult, 'fault' | 'phase' | 'ms'>> {
  try {
    shared.bench ??= await Bench.start(benches[kind]);
  } catch (error) {
    return { outcome: 'no stack', seen: '', end: '', error: messagesOf(error).join(': ') };
  }
  try {
    const struck = await runCell(shared.bench, cell);
    if (shared.bench.spent || shared.bench.superseded) {
      await shared.bench.end();
      shared.bench = undefined;
    }
    return { outcome: 'ok', ...struck };
  } catch (error) {
    const message = messagesOf(error).join(': ');
    const uncleaned = await shared.bench?.end().then(() => '', (failure: unknown) => `; and could not be cleaned up: ${(failure as Error).message}`) ?? '';
    shared.bench = undefined;
    return { outcome: 'failed', seen: '', end: '', error: `${message}${uncleaned}` };
  }
}

/** A workflow's failure says nothing itself; its cause does. */
const messagesOf = (error: unknown): string[] => (error instanceof Error ? [error.message, ...messagesOf(error.cause)] : []);

async function runCell(bench: Bench, cell: Cell): Promise<{ seen: string; end: string }> {
  const ownWay = specialCells[nameOf(cell)];
  const struck = ownWay ? await ownWay(bench) : await enterAndStrike(bench, cell);
  await lookAround(bench);
  return struck;
}

async function enterAndStrike(bench: Bench, cell: Cell): Promise<{ seen: string; end: string }> {
  const hit = strike[cell.fault];
  if (!hit) throw new Error(`${nameOf(cell)} is not built`);
  const middle = await enterFor(cell)(bench);
  try {
    middle.before = await bookmark(bench.stack.handle(middle.workflowId));
    const { seen, end } = await hit(bench, middle);
    assert.ok(middle.read, 'status was read in the middle of the fault');
    return { seen: `${seen}; status: ${middle.read}`, end: end ?? (await middle.finish()) };
  } finally {
    middle.release();
  }
}
