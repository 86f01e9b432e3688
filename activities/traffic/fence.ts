import type { FenceResult, OldPrimaryProbe } from '../../workflows/contract.ts';
import type { SourceContext } from '../context.ts';

/** What a fence is given; every SourceContext is one. */
export type FenceContext = Pick<SourceContext, 'system' | 'source' | 'sourceName' | 'address' | 'secret' | 'signal'>;

/** What is seen of the old primary from outside. */
export type OldSide = Pick<OldPrimaryProbe, 'heard' | 'takesWrites' | 'seen'>;

/**
 * Takes the old primary's power to write, before traffic moves: writes taken by two primaries cannot be merged.
 *
 * A result claims no more than was seen: `proved` after a refused write or a server known to be off, `isolated` when
 * every path that we control is cut, else `unproved`. Nothing deletes data. Every call may run twice.
 */
export interface FenceMethod {
  /** Leaves the log readable where it can, for the drain. @throws FenceFailed - it still writes, and why. */
  fence(context: FenceContext, run: string): Promise<FenceResult>;
  /** After the drain: off for good. @throws FenceFailed - this run has not fenced it, or it does not stop. */
  retire(context: FenceContext, run: string): Promise<FenceResult>;
  /** Before the switch only: undoes what this run did, and nothing that another run did. */
  unfence(context: FenceContext, run: string): Promise<{ summary: string }>;
  /** Knocks, and asks whether it takes writes. Changes nothing. */
  probe(context: FenceContext): Promise<OldSide>;
}

const databaseFence = async (): Promise<FenceMethod> => (await import('../engines/postgres/fence.ts')).databaseFence;

/** Only the one that is asked for is loaded, with its driver. */
const methods = {
  local: async () => (await import('./fence-local.ts')).localFence,
  database: databaseFence,
  databases: databaseFence,
  none: async () => (await import('./no-fence.ts')).noFence,
} as const satisfies Record<string, () => Promise<FenceMethod>>;

/** The fence that the system file names for this source; left out, it has none. */
export const openFence = async ({ system, sourceName }: FenceContext): Promise<FenceMethod> => await methods[system.fence[sourceName]?.uses ?? 'none']();
