import { createHash } from 'node:crypto';
import type { DumpPlanRef, GroupRef, SourceRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { minutes } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { allowedDump } from '../../../exchange/allowed-path.ts';
import { readSigned } from '../../../store/signed-object.ts';
import { openBackupKey } from '../../../stream/backup-key.ts';
import { SliceWriter } from '../archive/slice-writer.ts';
import { PartCutter } from '../cut-parts.ts';
import { putIndex } from '../../base/put-index.ts';
import { StoredProgress } from '../../base/stored-progress.ts';
import { fuzzyRangeOf } from '../dump-range.ts';
import { InFlight } from '../../base/in-flight.ts';
import { parseEntry } from '../oplog/oplog-entry.ts';
import { SliceObjects } from '../oplog/slice-object.ts';
import { planSchema, type Plan } from '../plan.ts';
import { RangeWriter, type RangeJob } from '../range-writer.ts';
import { pickField } from '../raw-documents.ts';
import { nameOf, type Prelude } from './archive-format.ts';
import { dumpedCollections, logNamespace } from './dumped-collections.ts';
import { openDump } from './open-dump.ts';
import { importRange } from './plan-import.ts';
import type { DumpEvent } from './read-archive.ts';

export interface ImportGroupInput extends SourceRef {
  plan: DumpPlanRef;
  epoch: number;
  group: string;
}

/** Parts being compressed, encrypted and uploaded while the next one is read. */
const uploadsAtOnce = 2;
/** Collections whose blocks may lie between each other's without being cut into smaller parts: 16 MiB each. */
const openAtOnce = 6;

/**
 * Writes the documents of a dump as parts, its log as slices of the import's own timeline, and the index.
 *
 * Safe to repeat: whole parts of earlier attempts are adopted and as many documents of the dump passed over; slices are
 * cut at the same places again, and one that is there is adopted. What no index names is never read.
 *
 * @throws BadInput - the dump is damaged, or is not the one that was planned. StoreUnavailable - retryable.
 */
export async function importGroup(context: SourceContext, input: ImportGroupInput): Promise<GroupRef> {
  const { store, keys, signal } = context;
  const plan = await readSigned(store, keys, planSchema, input.plan.plan, { signal });
  const { imported } = plan;
  if (!imported) throw new HoldfastError('BadInput', `backup ${plan.backup} was not planned as an import`);
  const dump = await openDump(await allowedDump(context, imported.path));
  if (dump.identity !== imported.identity) {
    throw new HoldfastError('BadInput', `${dump.path}: expected the files that were planned, found others or changed ones`, { hint: 'import it anew, and leave it alone meanwhile' });
  }
  const uploads = new InFlight(uploadsAtOnce);
  try {
    const key = await openBackupKey(store, keys, plan, plan.key);
    const writer = new ImportWriter(context, plan, { store, key, scope: plan, signal }, uploads);
    await writer.open();
    for await (const event of dump.events(signal)) {
      signal.throwIfAborted();
      await writer.take(event);
    }
    const ranges = await writer.finish();
    await uploads.settle();
    return await putIndex(context, plan, input.group, ranges);
  } finally {
    await uploads.abandon();
  }
}

type Unit = Plan['units'][number];

/** One collection being written. */
interface Home {
  writer: RangeWriter<Unit>;
  /** documents that an earlier attempt's parts hold already */
  toPass: number;
  /** digests by `_id`, where several files of a dump may hold the same document */
  seen: Map<string, string> | undefined;
}

/** A cutter for each collection that is open, since a part holds documents of one. */
class Cutters {
  readonly #open = new Map<string, PartCutter>();
  /** emptied ones: each has memory of its own, and a dump may hold thousands of small collections */
  readonly #idle: PartCutter[] = [];
  /** for whoever has nothing to cut */
  readonly none = new PartCutter();

  /** @returns the cutter of a collection, and the one that has to be emptied to make room for it. */
  take(unit: string): { cutter: PartCutter; evicted: string | undefined } {
    const cutter = this.#open.get(unit) ?? this.#idle.pop() ?? new PartCutter();
    this.#open.delete(unit);
    const evicted = this.#open.size >= openAtOnce ? this.#open.keys().next().value : undefined;
    this.#open.set(unit, cutter);
    return { cutter, evicted };
  }

  drop(unit: string): void {
    const cutter = this.#open.get(unit);
    if (cutter && this.#open.delete(unit)) this.#idle.push(cutter);
  }
}

class ImportWriter {
  readonly #context: SourceContext;
  readonly #plan: Plan;
  readonly #homes = new Map<string, Home>();
  readonly #cutters = new Cutters();
  readonly #job: Omit<RangeJob, 'cutter'>;
  readonly #slices: SliceWriter | undefined;
  readonly #progress: StoredProgress;
  /** of the log, what was told as stored */
  #storedLogBytes = 0;
  /** the dump's own namespaces → collections */
  #namespaces = new Map<string, string>();

  constructor(context: SourceContext, plan: Plan, parts: RangeJob['parts'], uploads: InFlight) {
    this.#context = context;
    this.#plan = plan;
    const { log } = plan.imported!.origin;
    this.#progress = new StoredProgress(plan.groups[0]!.estimatedBytes + (log?.plainBytes ?? 0), (reading) => context.progress({ ...reading, phase: 'import' }));
    this.#job = { parts, uploads, progress: this.#progress };
    // Cut by size alone: a second attempt cuts at the same entries, and adopts what the first one put.
    if (log) this.#slices = new SliceWriter(new SliceObjects(context, plan), log.from, { everyMs: Infinity, bytes: context.source.archive.bytes }, context.signal);
  }

  /** Adopts what earlier attempts left. */
  async open(): Promise<void> {
    for (const unit of this.#plan.units) {
      const writer = new RangeWriter<Unit>({ ...this.#job, cutter: this.#cutters.none }, unit, fuzzyRangeOf(importRange), unit.fuzzy);
      await writer.adopt(undefined);
      const isShared = unit.name === 'admin.system.users' || unit.name === 'admin.system.roles';
      this.#homes.set(unit.name, { writer, toPass: writer.documents, seen: isShared ? new Map() : undefined });
    }
  }

  async take(event: DumpEvent): Promise<void> {
    if (event.kind === 'prelude') {
      await this.#begin(event.prelude);
      return;
    }
    const name = nameOf(event.of);
    if (name === logNamespace) {
      if (event.kind === 'documents') await this.#addLog(event.documents, event.bytes);
      return;
    }
    const ns = this.#namespaces.get(name);
    if (ns === undefined) return;
    if (event.kind === 'documents') await this.#write(ns, event.documents);
    else if (!this.#homes.get(ns)!.seen) await this.#close(ns);
  }

  /** Views stand in a dump's prelude, and in a backup of ours as documents of a collection. */
  async #begin(prelude: Prelude): Promise<void> {
    const { homes, views } = dumpedCollections(prelude.entries, this.#context.source, this.#plan.imported!.path);
    this.#namespaces = homes;
    for (const [ns, definitions] of views) {
      await this.#write(ns, definitions);
      await this.#close(ns);
    }
  }

  async finish(): Promise<RangeWriter<Unit>[]> {
    for (const ns of this.#homes.keys()) await this.#close(ns);
    await this.#slices?.finish(minutes(10));
    this.#tellLog();
    return [...this.#homes.values()].map(({ writer }) => writer);
  }

  async #write(ns: string, documents: readonly Buffer[]): Promise<void> {
    const home = this.#homes.get(ns);
    if (!home) throw new HoldfastError('BadInput', `${this.#plan.imported!.path}: expected only what was planned, found ${ns}`);
    const fresh = this.#pass(home, home.seen ? withoutRepeated(ns, home.seen, documents) : documents);
    if (fresh.length === 0) return;
    const { cutter, evicted } = this.#cutters.take(ns);
    if (evicted !== undefined) await this.#close(evicted);
    home.writer.job.cutter = cutter;
    await home.writer.write(fresh);
  }

  /** What an earlier attempt's parts hold comes first; the last of it must be the document that they end with. */
  #pass(home: Home, documents: readonly Buffer[]): readonly Buffer[] {
    if (home.toPass === 0) return documents;
    const passed = Math.min(home.toPass, documents.length);
    home.toPass -= passed;
    if (home.toPass === 0 && !documents[passed - 1]!.equals(home.writer.last!)) {
      throw new HoldfastError('BadInput', `${this.#plan.imported!.path}: expected the same documents of ${home.writer.unit.name} as an earlier attempt read, found others`, { hint: 'import it anew' });
    }
    return documents.slice(passed);
  }

  async #close(ns: string): Promise<void> {
    const { writer } = this.#homes.get(ns)!;
    await writer.flush();
    writer.job.cutter = this.#cutters.none;
    this.#cutters.drop(ns);
  }

  async #addLog(entries: readonly Buffer[], bytes: number): Promise<void> {
    this.#progress.read(bytes);
    for (const entry of entries) this.#slices!.add(parseEntry(entry));
    await this.#slices!.room();
    this.#tellLog();
  }

  #tellLog(): void {
    const { plainBytes = 0 } = this.#slices ?? {};
    this.#progress.stored(plainBytes - this.#storedLogBytes);
    this.#storedLogBytes = plainBytes;
  }
}

/** Users and roles may stand in several databases' folders: once is enough, and two that differ are a question for a person. */
function withoutRepeated(ns: string, seen: Map<string, string>, documents: readonly Buffer[]): Buffer[] {
  return documents.filter((document) => {
    const id = pickField(document, '_id').toString('latin1');
    const digest = createHash('sha256').update(document).digest('hex');
    const before = seen.get(id);
    if (before === undefined) {
      seen.set(id, digest);
      return true;
    }
    if (before === digest) return false;
    throw new HoldfastError('BadInput', `${ns}: expected one definition of a user or role, found two that differ in the folders of two databases`, { hint: 'import the folders one by one' });
  });
}
