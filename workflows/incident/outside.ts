import type { IncidentsView } from '../domain/incident-schema.ts';
import { recoveredAt, type IncidentState } from '../domain/incident.ts';
import type { NotifyView } from '../domain/notify/notice.ts';
import { hours } from '../domain/units.ts';

/** What people outside are told of an incident. */
export interface OutsideSaid {
  phase: 'started' | 'update' | 'served' | 'resolved' | 'aborted';
  /** what a person wrote for them, word by word */
  text?: string | undefined;
}

interface Told {
  notify: NotifyView | undefined;
  incidents: Pick<IncidentsView, 'outside'>;
}

const updatesBeforeStretch = 8;
const longestUpdateMs = hours(4);

const later = (at: string, ms: number): string => new Date(Date.parse(at) + ms).toISOString();

/** Like a run's: at first as often as the system file says, then more and more seldom. */
const everyMs = ({ updateEveryMs }: NotifyView, count: number): number => Math.min(longestUpdateMs, updateEveryMs.external * 2 ** Math.floor(count / updatesBeforeStretch));

const tellsOutside = ({ notify, incidents }: Told): boolean => notify?.external !== undefined && incidents.outside.length > 0;

/** When people outside are to hear something next; null: nothing is due by itself. A view that is read anew may tell nobody outside any more: a time that stayed in the state would be due for ever. */
export const nextOutsideAt = ({ outside }: IncidentState, told: Told): number | null => (tellsOutside(told) && outside?.nextAt ? Date.parse(outside.nextAt) : null);

/**
 * What is to be said outside now, given how the incident stands; what was said is in the state, so that nothing is said twice. It begins once the incident is as
 * severe as the system file asks for, or a person wrote something for them, and ends with the incident.
 *
 * @param text - what a person has just written for them
 */
export function sayOutside(state: IncidentState, told: Told, at: string, text?: string): OutsideSaid[] {
  const { notify, incidents } = told;
  if (!notify || !tellsOutside(told)) return [];
  const { outside } = state;
  if (!outside) {
    const isMeant = state.severity !== null && incidents.outside.includes(state.severity);
    if (state.status === 'resolved' || state.closedAt !== null || !(isMeant || text !== undefined)) return [];
    state.outside = { nextAt: later(at, everyMs(notify, 0)), count: 0, served: false };
    return [{ phase: 'started', text }];
  }
  if (state.status === 'resolved' || state.closedAt !== null) {
    delete state.outside;
    // A cancelled incident promises nothing.
    return [{ phase: state.status === 'resolved' ? 'resolved' : 'aborted', text }];
  }
  if (!outside.served && recoveredAt(state) !== null) {
    state.outside = { ...outside, served: true, nextAt: null };
    return [{ phase: 'served', text }];
  }
  const isDue = outside.nextAt !== null && outside.nextAt <= at;
  if (!isDue && text === undefined) return [];
  const count = outside.count + 1;
  // After "available again" the next word is "resolved", or what a person writes.
  state.outside = { ...outside, count, nextAt: outside.served ? null : later(at, everyMs(notify, count)) };
  return [{ phase: outside.served ? 'served' : 'update', text }];
}
