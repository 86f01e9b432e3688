import { fileURLToPath } from 'node:url';
import type { ArchiveOutcome } from '../../workflows/contract.ts';
import { contactsSchema, toLadders } from '../../workflows/domain/contacts.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { incidentsSchema, toIncidentsView } from '../../workflows/domain/incident-schema.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { hours, kib } from '../../workflows/domain/units.ts';
import type { Owner } from '../harness/cleanup.ts';
import { historyBytes } from '../replay/history.ts';
import { openLab, type Lab } from './lab.ts';
import { point, view, type Stubs } from './stub-activities.ts';

/**
 * What lives long, through weeks or a year that the test's clock skips: archives and an incident that everybody forgot. Each continues as new; what one run was, and
 * what it handed on, is told by its history.
 */
export interface Run {
  events: number;
  bytes: number;
  /** what it was begun with: all that is carried over */
  carriedBytes: number;
  /** it goes on */
  isLast: boolean;
}

/** What one of these may come to, however long it lives. */
interface Bounds {
  /** of one run */
  events: number;
  bytes: number;
  carriedBytes: number;
  /** runs in a day: fewer, and one grows; more, and it does little else than continue as new */
  aDay: { least: number; most: number };
}

/** Held over a day by `npm test`, over a week or a year by `npm run bench -- year`. Temporal ends a workflow at 51,200 events, or 50 MiB. */
export const boundsOf = {
  archive: { events: 2_000, bytes: kib(1_024), carriedBytes: kib(16), aDay: { least: 12, most: 60 } },
  // Of a run that was ended by its length some tasks were under way.
  hung: { events: 1_600, bytes: kib(1_024), carriedBytes: kib(16), aDay: { least: 1.5, most: 4 } },
  incident: { events: 4_500, bytes: kib(2_048), carriedBytes: kib(16), aDay: { least: 2 / 365, most: 12 / 365 } },
} as const satisfies Record<string, Bounds>;

/** @returns what is out of bounds, a line each. */
export function breachesOf(life: keyof typeof boundsOf, runs: readonly Run[], days: number): string[] {
  const { aDay, ...ofRun } = boundsOf[life];
  const [least, most] = [Math.ceil(aDay.least * days), Math.ceil(aDay.most * days)];
  return [
    ...Object.entries(ofRun).flatMap(([of, bound]) => runs.filter((run) => run[of as keyof typeof ofRun] > bound).slice(0, 1).map((run) => `${life}: ${of} ${run[of as keyof typeof ofRun]} in a run, at most ${bound}`)),
    ...(runs.length < least || runs.length > most ? [`${life}: ${runs.length} runs in ${days} days, expected ${least} to ${most}`] : []),
  ];
}

const notify = toNotifyView(notifySchema.parse({ receivers: { ops: { kind: 'webhook', url: 'http://127.0.0.1:9/', secret: 'file:s' } } }))!;
const contacts = contactsSchema.parse({ sre: [{ after: '0m', receivers: ['ops'] }, { after: '15m', to: ['lead'] }] });
const living: SystemView = {
  ...view,
  notify,
  ladders: toLadders(contacts),
  incidents: toIncidentsView(incidentsSchema.parse({ contacts: ['sre'] }), undefined, contacts),
  sources: { documents: view.sources['documents']!, hung: view.sources['documents']! },
};

export interface LifeOptions {
  /** people are told, so somebody looks every five minutes whether the archive is late; false: nobody looks, and a year takes minutes */
  told: boolean;
  /** rounds from one gap, and the base behind it, to the next */
  gapEvery: number;
}

/** Twelve hours have all of this in them: an election, a gap, a source that is refused three times; and for two of them the archive is late. */
function outcomeOf(hour: number, gapEvery: number): ArchiveOutcome {
  if (hour % 12 >= 8 && hour % 12 < 11) throw new HoldfastError('Unsupported', `hour ${hour}: ${'the source is of another kind now; '.repeat(20)}`);
  const archivedTo = `${1_763_700_000 + hour * 3_600}-0000000001`;
  const gap = hour % gapEvery === 0 ? { from: point.reaches, to: archivedTo, why: 'the log was rolled over '.repeat(20) } : null;
  return { why: gap ? 'gap' : hour % 12 === 5 ? 'election' : 'handover', timeline: 't00000001', archivedTo, slices: 3_600, entries: 100_000, gap };
}

export async function openLife(owner: Owner, { told, gapEvery }: LifeOptions = { told: true, gapEvery: 7 }): Promise<Lab> {
  let [beganMs, hour] = [0, 0];
  const answers: Partial<Stubs['answers']> = {
    loadSystem: () => Promise.resolve(told ? living : { ...living, notify: undefined }),
    archiveLog: async () => outcomeOf((hour += 1), gapEvery),
    readArchiveStatus: async (of) => {
      const now = await lab.env.currentTimeMs();
      beganMs ||= now;
      const late = Math.floor((now - beganMs) / hours(1)) % 12 < 2;
      return { ...of, timeline: 't00000001', archivedTo: point.reaches, archivedToAt: null, sourceAt: null, sourceReachable: true, rpoMs: late ? hours(1) : 1_000, checkedAt: new Date(now).toISOString(), note: null };
    },
  };
  const lab: Lab = await openLab(owner, answers, [fileURLToPath(new URL('slow-archive.ts', import.meta.url))]);
  return lab;
}

/** Lets days pass, a day at a time, and looks at each of these after every so many. */
export async function live(lab: Lab, days: number, lives: readonly Life[], lookEveryDays = 1): Promise<void> {
  for (let day = 1; day <= days; day += 1) {
    await lab.env.sleep(hours(24));
    if (day % lookEveryDays === 0 || day === days) for (const life of lives) await life.look();
  }
}

/** One of them, and what it was, run by run. */
export class Life {
  readonly runs: Run[] = [];
  readonly #lab: Lab;
  readonly #workflowId: string;
  #runId: string;

  private constructor(lab: Lab, workflowId: string, firstRunId: string) {
    this.#lab = lab;
    this.#workflowId = workflowId;
    this.#runId = firstRunId;
  }

  static async archive(lab: Lab, source: 'documents' | 'hung'): Promise<Life> {
    const id = `archive/demo/${source}`;
    await lab.start('runArchive', { system: 'demo', source }, id);
    return await Life.#of(lab, id);
  }

  static async incident(lab: Lab): Promise<Life> {
    await (await lab.start('openIncident', { system: 'demo', summary: 'documents cannot be saved', requestedBy: 'dana' })).result();
    return await Life.#of(lab, 'incident/demo');
  }

  static async #of(lab: Lab, id: string): Promise<Life> {
    return new Life(lab, id, (await lab.env.client.workflow.getHandle(id).describe()).runId);
  }

  /** Reads the runs that have ended since, and the one that goes on. */
  async look(): Promise<void> {
    if (this.runs.at(-1)?.isLast) this.runs.pop();
    for (let isLast = false; !isLast; ) {
      const history = await this.#lab.env.client.workflow.getHandle(this.#workflowId, this.#runId).fetchHistory();
      const events = history.events ?? [];
      const input = events[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
      const next = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
      isLast = !next;
      this.runs.push({ events: events.length, bytes: historyBytes(history), carriedBytes: input.reduce((sum, { data }) => sum + (data?.length ?? 0), 0), isLast });
      if (next) this.#runId = next;
    }
  }
}
