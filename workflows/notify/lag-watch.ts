import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import { callControl } from '../call.ts';
import type { SourceRef } from '../contract.ts';
import { receiversOf, type NotifyView } from '../domain/notify/notice.ts';
import { archiveCaughtUp, archiveLate } from '../domain/notify/other-notices.ts';
import { formatDuration, minutes } from '../domain/units.ts';
import { describeFailure } from '../failure.ts';
import type { Announcer } from './announcer.ts';

const lookEveryMs = minutes(5);
/** A first look that finds it late may have met a moment; only the second tells people. */
const lookAgainMs = minutes(1);

/** That people were told that the archive is late. It outlives a run that continues as new. */
export interface Late {
  /** UTC ISO */
  since: string;
  why: string;
}

export interface LagWatchOptions extends SourceRef {
  announcer: Announcer;
  late: Late | null;
  onChange(late: Late | null): void;
  /** at each look that was answered */
  onLook(lagMs: number): void;
}

/**
 * Tells people that an archive is late, and that it has caught up, beside the rounds of the archive. It asks bucket and source, as `archive status`
 * does, and not the archive's own activity: that one may hang, wait for its store, or have no worker. Where nobody is to be told it asks nothing.
 * A source that does not answer is not the archive's lateness, and changes nothing of what was told.
 */
export class LagWatch {
  readonly #options: LagWatchOptions;
  #scope: CancellationScope | undefined;
  #told: { notify: NotifyView; rpoObjectiveMs: number } | undefined;
  #late: Late | null;

  constructor(options: LagWatchOptions) {
    this.#options = options;
    this.#late = options.late;
  }

  /** At each round: the system file as it is then. Starts to look at the first that names a receiver. */
  see(view: { notify?: NotifyView | undefined; rpoObjectiveMs: number }): void {
    const { notify, rpoObjectiveMs } = view;
    this.#told = notify && receiversOf(notify, { audience: 'internal', as: 'archive-late', drill: false }).length > 0 ? { notify, rpoObjectiveMs } : undefined;
    if (!this.#told || this.#scope) return;
    this.#scope = new CancellationScope();
    void this.#scope.run(() => this.#watch()).catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  }

  stop(): void {
    this.#scope?.cancel();
  }

  async #watch(): Promise<void> {
    for (let suspected = false; ; ) {
      await sleep(suspected ? lookAgainMs : lookEveryMs, { summary: `looks whether the archive of ${this.#options.source} keeps up` });
      if (!this.#told) continue;
      const seen = await this.#look(this.#told.rpoObjectiveMs);
      if (seen === 'unknown') continue;
      const isLate = 'why' in seen;
      if (isLate && !this.#late && suspected) this.#tellLate(seen.why);
      if (!isLate && this.#late) this.#tellCaughtUp(seen.lagMs);
      suspected = isLate && !this.#late;
    }
  }

  async #look(rpoObjectiveMs: number): Promise<{ why: string } | { lagMs: number } | 'unknown'> {
    const { system, source } = this.#options;
    try {
      const { rpoMs } = await callControl('readArchiveStatus', { system, source }, `look whether the archive of ${source} keeps up`);
      if (rpoMs === null) return 'unknown';
      this.#options.onLook(rpoMs);
      return rpoMs > rpoObjectiveMs ? { why: `It is ${formatDuration(rpoMs)} behind its source; the RPO is ${formatDuration(rpoObjectiveMs)}.` } : { lagMs: rpoMs };
    } catch (error) {
      if (isCancellation(error)) throw error;
      const { type, message } = describeFailure(error);
      return { why: `Nobody can see how far it is: ${type}: ${message}`.slice(0, 280) };
    }
  }

  #tellLate(why: string): void {
    const { announcer, source, onChange } = this.#options;
    this.#late = { since: new Date(Date.now()).toISOString(), why };
    announcer.tell(this.#told?.notify, 'archive-late', (origin) => archiveLate(origin, source, why));
    onChange(this.#late);
  }

  #tellCaughtUp(lagMs: number): void {
    const { announcer, source, onChange } = this.#options;
    this.#late = null;
    announcer.tell(this.#told?.notify, 'archive-late', (origin) => archiveCaughtUp(origin, source, lagMs));
    onChange(null);
  }
}
