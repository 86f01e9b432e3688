import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import { callControl } from '../call.ts';
import { errorTable, isErrorType } from '../domain/errors.ts';
import type { Notice } from '../domain/notify/notice.ts';
import { minutes, seconds } from '../domain/units.ts';
import { describeFailure } from '../failure.ts';

/** A receiver that does not answer is left alone for so long, then for twice as long; a new message tries at once. */
const firstPauseMs = seconds(30);
const longestPauseMs = minutes(15);

/** What waits for one receiver, oldest first. One message is under way at a time, so that none overtakes another. */
interface Lane {
  receiver: string;
  queue: Notice[];
  works: boolean;
  pauseMs: number;
  /** it did not answer last */
  down: boolean;
  /** since the last pause began: another message is due */
  woken: boolean;
}

/**
 * The messages of one workflow on their way to their receivers. Nobody waits for it: each receiver has a lane of its own, so that one that
 * is dead holds up neither the workflow nor the others. Without a message it leaves nothing in the history.
 *
 * A message is one activity for each receiver. When its few tries are over, the lane says so once (`onTrouble`), pauses, keeps of each
 * subject the newest message only (a receiver that comes back is told what holds, not what was), and goes on. What no try can help
 * (a refused message, a secret that cannot be read) is said and dropped.
 *
 * Killed anywhere: the workflow's replay stands where it stood. A message that was sent, and whose answer was lost, is sent again under
 * the same id.
 */
export class Outbox {
  readonly #system: string;
  readonly #onTrouble: (what: string) => void;
  readonly #lanes = new Map<string, Lane>();
  // An abort or a cancel must not silence the messages about it.
  readonly #shield = new CancellationScope({ cancellable: false });
  readonly #scope = new CancellationScope({ cancellable: true, parent: this.#shield });

  /** @param onTrouble - hears, a line each, that a receiver cannot be reached, and that it can again */
  constructor(system: string, onTrouble: (what: string) => void) {
    this.#system = system;
    this.#onTrouble = onTrouble;
  }

  post(notice: Notice, receivers: readonly { name: string }[]): void {
    for (const { name } of receivers) {
      const lane = this.#lanes.get(name) ?? { receiver: name, queue: [], works: false, pauseMs: firstPauseMs, down: false, woken: false };
      this.#lanes.set(name, lane);
      lane.queue.push(notice);
      lane.woken = true;
      if (!lane.works) void this.#shield.run(() => this.#work(lane));
    }
  }

  /**
   * Waits until everything is delivered, but no longer than `withinMs`, then gives up on the rest.
   * @returns what was not delivered, a line for each receiver.
   */
  async flush(withinMs: number): Promise<string[]> {
    const open = (): Lane[] => [...this.#lanes.values()].filter(({ queue }) => queue.length > 0);
    // A timer is a line in the history: none where there is nothing to wait for.
    if (open().length > 0) {
      open().forEach((lane) => (lane.woken = true));
      await this.#shield.run(() => condition(() => open().length === 0, withinMs, { summary: 'the last messages are to be delivered by then' }));
    }
    const undelivered = open().map(({ receiver, queue }) => `${receiver} was not told of ${queue.length} message${queue.length > 1 ? 's' : ''}, the last: ${queue.at(-1)!.title}`);
    if (undelivered.length > 0) this.#scope.cancel();
    return undelivered;
  }

  async #work(lane: Lane): Promise<void> {
    lane.works = true;
    try {
      while (lane.queue.length > 0) await this.#scope.run(() => this.#tellNext(lane));
    } catch (error) {
      // A cancel: given up, the workflow is about to end. Anything else is a fault of ours, and no run is to hang for it.
      if (!isCancellation(error)) this.#onTrouble(`${lane.receiver} gets no messages any more: ${describeFailure(error).message}`);
      lane.queue = [];
    } finally {
      lane.works = false;
    }
  }

  async #tellNext(lane: Lane): Promise<void> {
    const notice = lane.queue[0]!;
    const { receiver } = lane;
    lane.woken = false;
    try {
      await callControl('notify', { system: this.#system, receiver, notice }, `tell ${receiver}: ${notice.title}`);
    } catch (error) {
      if (isCancellation(error)) throw error;
      await this.#afterFailure(lane, error);
      return;
    }
    lane.queue.shift();
    if (lane.down) this.#onTrouble(`${receiver} gets messages again`);
    lane.down = false;
    lane.pauseMs = firstPauseMs;
  }

  async #afterFailure(lane: Lane, error: unknown): Promise<void> {
    const { type, message } = describeFailure(error);
    const why = `${type}: ${message}`.slice(0, 300);
    if (isErrorType(type) && !errorTable[type].retryable) {
      lane.queue.shift();
      this.#onTrouble(`${lane.receiver} was not told: ${why}`);
      return;
    }
    if (!lane.down) this.#onTrouble(`${lane.receiver} gets no messages for now, they are sent again: ${why}`);
    lane.down = true;
    lane.queue = newestOfEach(lane.queue);
    const { pauseMs } = lane;
    lane.pauseMs = Math.min(longestPauseMs, pauseMs * 2);
    await condition(() => lane.woken, pauseMs, { summary: `${lane.receiver} did not take a message; tried again then` });
  }
}

/** What somebody wrote is not made stale by what somebody else wrote. */
const standsAlone: ReadonlySet<Notice['phase']> = new Set(['note', 'comment', 'severity']);

/** Of messages about the same alert only the newest; those that stand alone, and what people or a runbook say, all. Order is kept. */
function newestOfEach(queue: readonly Notice[]): Notice[] {
  return queue.filter(({ alert, phase }, index) => alert === null || standsAlone.has(phase) || !queue.slice(index + 1).some((later) => later.alert?.key === alert.key));
}
