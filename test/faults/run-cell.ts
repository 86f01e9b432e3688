import { Bench, type BenchOptions } from './bench.ts';
import { enter } from './phases/index.ts';
import { strike } from './inject/index.ts';
import { lookAround } from './look-around.ts';
import { nameOf, type Cell, type FaultId } from './matrix.ts';
import { specialCells } from './special/index.ts';

export interface CellResult extends Cell {
  outcome: 'ok' | 'failed' | 'skipped';
  /** what a person saw */
  seen: string;
  end: string;
  ms: number;
  /** of a failed cell; why, of a skipped one */
  error?: string;
}

/** Whether a cell can be run at all; one that cannot fails, so that nobody takes it for green. */
export const isBuilt = (cell: Cell): boolean => specialCells[nameOf(cell)] !== undefined || strike[cell.fault] !== undefined;

/** What a fault needs of the system before it starts; left out: any bench does. */
const benchOf: Partial<Record<FaultId, BenchOptions>> = {};

/**
 * Runs cells one after another, on one bench as long as it is as it was: one that a cell has spent or broken is thrown away, since
 * behind it nothing can be said.
 */
export async function runCells(cells: readonly Cell[], onEnd: (result: CellResult) => void = () => undefined, goesOn: () => boolean = () => true): Promise<CellResult[]> {
  const results: CellResult[] = [];
  let shared: Bench | undefined;
  try {
    for (const cell of cells) {
      if (!goesOn()) break;
      const needs = benchOf[cell.fault];
      const startedAt = Date.now();
      let bench = needs ? undefined : shared;
      let result: CellResult;
      try {
        if (needs && shared) shared = void (await shared.end());
        bench ??= await Bench.start(needs);
        if (!needs) shared = bench;
        result = { ...cell, outcome: 'ok', ...(await runCell(bench, cell)), ms: Date.now() - startedAt };
      } catch (error) {
        result = { ...cell, outcome: 'failed', seen: '', end: '', ms: Date.now() - startedAt, error: (error as Error).message };
      }
      if (bench && (needs || bench.spent || result.outcome === 'failed')) {
        await bench.end().catch((error: unknown) => (result = { ...result, outcome: 'failed', error: `${result.error ?? ''} and could not be cleaned up: ${(error as Error).message}` }));
        if (bench === shared) shared = undefined;
      }
      results.push(result);
      onEnd(result);
    }
  } finally {
    await shared?.end();
  }
  return results;
}

async function runCell(bench: Bench, cell: Cell): Promise<{ seen: string; end: string }> {
  const special = specialCells[nameOf(cell)];
  const struck = special ? await special(bench) : await enterAndStrike(bench, cell);
  await lookAround(bench);
  return struck;
}

async function enterAndStrike(bench: Bench, cell: Cell): Promise<{ seen: string; end: string }> {
  const hit = strike[cell.fault];
  if (!hit) throw new Error(`${nameOf(cell)} is not built`);
  const middle = await enter[cell.phase](bench);
  try {
    const { seen, end } = await hit(bench, middle);
    return { seen, end: end ?? (await middle.finish()) };
  } finally {
    middle.release();
  }
}
