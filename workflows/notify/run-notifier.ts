import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import { receiversOf, type Audience, type NoticePhase, type NotifyView, type ReceiverView } from '../domain/notify/notice.ts';
import { internalNotice, isStuckAlone, isUnserved, type Moment, type RunFacts } from '../domain/notify/run-notices.ts';
import { externalNotice } from '../domain/notify/external-notice.ts';
import type { RunState } from '../domain/run-state.ts';
import { formatDuration, hours } from '../domain/units.ts';
import { nowAt } from '../now-at.ts';
import { findMoments, isUndoing } from '../runbook/find-moments.ts';
import { failedSteps } from '../runbook/waits-for.ts';
import { isEnded, type RunEvent, type RunSnapshot } from '../runbook/run-types.ts';
import { Outbox } from './outbox.ts';

/** A run that waits for days tells more and more seldom: its history must stay small, and so must a mailbox. */
const updatesBeforeStretch = 8;
const longestUpdateMs = hours(4);
/** Beyond any real night: a runbook that fails and is retried for ever by a machine must not fill its history. */
const messagesPerRun = 1_000;

export interface RunNotifierOptions {
  system: string;
  /** undefined: nobody is to be told, and nothing here does anything */
  notify: NotifyView | undefined;
  /** names the run */
  run: string;
  snapshot(): RunSnapshot;
  /** as people see it now, with how far its steps are */
  state(): RunState;
  /** false: the incident that it belongs to tells people outside, and the run only what a step of its runbook says */
  outside: boolean;
  onTrouble(what: string): void;
}

const isoIn = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** Those of the phase; where a rung of a gate's contacts names its own, these and no others, and of the answer those too. */
function receiversFor(notify: NotifyView, of: Parameters<typeof receiversOf>[1], moment: Moment): ReceiverView[] {
  const named = (names: readonly string[]): ReceiverView[] => notify.receivers.filter(({ name, audience, drills }) => audience === of.audience && names.includes(name) && (!of.drill || drills));
  if (moment.phase === 'approval' && moment.receivers) return named(moment.receivers);
  const usual = receiversOf(notify, of);
  return moment.phase === 'answered' && moment.also ? [...new Set([...usual, ...named(moment.also)])] : usual;
}

/** Tells people of one run: what findMoments sees after each event, and an update every so often until the run has ended. */
export class RunNotifier {
  readonly #options: RunNotifierOptions;
  readonly #outbox: Outbox;
  readonly #shield = new CancellationScope({ cancellable: false });
  readonly #timers = new CancellationScope({ cancellable: true, parent: this.#shield });
  #number = 0;
  /** when the next external message is due; null: none is promised */
  #externalNextAt: string | null = null;

  constructor(options: RunNotifierOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.system, options.onTrouble);
  }

  /** Never throws: a run is not to fail over a message about it. */
  onEvent(before: RunSnapshot, event: RunEvent, after: RunSnapshot): void {
    const { notify, onTrouble } = this.#options;
    if (!notify) return;
    try {
      if (!before.started && after.started && after.state.gateOf === undefined) (['internal', 'external'] as const).forEach((audience) => this.#startUpdates(notify, audience));
      if (!isEnded(before) && isEnded(after)) this.#timers.cancel();
      for (const moment of findMoments(before, event, after)) this.#tell(notify, moment);
    } catch (error) {
      onTrouble(`a message could not be written: ${(error as Error).message}`);
    }
  }

  /** What a step of the runbook says. @returns how many receivers it goes to. */
  note(text: string, audience: Audience): number {
    const { notify } = this.#options;
    return notify ? this.#tell(notify, { phase: 'note', text }, audience) : 0;
  }

  /** @returns what was not delivered within `withinMs` of the run's end */
  async close(withinMs: number): Promise<string[]> {
    return await this.#outbox.flush(withinMs);
  }

  #tell(notify: NotifyView, moment: Moment, only?: Audience): number {
    const as = moment.phase === 'answered' ? moment.of : moment.phase;
    return (['internal', 'external'] as const)
      .filter((audience) => only === undefined || only === audience)
      .map((audience) => this.#tellAudience(notify, audience, moment, as))
      .reduce((sum, count) => sum + count, 0);
  }

  #tellAudience(notify: NotifyView, audience: Audience, moment: Moment, as: NoticePhase): number {
    const { state, snapshot, run } = this.#options;
    const now = state();
    const isLast = moment.phase === 'resolved' || moment.phase === 'aborted';
    const drill = now.purpose === 'drill';
    if (audience === 'external' && !this.#options.outside && moment.phase !== 'note') return 0;
    const receivers = receiversFor(notify, { audience, as, drill: drill && !isStuckAlone(as, now) }, moment);
    if (receivers.length === 0 || (this.#number >= messagesPerRun && !isLast)) return 0;
    // Nobody outside is affected by a drill, or by data that is taken out beside a service that runs.
    if (audience === 'external' && (drill || now.only)) return 0;
    this.#number += 1;
    const facts: RunFacts = { state: now, run, at: nowAt(), number: this.#number, failed: failedSteps(snapshot()), undoing: isUndoing(snapshot()), templates: notify.internal?.templates };
    const notice = audience === 'internal' ? internalNotice(moment, facts) : this.#external(notify, moment, facts);
    if (notice) this.#outbox.post(notice, receivers);
    return notice ? receivers.length : 0;
  }

  #external({ external }: NotifyView, moment: Moment, { state, run, at, number }: RunFacts): ReturnType<typeof externalNotice> | undefined {
    const { phase } = moment;
    if (!external || !(phase === 'started' || phase === 'update' || phase === 'served' || phase === 'resolved' || phase === 'aborted' || phase === 'note')) return undefined;
    const promised = phase === 'started' || phase === 'update' || (phase === 'note' && state.servedAt === null && state.endedAt === null);
    const text = moment.phase === 'note' ? moment.text : undefined;
    return externalNotice(phase === 'resolved' && isUnserved(state) ? 'aborted' : phase, { words: external, run, number, at, incidentAt: state.incidentAt, servedAt: state.servedAt, nextAt: promised ? this.#externalNextAt : null, text });
  }

  #startUpdates(notify: NotifyView, audience: Audience): void {
    const { purpose, only } = this.#options.snapshot().state;
    const drill = purpose === 'drill';
    if (receiversOf(notify, { audience, as: 'update', drill }).length === 0 || (audience === 'external' && (drill || only || !this.#options.outside))) return;
    void this.#timers.run(() => this.#update(notify, audience)).catch((error: unknown) => {
      if (!isCancellation(error)) this.#options.onTrouble(`no more updates: ${(error as Error).message}`);
    });
  }

  async #update(notify: NotifyView, audience: Audience): Promise<void> {
    let everyMs = notify.updateEveryMs[audience];
    const promise = (): string => {
      const nextAt = isoIn(everyMs);
      if (audience === 'external') this.#externalNextAt = nextAt;
      return nextAt;
    };
    promise();
    for (let count = 1; ; count += 1) {
      await sleep(everyMs, { summary: `${audience} update every ${formatDuration(everyMs)}` });
      const { state } = this.#options.snapshot();
      // Outside, the next word after "available again" is "resolved".
      if (isEnded(this.#options.snapshot()) || (audience === 'external' && state.servedAt !== null)) return;
      if (count % updatesBeforeStretch === 0) everyMs = Math.min(longestUpdateMs, everyMs * 2);
      this.#tell(notify, { phase: 'update', nextAt: promise() }, audience);
    }
  }
}
