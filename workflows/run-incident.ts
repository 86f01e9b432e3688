import { allHandlersFinished, CancellationScope, condition, defineQuery, defineSignal, defineUpdate, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { ActRecorder, describeUnrecorded } from './act-recorder.ts';
import { callControl } from './call.ts';
import { startLocked, trySignal } from './children.ts';
import { continueOnCurrent } from './continue-on-current.ts';
import { describeIssues } from './domain/describe-issues.ts';
import { HoldfastError } from './domain/errors.ts';
import { recordOf, type IncidentRecord } from './domain/incident-record.ts';
import { goesOn, incidentSignals, type IncidentRun, type IncidentState, type JoinAsked, type RunTold } from './domain/incident.ts';
import { incidentMessageDescriptions, incidentMessageNames, incidentMessageSchemas, type IncidentMessageName } from './domain/incident-messages.ts';
import { journalCarriedLines, journalPageLines, journalStateLines } from './domain/journal.ts';
import { anonymous, queryNames, type Severity } from './domain/messages.ts';
import { hours, minutes } from './domain/units.ts';
import { describeFailure, failing, failure } from './failure.ts';
import { applyAlert, belongs } from './incident/apply-alert.ts';
import { note, type Effect } from './incident/effects.ts';
import { acts, applyMessage, refuseMessage, type Asked } from './incident/apply-message.ts';
import { applyJoin, applyTold } from './incident/apply-run.ts';
import { findLostRuns } from './incident/find-lost-runs.ts';
import { newState, openedBy, type AlertTold, type IncidentView, type OpenedIncident, type RunIncidentInput } from './incident/incident-input.ts';
import { IncidentVoice } from './incident/incident-voice.ts';
import { climb, nextCallAt, startLadders } from './incident/ladders.ts';
import { nextOutsideAt } from './incident/outside.ts';
import { showIncident } from './incident/show-incident.ts';
import { JournalKeeper } from './journal-keeper.ts';
import { nowAt } from './now-at.ts';
import type { Refusal } from './runbook/waits-for.ts';
import { mark } from './search-attributes.ts';

/** A history must stay small: after so many messages it continues as new. */
const messagesPerRun = 300;
const remindersBeforeStretch = 8;
const longestReminderMs = hours(24);
/** A store that is away is waited for; what the incident says stands in Temporal meanwhile. */
const writeAgainMs = minutes(5);
const writesAtMost = 12;

/**
 * One incident of a system, under the id `incident/<system>`, from its opening until it was reviewed. It owns the clock, what people say of it, its owners
 * and its runs; it starts a recovery when a person says so, or when the system file lets that alert do it. It decides nothing about a recovery: each is a run of
 * its own, with its own approvals, and goes on whatever becomes of the incident.
 *
 * Killed anywhere: its state is its history. A recovery is started under an id made of incident and run, and is that one start; an alert that is
 * delivered again is known by its key. It continues as new with its whole state.
 */
export async function runIncident(input: RunIncidentInput): Promise<IncidentRecord> {
  const incident = await failing(() => new Incident(input));
  const next = await CancellationScope.nonCancellable(() => incident.run());
  if ('record' in next) return next.record;
  return await continueOnCurrent<typeof runIncident>(next.again);
}

class Incident {
  #view: IncidentView;
  readonly #opened: OpenedIncident;
  readonly #state: IncidentState;
  readonly #voice: IncidentVoice;
  readonly #journal: JournalKeeper;
  /** writes what people decide into the audit */
  readonly #recorder: ActRecorder;
  #reminders: number;
  /** counts this run's messages */
  #heard = 0;
  /** starts of recoveries that are on their way */
  #starting = 0;
  /** alerts of the incident after this one */
  #next: AlertTold[] = [];
  #cancelled = false;
  #shownStatus: IncidentState['status'] | undefined;
  #shownSeverity: Severity | null | undefined;

  constructor({ view, opened, state, reminders = 0, alerts = [], unrecorded = [] }: RunIncidentInput) {
    if (!view?.system || !opened) throw new HoldfastError('BadInput', 'runIncident is started by openIncident, which checks what it is given.', { hint: 'start openIncident with {"system": "demo", "summary": "…"}' });
    this.#view = view;
    this.#opened = opened;
    this.#reminders = reminders;
    this.#state = state ?? newState(view, opened, nowAt());
    this.#voice = new IncidentVoice(view.system, { reminded: reminders > 0, onTrouble: (what) => this.#warn(`notify: ${what}`) });
    this.#recorder = new ActRecorder(view.system, (what) => this.#warn(`audit: ${what}`));
    this.#journal = new JournalKeeper({
      system: view.system,
      of: { in: 'incidents', id: this.#state.id },
      lines: () => this.#state.journal,
      pages: () => this.#state.journalPages ?? 0,
      onKept: (page) => void Object.assign(this.#state, { journalPages: page, journal: this.#state.journal.slice(journalPageLines) }),
      onTrouble: (what) => this.#warn(`journal: ${what}`),
    });
    this.#handle();
    void CancellationScope.current().cancelRequested.catch(() => (this.#cancelled = true));
    if (!state) this.#begin();
    unrecorded.forEach((decision) => this.#recorder.record(decision));
    alerts.forEach((told) => this.#hearAlert(told));
    this.#publish();
  }

  async run(): Promise<{ record: IncidentRecord } | { again: RunIncidentInput }> {
    for (;;) {
      if (this.#isOver()) return await this.#close();
      if (!this.#isLong()) await this.#waitForNews();
      else {
        await this.#settled();
        const { decisions } = this.#recorder.unrecorded();
        // What ended it meanwhile must not be left behind.
        if (!this.#isOver()) return { again: { view: this.#view, opened: this.#opened, state: this.#carried(), reminders: this.#reminders, ...(decisions.length > 0 ? { unrecorded: decisions } : {}) } };
      }
    }
  }

  #begin(): void {
    const { by, alert } = this.#opened;
    note(this.#state, nowAt(), `opened: ${this.#state.summary}`, by);
    startLadders(this.#state, this.#view.incidents.contacts, nowAt());
    this.#carryOut(alert ? applyAlert(this.#state, alert, this.#view.incidents, nowAt()) : [{ kind: 'tell', what: this.#state.summary, isNews: true }]);
    this.#look();
  }

  readonly #isOver = (): boolean => this.#state.review !== null || this.#cancelled || this.#next.length > 0;
  readonly #isLong = (): boolean => this.#heard >= messagesPerRun || workflowInfo().continueAsNewSuggested;

  async #waitForNews(): Promise<void> {
    const due = this.#nextDueMs();
    const changed = (): boolean => this.#isOver() || this.#isLong() || this.#nextDueMs() !== due;
    if (due === null) return await condition(changed);
    if (await condition(changed, Math.max(1, due - Date.now()), { summary: 'the next reminder, call or update to people outside is due' })) return;
    const updateDue = this.#updateDueMs();
    if (updateDue !== null && updateDue <= Date.now()) this.#remind();
    this.#look();
    this.#publish();
  }

  #remind(): void {
    const reminders = this.#reminders;
    this.#reminders += 1;
    if (reminders === 0) note(this.#state, nowAt(), this.#state.status === 'resolved' ? 'the review is due' : 'the next update is due');
    this.#voice.remind(this.#state, this.#view);
  }

  readonly #updateDueMs = (): number | null => (this.#state.nextUpdateAt === null ? null : Date.parse(this.#state.nextUpdateAt) + this.#sinceDueMs(this.#reminders));

  /** What comes by itself next: a reminder, a rung of the contacts, an update to people outside; null: nothing does. */
  #nextDueMs(): number | null {
    const dues = [this.#updateDueMs(), nextCallAt(this.#state, this.#view.incidents.ladders), nextOutsideAt(this.#state, this.#view)].filter((ms) => ms !== null);
    return dues.length === 0 ? null : Math.min(...dues);
  }

  /** Whoever is due is called, and people outside hear what they are to hear. */
  #look(text?: string): void {
    this.#carryOut(climb(this.#state, this.#view.incidents.ladders, nowAt()));
    this.#voice.tellOutside(this.#state, this.#view, nowAt, text);
  }

  /** When the reminder of that number comes, after the due time: at first as often as updates, then more and more seldom. */
  #sinceDueMs(number: number): number {
    const everyMs = this.#state.status === 'resolved' ? longestReminderMs : this.#updateEveryMs();
    return Array.from({ length: number }, (_, n) => Math.min(longestReminderMs, everyMs * 2 ** Math.floor(n / remindersBeforeStretch))).reduce((sum, ms) => sum + ms, 0);
  }

  readonly #updateEveryMs = (): number => this.#view.incidents.updateEveryMs[this.#state.severity ?? 'P2'];

  /** Synchronous: handlers must stand before the first message is delivered. */
  #handle(): void {
    for (const name of incidentMessageNames) {
      const description = incidentMessageDescriptions[name];
      setHandler(defineSignal<[unknown]>(name), (sent) => this.#hearSignal(name, sent), { description });
      setHandler(defineUpdate<{ accepted: true; status: IncidentState['status'] }, [unknown]>(name), async (sent) => {
        const refused = await this.#hear(name, sent);
        if (refused) throw failure(refused.type, `${name}: ${refused.message}`);
        return { accepted: true, status: this.#state.status };
      }, { description, validator: (sent) => this.#validate(name, sent) });
    }
    const ours = 'Sent by Holdfast itself. Nothing for people to send.';
    setHandler(defineSignal<[AlertTold]>(incidentSignals.alert), (told) => this.#hearAlert(told), { description: ours });
    setHandler(defineSignal<[RunTold]>(incidentSignals.run), (told) => this.#changed(() => applyTold(this.#state, told, nowAt())), { description: ours });
    setHandler(defineSignal<[JoinAsked]>(incidentSignals.join), (asked) => this.#hearJoin(asked), { description: ours });
    setHandler(defineQuery<IncidentState>(queryNames.state), () => ({ ...this.#state, journal: this.#state.journal.slice(-journalStateLines) }), { description: 'The whole state of the incident: status, clock, owners, alerts, runs, journal.' });
    setHandler(defineQuery<string>(queryNames.help), () => incidentMessageNames.map((name) => `${name}: ${incidentMessageDescriptions[name]}`).join('\n'), { description: 'What can be sent to this incident, with examples.' });
  }

  #parse(name: IncidentMessageName, sent: unknown): Asked | { problem: string } {
    const given = sent ?? {};
    const parsed = incidentMessageSchemas[name].safeParse(given);
    return parsed.success ? ({ name, message: parsed.data } as Asked) : { problem: `${describeIssues(parsed.error, given)}. ${incidentMessageDescriptions[name]}` };
  }

  #validate(name: IncidentMessageName, sent: unknown): void {
    const asked = this.#parse(name, sent);
    if ('problem' in asked) throw failure('BadInput', `${name}: ${asked.problem}`);
    const refused = refuseMessage(this.#state, asked, this.#view);
    if (refused) throw failure(refused.type, `${name}: ${refused.message}`);
  }

  async #hearSignal(name: IncidentMessageName, sent: unknown): Promise<void> {
    const refused = await this.#hear(name, sent);
    if (refused) this.#changed(() => (note(this.#state, nowAt(), `${name} not accepted: ${refused.message}`), []));
  }

  async #hear(name: IncidentMessageName, sent: unknown): Promise<Refusal | undefined> {
    const asked = this.#parse(name, sent);
    if ('problem' in asked) return { type: 'BadInput', message: asked.problem };
    if (asked.name === 'resolve' && !asked.message.force) await findLostRuns(this.#state, nowAt);
    const refused = refuseMessage(this.#state, asked, this.#view) ?? (asked.name === 'resolve' && !asked.message.force ? this.#refuseResolve() : undefined);
    if (refused) {
      this.#decided(asked, 'refused', refused.message);
      return refused;
    }
    const lines = this.#state.journal.length;
    const ms = { update: this.#updateEveryMs, review: this.#view.incidents.reviewWithinMs };
    this.#changed(() => applyMessage(this.#state, asked, nowAt(), ms));
    this.#decided(asked, 'permitted', this.#state.journal.slice(lines).map(({ what }) => what).join('; '));
    return undefined;
  }

  /** Words alone decide nothing. */
  #decided({ name, message }: Asked, outcome: 'permitted' | 'refused', what: string): void {
    const isComment = name === 'update' && message.status === undefined && message.severity === undefined && message.impact === undefined && message.outside === undefined;
    if (isComment) return;
    this.#recorder.record({ by: message.by ?? null, act: acts[name], outcome, about: `incident ${this.#state.id}: ${name}: ${what.slice(0, 500)} (said at ${nowAt()})` });
  }

  #refuseResolve(): Refusal | undefined {
    const open = this.#state.runs.filter(goesOn);
    if (open.length === 0) return undefined;
    return { type: 'NotWaiting', message: `${open.map(({ id, status, workflowId }) => `run ${id} (${workflowId ?? 'starting'}) goes on: ${status}`).join('; ')}. Let it end or abort it, or say "force": true.` };
  }

  #hearAlert(told: AlertTold): void {
    if (!belongs(this.#state, told.alert, nowAt()) || this.#isOver()) {
      if (told.alert.state === 'firing') this.#next.push(told);
      this.#heard += 1;
      return;
    }
    this.#view = told.view;
    this.#changed(() => applyAlert(this.#state, told.alert, this.#view.incidents, nowAt()));
  }

  async #hearJoin(asked: JoinAsked): Promise<void> {
    const answer = this.#isOver() ? { refused: `incident ${this.#state.id} is closed` } : applyJoin(this.#state, asked, nowAt());
    this.#changed(() => []);
    await trySignal(asked.entry, incidentSignals.joined, answer);
  }

  #changed(change: () => Effect[]): void {
    this.#heard += 1;
    const due = this.#state.nextUpdateAt;
    const effects = change();
    if (this.#state.nextUpdateAt !== due) this.#reminders = 0;
    this.#carryOut(effects);
    this.#look(effects.find((effect) => effect.kind === 'outside')?.text);
    this.#publish();
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'start') void this.#start(this.#state.runs.find(({ id }) => id === effect.run)!, effect.targetTime);
      else this.#voice.tell(this.#state, this.#view, effect);
    }
  }

  /** Started for good once the command is in the history: its id is of this incident and this run. */
  async #start(run: IncidentRun, targetTime: string | undefined): Promise<void> {
    const { system, id } = this.#state;
    const entry = `recover/${system}/incident/${id}/${run.id}`;
    run.entry = entry;
    const input = { system, incident: id, requestedBy: run.by, reason: run.why.slice(0, 500), ...(run.runbook ? { runbook: run.runbook } : {}), ...(targetTime ? { targetTime } : {}) };
    this.#starting += 1;
    try {
      const child = await startLocked('recoverSystem', entry, input, `recovery of ${system} for incident ${id}`);
      // It tells by signal how it ends: a result would be lost with the run that waited for it.
      child?.result().catch(() => undefined);
    } finally {
      this.#starting -= 1;
    }
  }

  #warn(what: string): void {
    if (!this.#state.warnings.includes(what)) this.#state.warnings = [...this.#state.warnings, what].slice(-50);
  }

  #publish(): void {
    const { system, status, severity } = this.#state;
    setCurrentDetails(showIncident(this.#state, nowAt()));
    this.#journal.look();
    if (status !== this.#shownStatus || severity !== this.#shownSeverity) mark({ system, purpose: 'incident', phase: status, severity: severity ?? undefined });
    this.#shownStatus = status;
    this.#shownSeverity = severity;
  }

  /** What goes on into the next history: of lines that no store has taken the newest. */
  #carried(): IncidentState {
    const lost = this.#state.journal.length - journalCarriedLines;
    if (lost > 0) this.#warn(`journal: ${lost} lines that the store did not take are lost`);
    return { ...this.#state, journal: this.#state.journal.slice(-journalCarriedLines) };
  }

  async #settled(): Promise<void> {
    await Promise.all([this.#recorder.settled(minutes(1)), this.#journal.settled(minutes(1))]);
    await condition(() => allHandlersFinished() && this.#starting === 0);
    (await this.#voice.flush()).forEach((untold) => this.#warn(untold));
    await condition(() => allHandlersFinished() && this.#starting === 0);
  }

  /** Writes down what is kept of it. A firing alert that comes meanwhile begins the next incident. */
  async #close(): Promise<{ record: IncidentRecord } | { again: RunIncidentInput }> {
    const state = this.#state;
    const at = nowAt();
    if (state.review === null) note(state, at, this.#cancelled ? 'closed by a cancel, without a review' : 'closed without a review: another incident began');
    const by = state.review?.by ?? anonymous;
    Object.assign(state, { closedAt: at, nextUpdateAt: null } satisfies Partial<IncidentState>);
    this.#carryOut([{ kind: 'update-given', by }]);
    this.#voice.tellOutside(this.#state, this.#view, nowAt);
    this.#publish();
    await this.#settled();
    describeUnrecorded(this.#recorder.unrecorded()).forEach((what) => this.#warn(`audit: ${what}`));
    await this.#write();
    await condition(allHandlersFinished);
    const [first, ...rest] = this.#next;
    if (!first || this.#cancelled) return { record: recordOf(state) };
    return { again: { view: first.view, opened: openedBy(first, nowAt()), alerts: rest } };
  }

  async #write(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await callControl('writeIncident', { record: recordOf(this.#carried()) }, 'write down what is kept of the incident');
        return;
      } catch (error) {
        const { type, message } = describeFailure(error);
        this.#warn(`it could not be written to the store: ${type}: ${message}`.slice(0, 300));
        if (tries >= writesAtMost || this.#cancelled) return;
        this.#publish();
        await condition(() => this.#cancelled, writeAgainMs, { summary: 'the store did not take the incident' });
      }
    }
  }
}
