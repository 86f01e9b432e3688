import { z } from 'zod';
import type { NotifyView } from './notify/notice.ts';
import type { Readiness, ReadinessFacts } from './readiness.ts';
import type { SeenSettings } from './further-problems.ts';
import type { FoundProblem } from './judge-readiness.ts';
import type { SeenSource } from './seen-store.ts';
import type { Setting } from './store-setup.ts';

/** The workflow `ready/<system>`, which looks again and again: what it is given, carries on and answers. */

/** What one check answers. */
export interface ReadinessCheck {
  facts: ReadinessFacts;
  /** what it saw in the store, by source: the next check is given it */
  seen: Record<string, SeenSource>;
  /** of the store, where they were asked for and could be read */
  settings?: Setting[] | undefined;
  /** the worker's clock when it ended, UTC ISO */
  workerAt: string;
}

export interface WatchReadinessInput {
  system: string;
  /** what the run before this one knew; left out: the watch begins */
  state?: ReadinessWatchState | undefined;
}

export interface ReadinessWatchState {
  /** since when this system is watched, UTC ISO: what was due before is nobody's fault */
  since: string;
  checks: number;
  /** null: none has ended yet */
  readiness: Readiness | null;
  seen: Record<string, SeenSource>;
  /** of the schedules, when they were last looked at; left out: not yet */
  schedules?: { at: string; problems: FoundProblem[] } | undefined;
  /** of the store; left out: not looked at yet */
  settings?: SeenSettings | undefined;
  /** as of the last time that the system file could be read */
  everyMs: number;
  remindEveryMs: number;
  notify?: NotifyView | undefined;
  /** what people were told last; left out: nothing, or that it is over */
  paged?: { at: string; keys: string[]; what: { key: string; what: string }[] } | undefined;
  /** keys of problems that may pass, seen once: told when the next check sees them again */
  suspected: string[];
  /** what somebody has sent, for the next check */
  accepting: Accept[];
  /** sources whose store the next check takes as it is; left out: none */
  taking?: string[] | undefined;
  /** who accepted what, newest; left out: nobody did */
  accepted?: string | undefined;
  /** why somebody could not be told, newest; left out: nobody could not */
  untold?: string | undefined;
  stopping: boolean;
}

/** What the query `readiness` answers. */
export interface ReadinessAnswer {
  readiness: Readiness | null;
  since: string;
  checks: number;
  everyMs: number;
  /** what people were told last; null: nothing, or that it is over */
  paged: ReadinessWatchState['paged'] | null;
  untold: string | null;
}

export const readinessQuery = 'readiness';

export const readinessSignals = {
  stop: { name: 'stop', description: 'End the watch on readiness; `holdfast apply` starts it again. Example: {"by": "dana", "reason": "the system is given up"}' },
  look: { name: 'look', description: 'Check now, and with the system file as it is now. No input.' },
  accept: { name: 'accept', description: 'What is gone from the store, or was changed in it, is known: from now on it is held against what is there now. Example: {"source": "documents", "by": "dana", "reason": "we deleted the test backups by hand"}' },
} as const;

const acceptSchema = z.object({ source: z.string().optional(), by: z.string().max(100).optional(), reason: z.string().max(500).optional() });
export type Accept = z.output<typeof acceptSchema>;

/** Whatever cannot be read is an acceptance by nobody, which the permission table judges. */
export const parseAccept = (typed: unknown): Accept => acceptSchema.safeParse(typed).data ?? {};
