import type { Struck } from '../cell.ts';
import type { Bench } from '../bench.ts';
import { oplogRollsOverInArchive } from './oplog-rolls-over.ts';

/** A whole cell by itself, where the middle of the phase is reached or judged in another way: it enters, strikes and asserts the end. */
export type SpecialCell = (bench: Bench) => Promise<Required<Struck>>;

/** By `fault/phase`. */
export const specialCells: Record<string, SpecialCell> = { 'oplog-rolls-over/archive': oplogRollsOverInArchive };
