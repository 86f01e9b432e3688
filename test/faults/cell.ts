import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import { readActivities } from '../../scripts/status/read-activities.ts';
import type { Bench } from './bench.ts';
import { until } from '../harness/until.ts';
import { goneWell, readsStatus } from './read-status.ts';

/** The system in the middle of a phase, held there by a condition that was seen. */
export interface Middle {
  /** the lock whose work is in its middle */
  workflowId: string;
  /** the activity that is under way */
  activity: string;
  /** the process of the data plane that does it; undefined: the worker does it itself */
  dataPlane?: number | undefined;
  mongod: { pidFile: string; start(): Promise<unknown> };
  /** what Temporal showed before the fault: what was said then is not taken for an answer to it */
  before?: Bookmark;
  /** the step that may take a server that is gone for what it came for, or have all that it needs of it, and says so in its summary instead of failing */
  ends?: { uses: string; saying: RegExp };
  /** the phase is held by a mongod that is stopped: `release` lets that go on */
  heldByMongod?: boolean;
  /** the worker itself waits for what holds the phase, and goes on without it after seconds: one that hangs must not wake up to that */
  holdsBriefly?: boolean;
  /** set by a fault that left the old primary alive: its fence may not cost the tail of its log, so the drain must be done */
  logIsThere?: boolean;
  /** what status said in the middle of the fault: kept by who read it */
  read?: string;
  /** Lets the work go on. Safe to repeat. */
  release(): void;
  /** Waits for the end of the work, answers gates, asserts that all is there and little was done twice. @returns the end, in words */
  finish(): Promise<string>;
}

/** A person looks no oftener; each look costs the server a whole history. */
const pollMs = 400;

/** Takes the system to the middle of a phase. */
export type Enter = (bench: Bench) => Promise<Middle>;

/** `end`: how the work ended, where the fault is to end it; left out: it is to go on to its own end, which `finish` asserts. */
export interface Struck {
  /** what a person saw, in the words that Holdfast said it with */
  seen: string;
  end?: string;
}

/** Strikes, lets the work go on, waits until a person sees it, and repairs what a person or a platform repairs. */
export type Strike = (bench: Bench, middle: Middle) => Promise<Struck>;

export interface Said {
  activity: string;
  attempt: number;
  /** `<type>: <message>` of the last failure, where it has a type; null: none */
  failure: string | null;
  /** of the newest heartbeat */
  phase: string | null;
}

/** A place in a workflow's history, and in the tries of what was under way there. */
export interface Bookmark {
  runId: string;
  lastEvent: number;
  /** tries by activity id */
  tries: ReadonlyMap<string, number>;
  /** why tries had failed by then, as status says it of what is under way */
  failures: readonly string[];
}

export async function bookmark(handle: WorkflowHandle): Promise<Bookmark> {
  const description = await handle.describe();
  const { raw } = description;
  const tries = (raw.pendingActivities ?? []).map((one) => [one.activityId ?? '', one.attempt ?? 1] as const);
  const failures = (await readActivities(handle, description)).flatMap(({ lastFailure }) => lastFailure ?? []);
  return { runId: raw.workflowExecutionInfo?.execution?.runId ?? '', lastEvent: Number(raw.workflowExecutionInfo?.historyLength ?? 0), tries: new Map(tries), failures };
}

interface Failure {
  message?: string | null | undefined;
  applicationFailureInfo?: { type?: string | null } | null | undefined;
  cause?: Failure | null | undefined;
}

function textOf(failure: Failure | null | undefined): string | null {
  if (!failure) return null;
  const type = failure.applicationFailureInfo?.type;
  return `${type ? `${type}: ` : ''}${failure.message ?? ''}`;
}

/**
 * What Temporal shows of the work: its activities that are under way or wait for another try, then those that were tried again.
 * @param before - failures that it showed then are left out: an archive has one workflow for many cells.
 */
export async function saidBy(handle: WorkflowHandle, before?: Bookmark): Promise<Said[]> {
  const { raw } = await handle.describe();
  // A run that came since has said nothing before.
  const { lastEvent, tries } = before?.runId === raw.workflowExecutionInfo?.execution?.runId ? before! : { lastEvent: 0, tries: new Map<string, number>() };
  const isNew = (id: string, attempt: number): boolean => attempt > (tries.get(id) ?? 0);
  const pending = (raw.pendingActivities ?? []).map((one) => ({
    activity: one.activityType?.name ?? '',
    attempt: one.attempt ?? 1,
    failure: isNew(one.activityId ?? '', one.attempt ?? 1) ? textOf(one.lastFailure as Failure) : null,
    phase: phaseIn(one.heartbeatDetails?.payloads?.[0]?.data),
  }));
  const { events } = await handle.fetchHistory();
  const names = new Map(events?.flatMap((event) => {
    const scheduled = event.activityTaskScheduledEventAttributes;
    return scheduled ? [[String(event.eventId), { type: scheduled.activityType?.name ?? '', id: scheduled.activityId ?? '' }] as const] : [];
  }));
  const again = (events ?? []).filter(({ eventId }) => Number(eventId) > lastEvent).flatMap((event) => {
    const started = event.activityTaskStartedEventAttributes;
    const failed = event.activityTaskFailedEventAttributes;
    const { type: activity, id } = names.get(String((started ?? failed)?.scheduledEventId)) ?? { type: '', id: '' };
    if (failed) return [{ activity, attempt: 0, failure: textOf(failed.failure as Failure), phase: null }];
    return started?.lastFailure && isNew(id, started.attempt ?? 1) ? [{ activity, attempt: started.attempt ?? 1, failure: textOf(started.lastFailure as Failure), phase: null }] : [];
  });
  return [...pending, ...again];
}

function phaseIn(heartbeat: Uint8Array | null | undefined): string | null {
  // A heartbeat that says nothing yet has no bytes.
  if (!heartbeat?.length) return null;
  return (JSON.parse(Buffer.from(heartbeat).toString('utf8')) as { phase?: string }).phase ?? null;
}

export interface Told {
  /** nothing lasts that status could still tell of: the work may have gone on before anybody looks */
  healed?: boolean;
  /** the step may end by it instead of failing, and its summary says so; other work than a run's may have had all that it needed, and end well */
  orEnds?: boolean;
  /** what status says beside it */
  status?: RegExp;
  withinMs?: number;
}

/**
 * Waits until the work says something that matches: as its activity's last failure, as the phase of its heartbeat, or as the summary of a step that ends by it. Then `holdfast status` must say it too.
 * @returns it, short enough for a table.
 */
export async function sees(bench: Bench, middle: Middle, what: RegExp, { healed = false, orEnds = false, status, withinMs = 120_000 }: Told = {}): Promise<string> {
  const { stack } = bench;
  let last: Said[] = [];
  let seen: string;
  let endedWell: string | undefined;
  try {
    seen = await until(`${middle.workflowId} to say ${what}`, async () => {
      last = await saidBy(stack.handle(middle.workflowId), middle.before);
      const found = last.find(({ failure, phase }) => what.test(failure ?? '') || what.test(phase ?? ''));
      if (found) return `${found.activity}, try ${found.attempt || 1}: ${short(what.test(found.failure ?? '') ? found.failure! : found.phase!)}`;
      if (!orEnds) return undefined;
      return middle.ends ? await summaryOf(bench, middle.ends) : (endedWell = await goneWell(bench, middle));
    }, withinMs, pollMs);
  } catch (error) {
    throw new Error(`nobody is told ${what} within ${withinMs / 1000} s; what is said: ${JSON.stringify(last)}`, { cause: error });
  }
  // Status shows nothing of it any more, and whether what it made is whole is looked at behind the fault.
  if (endedWell !== undefined) return seen;
  await readsStatus(bench, middle, [what, ...(status ? [status] : [])], { healed, ...(orEnds && middle.ends ? { ends: middle.ends.saying } : {}) });
  return seen;
}

async function summaryOf({ stack }: Bench, { uses, saying }: NonNullable<Middle['ends']>): Promise<string | undefined> {
  const step = (await stack.run()).state.steps.find((of) => of.uses === uses);
  return step && ['done', 'skipped'].includes(step.state) && saying.test(step.summary ?? '') ? `${step.id} ${step.state}: ${short(step.summary!)}` : undefined;
}

/** One line without what differs from run to run. */
export const short = (text: string): string => text.split('\n')[0]!.replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT').replace(/[0-9A-HJKMNP-TV-Z]{26}/g, 'ID').replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID').slice(0, 220);

/** Nothing has failed since the fault: it heals within one try, by another request or by waiting. */
export async function requireOneTry(bench: Bench, { workflowId, activity, before }: Middle): Promise<string> {
  const said = await saidBy(bench.stack.handle(workflowId), before);
  assert.deepEqual(said.filter(({ failure }) => failure !== null), [], `${activity} goes on in the same try`);
  return `${activity} in one try`;
}
