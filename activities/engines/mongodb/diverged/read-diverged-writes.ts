import type { MongoClient } from 'mongodb';
import type { SourceRef } from '../../../../workflows/contract.ts';
import type { DivergedReport } from '../../../../workflows/domain/diverged.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { formatLogPosition, logPosition, nextLogPosition, parseLogPosition, previousLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { ObjectRef } from '../../../../workflows/domain/stored-object.ts';
import { mib, seconds } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { listTimelines } from '../../../store/timelines.ts';
import { ArchiveKeys } from '../../../stream/archive-key.ts';
import { divergedContext } from '../../../stream/contexts.ts';
import { seal } from '../../../stream/sealed.ts';
import { timestampOf } from '../bson-position.ts';
import { withSource } from '../connect.ts';
import { firstPosition, oldestHeld, oplogOf } from '../archive/held-log.ts';
import { parseEntry, type OplogEntry } from '../oplog/oplog-entry.ts';
import { TransactionGatherer } from '../oplog/gather-transactions.ts';
import { readServerFacts } from '../server-facts.ts';
import { DivergedTally } from './diverged-tally.ts';
import { withDataDirectory } from './with-data-directory.ts';

type Input = SourceRef & { run: string; environment: string; timeline: string; limit: LogPosition; logReachable: boolean };

/** A transaction lives a minute by default: one that is committed behind the limit may have begun this long before it. */
const lookBackSeconds = 120;
const objectBytes = mib(8);

/**
 * What the fenced old primary took from `limit` on: counted by namespace, and its entries put whole into the store, encrypted
 * under an archive key of the old timeline. Reads only; safe to repeat, each time as another version of the same objects.
 *
 * @throws SourceUnavailable - the server does not answer, and there is no data directory of it here; Unsupported - what
 *   answers is not the server of that timeline.
 */
export async function readDivergedWrites(context: SourceContext, input: Input): Promise<DivergedReport> {
  if (input.logReachable) {
    return await withSource(context, async (client) => {
      const known = (await listTimelines(context.store, context.keys, input, { signal: context.signal })).find(({ body }) => body.timeline === input.timeline)?.body;
      const { identity } = await readServerFacts(client);
      if (known && identity !== known.sourceIdentity) {
        throw new HoldfastError('Unsupported', `the server that answers in ${input.environment} is replica set ${identity}, not ${known.sourceIdentity}, whose writes are looked for`);
      }
      return await readLogOf(context, input, client, 'the fenced server');
    }, { environment: input.environment, readPreference: 'secondaryPreferred', serverSelectionTimeoutMS: seconds(10), connectTimeoutMS: seconds(10) });
  }
  return await withDataDirectory(context, async (client) => await readLogOf(context, input, client, 'its data directory, started on loopback by itself'));
}

async function readLogOf(context: SourceContext, input: Input, client: MongoClient, readFrom: DivergedReport['readFrom']): Promise<DivergedReport> {
  const oldest = await oldestHeld(client);
  const doesNotCover: string[] = [];
  if (oldest > input.limit) {
    doesNotCover.push(`its log begins at ${formatLogPosition(oldest)}: what it took between ${formatLogPosition(input.limit)} and then was overwritten, and is in no report`);
  } else if (!(await firstPosition(client, { ts: timestampOf(previousLogPosition(input.limit)) }, 1)) && (await firstPosition(client, { ts: { $gte: timestampOf(input.limit) } }, 1)) === null) {
    const newest = await firstPosition(client, {}, -1);
    if (newest !== null && nextLogPosition(newest) < input.limit) doesNotCover.push(`its log ends at ${formatLogPosition(newest)}, before ${formatLogPosition(input.limit)}: it was set back, or these are older data`);
  }
  const tally = new DivergedTally();
  const gatherer = new TransactionGatherer();
  const writer = new EntryWriter(context, input);
  const { seconds: limitSeconds } = parseLogPosition(input.limit);
  const from = logPosition(Math.max(0, limitSeconds - lookBackSeconds), 0);
  let to: LogPosition | null = null;
  for await (const entry of entriesFrom(client, from)) {
    context.signal.throwIfAborted();
    const { operations } = gatherer.take(entry);
    if (entry.position < input.limit) continue;
    to = entry.position;
    await writer.add(entry);
    for (const operation of operations) tally.add(operation, entry.wallMs);
    context.progress({ phase: 'reading diverged writes', done: writer.entries, of: 0, unit: 'entries' });
  }
  await writer.finish();
  gatherer.close();
  if (gatherer.open > 0) doesNotCover.push(`${gatherer.open} transactions were begun and not committed; they are in the entries, and not counted`);
  return {
    format: 1,
    system: input.system,
    source: input.source,
    run: input.run,
    environment: input.environment,
    timeline: input.timeline,
    from: input.limit,
    to,
    entries: writer.entries,
    ...tally.result(),
    readFrom,
    covers: [
      `every entry of its log from ${formatLogPosition(input.limit)} ${to ? `to ${formatLogPosition(to)}` : 'on: there is none'}, transactions unwrapped`,
      'all databases but the server’s own books (config, local) and Holdfast’s canary',
    ],
    doesNotCover: [...doesNotCover, ...tally.notCovered()],
    objects: writer.objects,
    writtenAt: new Date().toISOString(),
  };
}

async function* entriesFrom(client: MongoClient, from: LogPosition): AsyncGenerator<OplogEntry> {
  const cursor = oplogOf(client).find({ ts: { $gte: timestampOf(from) } }, { raw: true, batchSize: 5000, readConcern: { level: 'local' } });
  try {
    for await (const raw of cursor) yield parseEntry(raw as unknown as Buffer);
  } finally {
    await cursor.close().catch(() => undefined);
  }
}

/** Puts the entries, whole and in order, as objects of a bounded size. */
class EntryWriter {
  readonly objects: ObjectRef[] = [];
  entries = 0;
  readonly #context: SourceContext;
  readonly #input: Input;
  readonly #keys: ArchiveKeys;
  #waiting: Buffer[] = [];
  #bytes = 0;
  #from: LogPosition | undefined;
  #to = '';

  constructor(context: SourceContext, input: Input) {
    this.#context = context;
    this.#input = input;
    this.#keys = new ArchiveKeys(context.store, context.keys);
  }

  async add({ raw, position }: OplogEntry): Promise<void> {
    this.#waiting.push(Buffer.from(raw));
    this.#bytes += raw.length;
    this.#from ??= position;
    this.#to = position;
    this.entries += 1;
    if (this.#bytes >= objectBytes) await this.finish();
  }

  async finish(): Promise<void> {
    if (this.#from === undefined) return;
    const { system, source, run, timeline } = this.#input;
    const scope = { system, source, timeline };
    const sealed = await seal(await this.#keys.forWriting(scope), Buffer.concat(this.#waiting), divergedContext(scope, { run, from: this.#from, to: this.#to }));
    const key = `${layout.diverged(system, run, source)}${String(this.objects.length).padStart(6, '0')}`;
    this.objects.push(await this.#context.store.put(key, sealed, { signal: this.#context.signal }));
    this.#waiting = [];
    this.#bytes = 0;
    this.#from = undefined;
  }
}
