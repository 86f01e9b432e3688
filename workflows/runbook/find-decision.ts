import type { Decision } from '../act-recorder.ts';
import { messageNames, type MessageName } from '../domain/messages.ts';
import type { PersonsEvent, RunEvent, RunSnapshot } from './run-types.ts';

const aboutLength = 600;

const isPersons = (event: RunEvent): event is { at: string } & PersonsEvent => messageNames.includes(event.kind as MessageName);

/**
 * What one event was a person's decision of, for the audit: what they told the run and was done, or was refused. By looking at the run before and after, as `findMoments` does. A comment decides nothing;
 * a decision whose proof is being checked is none yet.
 *
 * When it was decided stands in its words: the record's own time is the store's, when it got there, and two that say the same are two.
 */
export function findDecision(before: RunSnapshot, event: RunEvent, after: RunSnapshot): Decision | undefined {
  const proved = event.kind === 'proof-checked' ? before.checks?.pending.find(({ check }) => check === event.check)?.event : undefined;
  const said = proved ?? (isPersons(event) ? event : undefined);
  if (!said || said.kind === 'comment') return undefined;
  const lines = after.state.journal.slice(before.state.journal.length);
  const refused = lines.find(({ what }) => what.startsWith(`${said.kind} not accepted`));
  if (!refused && !proved && 'proof' in said && said.proof) return undefined;
  const told = refused ? [refused] : lines.filter(({ by }) => by === said.by);
  const what = (told.length > 0 ? told : lines.slice(0, 1)).map((line) => `${line.about}: ${line.what}`).join('; ').slice(0, aboutLength);
  return { by: said.by, act: said.kind, outcome: refused ? 'refused' : 'permitted', about: `${what} (said at ${event.at})` };
}
