import { createRun } from '../../../workflows/runbook/create-run.ts';
import { reduceRun } from '../../../workflows/runbook/reduce-run.ts';
import type { GateRequest, PlannedStep, RunCommand, RunEvent, RunSnapshot } from '../../../workflows/runbook/run-types.ts';

export const incidentAt = '2026-11-21T03:00:00.000Z';
const incidentMs = Date.parse(incidentAt);

/** The instant `seconds` after the incident. */
export const at = (seconds: number): string => new Date(incidentMs + seconds * 1000).toISOString();

export const step = (id: string, needs: string[] = [], extra: Partial<PlannedStep> = {}): PlannedStep => ({
  id,
  uses: id,
  title: id,
  needs,
  budgetMs: null,
  retry: { attempts: 1, everyMs: 5_000 },
  undo: true,
  gate: null,
  skip: 'allowed',
  ...extra,
});

export const gate = (name: string, extra: Partial<GateRequest> = {}): GateRequest => ({
  gate: name,
  description: `may ${name} go on`,
  quorum: 1,
  people: [],
  notRequester: true,
  otherPeople: false,
  ...extra,
});

export const newRun = (steps: PlannedStep[]): RunSnapshot =>
  createRun({
    system: 'demo',
    purpose: 'recovery',
    requestedBy: 'dana',
    incidentAt,
    startedAt: incidentAt,
    rtoObjectiveMs: 3_600_000,
    rpoObjectiveMs: 300_000,
    steps,
  });

/** Events as a test writes them: without the time, which is given beside them. */
type Bare<E> = E extends unknown ? Omit<E, 'at'> : never;

/** A run under a test's hand: each event's commands are kept. */
export class Driver {
  snapshot: RunSnapshot;
  commands: RunCommand[] = [];
  second = 0;

  constructor(steps: PlannedStep[]) {
    this.snapshot = newRun(steps);
  }

  /** Feeds one event, one second after the last; answers with what it commands. */
  feed(event: Bare<RunEvent>, second = this.second + 1): RunCommand[] {
    this.second = second;
    const reduced = reduceRun(this.snapshot, { ...event, at: at(second) } as RunEvent);
    this.snapshot = reduced.snapshot;
    this.commands.push(...reduced.commands);
    return reduced.commands;
  }

  start(): RunCommand[] {
    return this.feed({ kind: 'run-started' });
  }

  done(id: string, extra: { opens?: GateRequest; passedOver?: boolean } = {}): RunCommand[] {
    return this.feed({ kind: 'step-done', step: id, attempt: this.attempt(id), summary: `${id} did it`, ...extra });
  }

  fail(id: string, helpable = true, type = 'SourceUnavailable'): RunCommand[] {
    return this.feed({ kind: 'step-failed', step: id, attempt: this.attempt(id), error: { type, message: 'gone' }, helpable });
  }

  undone(id: string): RunCommand[] {
    return this.feed({ kind: 'undo-done', step: id, attempt: this.snapshot.tracks[id]!.undoAttempt, summary: null });
  }

  undoFails(id: string, type = 'TargetUnavailable'): RunCommand[] {
    return this.feed({ kind: 'undo-failed', step: id, attempt: this.snapshot.tracks[id]!.undoAttempt, error: { type, message: 'no answer' } });
  }

  attempt(id: string): number {
    return this.step(id).attempt;
  }

  step(id: string): RunSnapshot['state']['steps'][number] {
    return this.snapshot.state.steps.find((candidate) => candidate.id === id)!;
  }

  gate(name: string): RunSnapshot['state']['gates'][number] {
    return this.snapshot.state.gates.find((candidate) => candidate.gate === name)!;
  }

  get status(): string {
    return this.snapshot.state.status;
  }

  get lastNote(): string {
    return this.snapshot.state.journal.at(-1)!.what;
  }
}

/** The ids that commands of one kind are about, in order. */
export const ids = (commands: readonly RunCommand[], kind: 'run-step' | 'run-undo' | 'cancel-step'): string[] =>
  commands.flatMap((command) => (command.kind === kind ? [command.step] : []));
