import { MongoClient, type Document } from 'mongodb';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { openSources } from '../bucket/open-sources.ts';
import { readArchiveStatuses } from '../bucket/read-archive-status.ts';
import { startOldPrimaryAgain } from '../stack/primary.ts';
import { demoDatabase, pidFileOf, type StackFile } from '../stack/stack-file.ts';
import { readSecret } from '../stack/stack-secrets.ts';
import type { Observed } from './result.ts';

interface Note extends Document {
  _id: string;
  rev: number;
}

/** `rev` of every document of the writer that stands on the new side. */
export async function readRevs(stack: StackFile): Promise<Map<string, number>> {
  const client = new MongoClient(`mongodb://127.0.0.1:${stack.standby.port}/?directConnection=true`, {
    auth: { username: 'app', password: readSecret(stack, 'app-password') },
    authSource: 'admin',
    serverSelectionTimeoutMS: 5_000,
  });
  try {
    const revs = new Map<string, number>();
    const notes = client.db(demoDatabase).collection<Note>('notes');
    for await (const { _id, rev } of notes.find({}, { projection: { rev: 1 }, batchSize: 10_000, readConcern: 'majority' })) revs.set(_id, rev);
    return revs;
  } finally {
    await client.close();
  }
}

/**
 * Starts the old primary again on its port, as a machine does that comes back, and writes to it directly: with the
 * application's name, and with none, since its users went with its data. It is stopped again afterwards.
 */
export async function tryOldPrimary(stack: StackFile, keep: boolean): Promise<Observed['oldPrimary']> {
  try {
    await startOldPrimaryAgain(stack, 'left', { tiedToUs: !keep });
  } catch (error) {
    return { outcome: 'cut off', detail: `it does not start: ${firstLine(error)}` };
  }
  try {
    const attempts: string[] = [];
    let outcome: Observed['oldPrimary']['outcome'] = 'cut off';
    for (const user of [{ username: 'app', password: readSecret(stack, 'app-password') }, undefined]) {
      const answer = await tryWrite(stack.primary.port, user);
      if (answer.outcome === 'accepted') return answer;
      if (answer.outcome === 'refused') outcome = 'refused';
      attempts.push(`${user?.username ?? 'no user'}: ${answer.detail}`);
    }
    return { outcome, detail: attempts.join('; ') };
  } finally {
    await stopByPidFile(pidFileOf(stack, 'primary'));
  }
}

async function tryWrite(port: number, auth: { username: string; password: string } | undefined): Promise<Observed['oldPrimary']> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 3_000, ...(auth ? { auth, authSource: 'admin' } : {}) });
  try {
    await client.connect();
    await client.db(demoDatabase).collection<Note>('notes').insertOne({ _id: `old-primary-${Date.now()}`, rev: 1 });
    return { outcome: 'accepted', detail: `a write of ${auth?.username ?? 'no user'} was taken` };
  } catch (error) {
    const isRefusal = error instanceof Error && ['MongoServerError', 'MongoBulkWriteError'].includes(error.name);
    return { outcome: isRefusal ? 'refused' : 'cut off', detail: firstLine(error) };
  } finally {
    await client.close();
  }
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

/**
 * Waits until the bucket holds everything that the source had when we began to wait.
 * @returns `upToDate` false when it did not get there in time; `last`: what was seen last.
 */
export async function waitForArchive(withinMs: number, signal: AbortSignal): Promise<{ upToDate: boolean; last: string }> {
  const endsAt = Date.now() + withinMs;
  let wanted: string | null = null;
  let last = 'nothing was read';
  while (true) {
    signal.throwIfAborted();
    try {
      const [status] = await readArchiveStatuses('demo');
      if (!status) throw new HoldfastError('BadSystemFile', 'systems/demo.yaml has no source');
      wanted ??= status.sourceAt;
      last = `timeline ${status.timeline}, archived to ${status.archivedToAt}`;
      if (wanted !== null && status.archivedTo !== null && status.archivedTo >= wanted) return { upToDate: true, last };
    } catch (error) {
      last = firstLine(error);
    }
    if (Date.now() > endsAt) return { upToDate: false, last };
    await sleep(250, undefined, { signal });
  }
}

/** The new side's own archive: a timeline of its own with a base, and the log after it up to now, in the bucket. */
export async function checkNewArchive(oldTimeline: string | undefined, signal: AbortSignal): Promise<Observed['newArchive']> {
  const startedAtMs = Date.now();
  const { upToDate, last } = await waitForArchive(60_000, signal);
  if (!upToDate) return { proved: false, detail: `it does not keep up: ${last}` };
  const tookMs = Date.now() - startedAtMs;
  const [context] = await openSources('demo');
  const catalog = await rebuildCatalog(context!, { system: 'demo', source: context!.sourceName });
  const newest = catalog.timelines.map(({ timeline }) => timeline).sort().at(-1);
  const bases = catalog.bases.filter(({ timeline }) => timeline === newest);
  const slices = catalog.spans.filter(({ timeline }) => timeline === newest).reduce((sum, span) => sum + span.slices, 0);
  if (newest === undefined || newest === oldTimeline) return { proved: false, detail: `no timeline after ${oldTimeline ?? 'none'}` };
  if (bases.length === 0) return { proved: false, detail: `timeline ${newest} has no base` };
  return { proved: true, detail: `timeline ${newest}: base ${bases.at(-1)!.backup}, ${slices} slices; what was written up to the check was in the bucket ${formatDuration(tookMs)} later` };
}
