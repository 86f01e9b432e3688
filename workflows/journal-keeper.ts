import { CancellationScope, condition, defineQuery, setHandler, sleep } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { HoldfastError } from './domain/errors.ts';
import { journalCarriedLines, journalPageLines, journalStateLines, type JournalLine, type JournalOf, type JournalPage } from './domain/journal.ts';
import { layout } from './domain/layout.ts';
import { queryNames } from './domain/messages.ts';
import { minutes } from './domain/units.ts';
import { describeFailure } from './failure.ts';

export interface JournalKeeperOptions {
  system: string;
  of: JournalOf;
  lines(): readonly JournalLine[];
  /** how many pages are in the store, and no more among the lines */
  pages(): number;
  /** the oldest lines are in the store as this page: they may leave the state */
  onKept(page: number): void;
  onTrouble(what: string): void;
}

const firstPauseMs = minutes(1);
const longestPauseMs = minutes(15);

/**
 * Writes the oldest lines of a journal to the store, a page at a time, and answers the query `journal`. Nobody waits for it but who is about to end.
 *
 * Killed anywhere: a page that was written, and whose answer was lost, is written again and says the same. A store that is away is asked again, and the lines stay
 * in the state meanwhile.
 */
export class JournalKeeper {
  readonly #options: JournalKeeperOptions;
  /** written by this execution: the query answers them without the store */
  readonly #kept = new Map<number, JournalLine[]>();
  readonly #shield = new CancellationScope({ cancellable: false });
  #works = false;

  /** Synchronous: a query may come with the first task. */
  constructor(options: JournalKeeperOptions) {
    this.#options = options;
    setHandler(defineQuery<JournalPage, [unknown]>(queryNames.journal), (asked) => this.#page(asked), {
      description: 'The journal, a page at a time: left out the newest lines. Example: {"page": 1}',
    });
  }

  /** After whatever may have added a line. */
  look(): void {
    if (this.#works || this.#options.lines().length < journalStateLines) return;
    this.#works = true;
    void this.#shield.run(() => this.#keep());
  }

  /** Waits, no longer than `withinMs`, until what is due is written; what is not stays among the lines. */
  async settled(withinMs: number): Promise<void> {
    // A timer is a line in the history: none where there is nothing to wait for.
    if (this.#works) await this.#shield.run(() => condition(() => !this.#works, withinMs, { summary: 'older lines of the journal are to be in the store by then' }));
  }

  async #keep(): Promise<void> {
    const { lines, onTrouble } = this.#options;
    let pauseMs = firstPauseMs;
    while (lines().length >= journalStateLines) {
      try {
        await this.#write();
        pauseMs = firstPauseMs;
      } catch (error) {
        const { type, message } = describeFailure(error);
        if (pauseMs === firstPauseMs) onTrouble(`older lines cannot be written to the store for now, it is tried again: ${type}: ${message}`.slice(0, 300));
        await sleep(pauseMs, { summary: 'the store did not take a page of the journal' });
        pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      }
    }
    this.#works = false;
  }

  async #write(): Promise<void> {
    const { system, of, lines, pages, onKept } = this.#options;
    const page = pages() + 1;
    const oldest = lines().slice(0, journalPageLines);
    await callControl('writeJournalPage', { system, of, page, lines: oldest }, `keep page ${page} of the journal`);
    this.#kept.set(page, oldest);
    onKept(page);
  }

  #page(asked: unknown): JournalPage {
    const { system, of, lines, pages } = this.#options;
    const last = pages() + 1;
    const page = (asked as { page?: unknown } | undefined)?.page ?? last;
    if (typeof page !== 'number' || !Number.isInteger(page) || page < 1 || page > last) throw new HoldfastError('BadInput', `field "page" is ${JSON.stringify(page)}; expected a number from 1 to ${last}. Example: {"page": 1}`);
    if (page === last) return { of, page, pages: last, lines: lines().slice(-journalCarriedLines), object: null };
    return { of, page, pages: last, lines: this.#kept.get(page) ?? null, object: layout.journalPage(system, of, page) };
  }
}
