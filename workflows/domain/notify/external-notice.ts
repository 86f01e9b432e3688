import { formatMinute } from '../units.ts';
import { fillTemplate, fitted, type ExternalWords, type Notice, type placeholders } from './notice.ts';

/** Of these the outside hears, and of nothing else. */
export type ExternalPhase = 'started' | 'update' | 'served' | 'resolved' | 'aborted' | 'note';

/** What an external message may be made of. It is given nothing else, so nothing else can get into it. */
export interface ExternalFacts {
  words: ExternalWords;
  run: string;
  number: number;
  /** UTC ISO */
  at: string;
  incidentAt: string;
  servedAt: string | null;
  /** when the next message comes at the latest; null: none is promised */
  nextAt: string | null;
  /** what a person or a runbook wrote, in place of the usual words */
  text?: string | undefined;
  /** what the message belongs to; left out: the run */
  thread?: string | undefined;
}

/** A line that promises what nobody knows is left out. */
const filled = (template: string, { words, incidentAt, servedAt, nextAt }: ExternalFacts): string[] =>
  fillTemplate<(typeof placeholders)[number]>(template, { service: words.service, impact: words.impact, since: formatMinute(incidentAt), back: servedAt && formatMinute(servedAt), next: nextAt && formatMinute(nextAt) });

/** The message to those outside: impact, and when they will hear again. No internals, and no names but the service's own. */
export function externalNotice(phase: ExternalPhase, facts: ExternalFacts): Notice {
  const { words, run, number, at, incidentAt, servedAt, nextAt } = facts;
  const next = nextAt === null ? [] : [`Next update by ${formatMinute(nextAt)}.`];
  const said: Record<ExternalPhase, { title: string; lines: string[] }> = {
    started: { title: 'service disruption', lines: [words.impact, `Since ${formatMinute(incidentAt)}. We are working on it.`, ...next] },
    update: { title: 'still disrupted', lines: [words.impact, `Since ${formatMinute(incidentAt)}. We are still working on it.`, ...next] },
    served: { title: 'available again', lines: [`The service has been available again since ${formatMinute(servedAt ?? at)}. We are watching it.`, ...next] },
    resolved: { title: 'resolved', lines: [servedAt ? `The service has been available since ${formatMinute(servedAt)}.` : 'The work on the disruption is complete.', 'This is the last message about it.'] },
    aborted: { title: 'update on the disruption', lines: ['The work that was under way was stopped by us.', 'How it goes on we shall say in a message of its own.'] },
    note: { title: 'message', lines: [facts.text ?? '', ...next] },
  };
  const { title, lines: usual } = said[phase];
  const { thread = run } = facts;
  const template = phase === 'note' ? undefined : words.templates?.[phase];
  const lines = facts.text !== undefined ? [facts.text, ...next] : template !== undefined ? filled(template, facts) : usual;
  return fitted({
    id: `${run}/${number}-${phase}`,
    audience: 'external',
    phase,
    severity: phase === 'started' || phase === 'update' ? 'error' : 'info',
    at,
    title: `${words.service}: ${title}`,
    lines,
    answers: [],
    thread,
    // One subject: an older message of it is stale once a newer one is due. What a person wrote is sent as it is.
    alert: phase === 'note' || (facts.text !== undefined && phase !== 'resolved') ? null : { key: thread, state: phase === 'resolved' || phase === 'aborted' ? 'closed' : 'open' },
    facts: { service: words.service, impact: phase === 'started' || phase === 'update' ? words.impact : null, incidentAt, servedAt, nextUpdateBy: nextAt },
  });
}
