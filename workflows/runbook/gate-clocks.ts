import { hasRights, samePerson } from '../domain/people.ts';
import { approvalsAt, type GateState } from '../domain/run-state.ts';
import { formatDuration } from '../domain/units.ts';
import type { Draft } from './draft.ts';
import { passApproved } from './pass-gate.ts';
import type { TimerRef } from './run-types.ts';

type GateTimer = Extract<TimerRef, { gate: string }>;

const later = (at: string, ms: number): string => new Date(Date.parse(at) + ms).toISOString();

/** A gate that waits for a week must not fill the history: each round is twice as long as the last, each ten reminders twice as far apart. */
const slowest = 6;
const roundMs = (expiresAfterMs: number, round: number): number => expiresAfterMs * 2 ** Math.min(round - 1, slowest);
const reminderMs = (remindEveryMs: number, n: number): number => remindEveryMs * 2 ** Math.min(Math.floor(n / 10), slowest);

const open = (draft: Draft, { gate, openedAt }: GateTimer): GateState | undefined =>
  draft.snapshot.state.gates.find((other) => other.gate === gate && other.status === 'open' && other.openedAt === openedAt);

const missing = (gate: GateState): string => `${gate.decisions.length} of ${gate.quorum}`;

/** From the opening of a gate on. Timers of a gate that has closed come due and do nothing. */
export function startGateClocks(draft: Draft, gate: GateState): void {
  const { expiresAfterMs, remindEveryMs, escalate = [] } = gate.clocks ?? {};
  if (gate.notBefore !== undefined) draft.commands.push({ kind: 'start-timer', timer: { kind: 'gate-wait', gate: gate.gate, openedAt: gate.openedAt!, n: 0 }, dueAt: gate.notBefore });
  if (expiresAfterMs !== undefined) startRound(draft, gate, expiresAfterMs);
  if (remindEveryMs !== undefined) start(draft, gate, 'gate-reminder', 0, remindEveryMs);
  escalate.forEach(({ afterMs }, rung) => start(draft, gate, 'gate-escalation', rung, afterMs));
}

function start(draft: Draft, gate: GateState, kind: GateTimer['kind'], n: number, inMs: number): void {
  draft.commands.push({ kind: 'start-timer', timer: { kind, gate: gate.gate, openedAt: gate.openedAt!, n }, dueAt: later(draft.at, inMs) });
}

function startRound(draft: Draft, gate: GateState, expiresAfterMs: number): void {
  const round = gate.round ?? 1;
  const inMs = roundMs(expiresAfterMs, round);
  gate.round = round;
  gate.lapsesAt = later(draft.at, inMs);
  start(draft, gate, 'gate-lapse', round, inMs);
}

export function gateDue(draft: Draft, timer: GateTimer): void {
  const gate = open(draft, timer);
  if (!gate) return;
  if (timer.kind === 'gate-wait') {
    if (passApproved(draft, gate)) draft.note(gate.gate, gate.quorum > 0 ? 'its time has come, and all have approved' : 'its time has come, and nobody has rejected it');
    return;
  }
  // It only waits for its time: nobody is to be asked again.
  if (approvalsAt(gate) >= gate.quorum) return;
  if (timer.kind === 'gate-lapse') lapse(draft, gate, timer.n);
  else if (timer.kind === 'gate-reminder') remind(draft, gate, timer.n);
  else escalate(draft, gate, timer.n);
}

/** What somebody agreed to an hour ago is not what the next one agrees to now: both are asked again. */
function lapse(draft: Draft, gate: GateState, round: number): void {
  const { expiresAfterMs } = gate.clocks ?? {};
  if ((gate.round ?? 1) !== round || expiresAfterMs === undefined) return;
  const lapsed = gate.decisions.map(({ by }) => by);
  gate.round = round + 1;
  gate.decisions = [];
  startRound(draft, gate, expiresAfterMs);
  if (lapsed.length > 0) draft.warn(gate.gate, `the approval of ${lapsed.join(', ')} has lapsed: not all ${gate.quorum} came in time. Asked again, round ${gate.round}, until ${gate.lapsesAt}`);
  else draft.note(gate.gate, `nobody has answered; asked again, round ${gate.round}, until ${gate.lapsesAt}`);
}

function remind(draft: Draft, gate: GateState, n: number): void {
  const waitedMs = Date.parse(draft.at) - Date.parse(gate.openedAt!);
  draft.note(gate.gate, `reminder: open for ${formatDuration(waitedMs)}, ${missing(gate)} approvals${gate.people.length > 0 ? `; asked: ${gate.people.join(', ')}` : ''}`);
  start(draft, gate, 'gate-reminder', n + 1, reminderMs(gate.clocks!.remindEveryMs!, n + 1));
}

function escalate(draft: Draft, gate: GateState, rung: number): void {
  const step = gate.clocks?.escalate?.[rung];
  if (!step) return;
  const { people } = draft.snapshot;
  const called = step.to.map((name) => people?.[name]?.name ?? name);
  if (called.length > 0) gate.escalatedTo = [...(gate.escalatedTo ?? []), ...called];
  // An empty list means anybody, and stays that. Who has no rights is told, and is not asked.
  if (gate.people.length > 0) gate.people = [...gate.people, ...called.filter((name) => hasRights(people, name) && !gate.people.some((other) => samePerson(people, other, name)))];
  draft.warn(gate.gate, `escalated to ${[...called, ...(step.receivers ?? []).map((receiver) => `receiver ${receiver}`)].join(', ')}: open for ${formatDuration(step.afterMs)}, ${missing(gate)} approvals`);
}
