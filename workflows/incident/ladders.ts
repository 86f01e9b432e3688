import type { Ladders, Rung } from '../domain/contacts.ts';
import type { ClimbedLadder, IncidentState } from '../domain/incident.ts';
import { note, type Effect } from './effects.ts';

/** A view that is read anew may have other ladders: what is named here and gone calls nobody. */
const rungsOf = (ladders: Ladders, { name }: ClimbedLadder): Rung[] => ladders[name] ?? [];

/** From `at` on; one that is climbed already goes on. */
export function startLadders(state: IncidentState, names: readonly string[], at: string): void {
  for (const name of names) if (!state.ladders.some((ladder) => ladder.name === name)) state.ladders.push({ name, from: at, called: [] });
}

/** It was opened again: everybody may be called anew. */
export function restartLadders(state: IncidentState, at: string): void {
  state.answeredAt = null;
  state.ladders = state.ladders.map(({ name }) => ({ name, from: at, called: [] }));
}

const fits = (state: IncidentState, rung: Rung): boolean =>
  state.status !== 'resolved' && (rung.until === 'resolved' || state.answeredAt === null) && (rung.severity?.includes(state.severity ?? 'P2') ?? true);
const dueAt = ({ from }: ClimbedLadder, { afterMs }: Rung): number => Date.parse(from) + afterMs;
const isCalled = ({ called }: ClimbedLadder, index: number): boolean => called.some(({ rung }) => rung === index);

/** When a rung may be due next; null: none is. */
export function nextCallAt(state: IncidentState, ladders: Ladders): number | null {
  const times = state.ladders.flatMap((ladder) => rungsOf(ladders, ladder).flatMap((rung, index) => (isCalled(ladder, index) || !fits(state, rung) ? [] : [dueAt(ladder, rung)])));
  return times.length === 0 ? null : Math.min(...times);
}

/** Calls who is due, each rung once, and tells those who were called that they are not needed any more. */
export function climb(state: IncidentState, ladders: Ladders, at: string): Effect[] {
  return state.ladders.flatMap((ladder) =>
    rungsOf(ladders, ladder).flatMap((rung, index): Effect[] => {
      const { to, receivers } = rung;
      const before = ladder.called.find((one) => one.rung === index);
      const call = { ladder: ladder.name, rung: index, to, receivers };
      if (before) {
        // Who is called for a severity is not sent home when it changes.
        if (before.over || (state.status !== 'resolved' && (rung.until === 'resolved' || state.answeredAt === null))) return [];
        before.over = true;
        return [{ kind: 'call', ...call, over: true }];
      }
      if (!fits(state, rung) || dueAt(ladder, rung) > Date.parse(at)) return [];
      ladder.called.push({ rung: index, over: false });
      note(state, at, `${ladder.name}: called ${[...to, ...(receivers ?? []).map((receiver) => `receiver ${receiver}`)].join(', ')}`);
      return [{ kind: 'call', ...call, over: false }];
    }));
}
