import { previousLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { Hold } from '../../workflows/domain/source-records.ts';
import type { SourceContext } from '../context.ts';
import { listHolds } from '../store/holds.ts';

/** So many are let go between two looks: a listing each. */
const looksEvery = 100;

/** What runs read of one timeline's log, read again while log is let go: a run may begin in the middle of it. */
export class HeldLog {
  readonly #context: SourceContext;
  readonly #timeline: string;
  #holds: Hold[] = [];
  #sinceLook = 0;

  constructor(context: SourceContext, timeline: string) {
    this.#context = context;
    this.#timeline = timeline;
  }

  async refresh(): Promise<void> {
    const { store, keys, signal, system, sourceName } = this.#context;
    this.#holds = (await listHolds(store, keys, system.system, { signal })).filter(({ source, timeline }) => source === sourceName && timeline === this.#timeline);
    this.#sinceLook = 0;
  }

  /** Before each that is let go. */
  async look(): Promise<void> {
    this.#sinceLook += 1;
    if (this.#sinceLook > looksEvery) await this.refresh();
  }

  keeps = ({ from, to }: { from: LogPosition; to: LogPosition }): boolean => this.#holds.some((hold) => to > hold.from && from < previousLogPosition(hold.limit));
}
