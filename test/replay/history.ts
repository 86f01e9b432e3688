import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { WorkflowHandle } from '@temporalio/client';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

interface HistoryType {
  encode(history: History): { finish(): Uint8Array };
  toObject(history: History, options: { longs: StringConstructor; enums: StringConstructor; bytes: StringConstructor }): unknown;
  fromObject(plain: unknown): History;
}

/**
 * The worker's own type of a history. The SDK's reader of histories in JSON cannot be used: it checks a type by the class of one copy of
 * protobufjs, and makes it by that of another, wherever npm installs more than one ("type must be a Type").
 */
const { temporal } = createRequire(fileURLToPath(import.meta.resolve('@temporalio/worker')))('@temporalio/proto') as {
  temporal: { api: { history: { v1: { History: HistoryType } } } };
};
const { History } = temporal.api.history.v1;

/** As large as it is on the wire, which is near what the server counts. */
export const historyBytes = (history: History): number => History.encode(history).finish().length;

/** Which machine recorded it, and where the project lay there, is left out. */
function historyToJson(history: History): string {
  const plain = History.toObject(history, { longs: String, enums: String, bytes: String });
  const json = JSON.stringify(plain, (key, value: unknown) => (key === 'identity' ? 'recorder' : key === 'stackTrace' ? '' : value));
  // A worker's own task queue is called by its machine and process.
  return `${json.replaceAll(/holdfast@[^:"]+:\d+\//g, 'recorder/')}\n`;
}

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
/** Release lines that CHANGELOG.md knows, `0.1`, the newest first; each has a set of histories, `test/replay/<line>/`. */
export const releaseLines = [...new Set([...read('CHANGELOG.md').matchAll(/^## (\d+\.\d+)\.\d+/gm)].map(([, line]) => line!))];
const { version } = JSON.parse(read('package.json')) as { version: string };
const releaseLine = version.split('.').slice(0, 2).join('.');
const isReleased = !read('CHANGELOG.md').includes(`\n## ${releaseLine}.0 — unreleased\n`);
/** Where the histories of today are kept. `real/` in it holds those of a whole run on real parts, recorded by test/system/killed-worker.test.ts when HOLDFAST_RECORD_HISTORIES is set. */
export const historiesDirectory = fileURLToPath(new URL(`./${releaseLine}/`, import.meta.url));

/**
 * @param path - `.json`, or `.json.gz`. Before the first release of its line a recording is written over; from then on it stays, since runs of that release may be open, and the new
 * shape is recorded beside it, under a name of its own.
 */
export function writeHistory(path: string, history: History): void {
  const text = historyToJson(history);
  writeFileSync(path, path.endsWith('.gz') ? gzipSync(text) : text, { flag: isReleased ? 'wx' : 'w' });
}

/** What the UI's timeline would show by its type alone: activities, timers and children that do not say what they are for. @param kept - the time-skipping server keeps no summary of a child: those are left out */
export function unexplained({ events }: History, kept: 'all' | 'but of children' = 'all'): string[] {
  const shown = (events ?? []).filter((event) => event.activityTaskScheduledEventAttributes ?? event.timerStartedEventAttributes ?? (kept === 'all' ? event.startChildWorkflowExecutionInitiatedEventAttributes : undefined));
  return shown.filter(({ userMetadata }) => !userMetadata?.summary?.data?.length).map(({ eventId, activityTaskScheduledEventAttributes: activity, timerStartedEventAttributes: timer }) => `${String(eventId)} ${activity?.activityType?.name ?? (timer ? `timer ${JSON.stringify(timer.startToFireTimeout)}` : 'child')}`);
}

/** What timers, activities and children say they are for, as the timeline shows it. */
export const summaries = ({ events }: History): unknown[] => (events ?? []).flatMap(({ userMetadata }) => (userMetadata?.summary?.data ? [JSON.parse(Buffer.from(userMetadata.summary.data).toString('utf8'))] : []));

/** @param path - `.json`, or `.json.gz`. */
export function readHistory(path: string): History {
  const bytes = readFileSync(path);
  return History.fromObject(JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')));
}
