import type { IncidentState } from '../domain/incident.ts';

/** What is to come of a change, beside the change itself. */
export type Effect =
  | { kind: 'tell'; what: string; isNews: boolean }
  | { kind: 'start'; run: string; targetTime?: string | undefined }
  | { kind: 'update-given'; by: string }
  /** what a person wrote for people outside */
  | { kind: 'outside'; text: string }
  /** a rung of a ladder is reached; `over`: who was called there is not needed any more */
  | { kind: 'call'; ladder: string; rung: number; to: string[]; receivers?: string[] | undefined; over: boolean }
  | { kind: 'owner'; run: string; step: string; is: string; over: boolean };

export function note(state: IncidentState, at: string, what: string, by: string | null = null): void {
  state.journal.push({ at, by, what: what.slice(0, 600) });
}
