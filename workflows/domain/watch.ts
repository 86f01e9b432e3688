import type { FenceResult } from '../contract.ts';
import type { DivergedSummary } from './diverged.ts';
import type { NotifyView } from './notify/notice.ts';
import type { LogPosition } from './log-position.ts';

/** What a watch is given by the recovery that starts it. */
export interface WatchInput {
  system: string;
  source: string;
  /** the recovery: its fence, and its evidence, are under this name */
  run: string;
  /** the command that the recovery had: who has been superseded fences nothing */
  epoch: number;
  /** where the old primary lived */
  environment: string;
  /** where the recovery brought the source; left out: to the standby of the system file */
  towards?: string | undefined;
  /** the old timeline, and the first position of it that the recovered data does not hold */
  timeline: string;
  limit: LogPosition;
  /** UTC ISO */
  startedAt: string;
  endsAt: string;
  /** what the recovery's own fence came to; null: there was none */
  fence: FenceResult['outcome'] | null;
  /** who is told what; left out: nobody */
  notify?: NotifyView | undefined;
  /** what the run before this one knew: its history is gone */
  state?: WatchState | undefined;
}

export interface WatchFinding {
  at: string;
  what: string;
}

/** What the query `state` of a watch answers. Times are UTC ISO. */
export interface WatchState {
  system: string;
  source: string;
  run: string;
  environment: string;
  startedAt: string;
  endsAt: string;
  /** silent: nothing answers; fenced: it answers, and refuses writes; unfenced: it answers, and could not be fenced */
  oldSide: 'unknown' | 'silent' | 'fenced' | 'unfenced';
  probes: number;
  lastProbeAt: string | null;
  /** what was seen last, for people */
  lastSeen: string | null;
  fence: FenceResult | null;
  /** when it answered although it should not have; null: it never did */
  foundAt: string | null;
  diverged: DivergedSummary | null;
  /** why the newest diverged-writes report could not be written (yet) */
  trouble: string | null;
  /** the newest 50 */
  findings: WatchFinding[];
  /** why it ended; null: it runs */
  over: string | null;
}

export const watchSignals = {
  stop: { name: 'stop', description: 'End the watch: the old primary is gone for good. Example: {"by": "dana", "reason": "its disk is wiped"}' },
  look: { name: 'look', description: 'Knock at the old primary now. No input.' },
} as const;
