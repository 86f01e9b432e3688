import type { MongoClient } from 'mongodb';
import type { ValidationResult } from '../../../../workflows/contract.ts';
import { firstOf } from '../../../../workflows/domain/first-of.ts';
import { describePartial } from '../../../../workflows/domain/chosen-namespaces.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { listCollections, type ListedCollection } from '../list-collections.ts';
import { readManifest } from '../../base/read-base.ts';
import { findSelection } from '../selection/find-selection.ts';
import { expectedCollections, type ExpectedCollection } from './expected-collections.ts';
import { findDifferences } from './find-differences.ts';
import { tellWhole, type Stage } from '../../../whole-progress.ts';
import { sumCollection } from './scan-collection.ts';

type Compared = ValidationResult['collections'][number] & { uuid: string };

const scansAtOnce = 3;
/** A result enters the workflow's history, which takes 2 MiB: a target that lacks thousands of collections must still be told of. */
const problemsListed = 500;
/** Collections whose differing documents are looked up, and how many of each: enough to see what went wrong. */
const explained = { collections: 3, documents: 5 };

/**
 * Compares every collection of the target with what base and log say of it: the whole documents, byte by byte, by count
 * and Σ SHA-256. What is expected comes from the bucket alone, by a fold that shares nothing with the server's replay.
 * Of a partial restore exactly what was chosen is compared, and nothing else may be there. Only reads; safe to repeat.
 */
export async function proveEquality(
  attempt: SourceContext,
  client: MongoClient,
  of: { point: RecoveryPoint; limit: LogPosition },
): Promise<Pick<ValidationResult, 'ok' | 'claim' | 'problems' | 'collections' | 'collectionCount'>> {
  const context = tellWhole(attempt, stagesOf(of.point));
  const manifest = await readManifest(context, of.point);
  // Chosen anew from base and log: what was restored has no say in what had to be.
  const selection = await findSelection(context, of.point, manifest);
  const expected = await expectedCollections(context, { ...of, manifest, selection });
  const found = new Map((await listCollections(client, context.source)).map((collection) => [collection.uuid, collection]));

  const problems = nameProblems(expected, found);
  const present = [...expected.values()].filter(({ uuid }) => found.has(uuid));
  const compared = await compareAll(context, client, present, found);
  const differing = compared.filter(({ hashEqual, count, expectedCount }) => hashEqual === false || (hashEqual !== null && count !== expectedCount));
  const toExplain = new Map(differing.slice(0, explained.collections).map(({ uuid, ns }) => [uuid, ns]));
  const differences = toExplain.size > 0 ? await findDifferences(attempt, client, { ...of, manifest, selection, collections: toExplain }, explained.documents) : undefined;
  for (const { ns, uuid, count, expectedCount } of differing) {
    const which = differences?.get(uuid) ?? [];
    problems.push(`${ns}: ${count} documents, expected ${expectedCount}${count === expectedCount ? ', and their bytes differ' : ''}${which.length > 0 ? `: ${which.join(', ')}` : ''}`);
  }

  const collections = compared.sort((a, b) => rank(a) - rank(b) || (a.ns < b.ns ? -1 : 1)).slice(0, 500).map(({ uuid: _, ...collection }) => collection);
  const listed = firstOf(problems, problemsListed, (more) => `and ${more} more`);
  return { ok: problems.length === 0, claim: `${of.point.only ? `${describePartial(of.point.only.patterns)}; ` : ''}${claimOf(compared, present)}`, problems: listed, collections, collectionCount: compared.length };
}

/** What an entry, a document and a record cost, beside comparing a document of the target: measured on logs and bases of several sizes. */
const cost = { logEntry: 0.6, baseDocument: 1.5, foldedRecord: 1.3 };
/** About, and only for what is ahead before the log is read. */
const storedBytesPerEntry = 25;

const stagesOf = ({ base, log }: RecoveryPoint): Stage[] => {
  const entries = log.storedBytes / storedBytesPerEntry;
  return [
    { phase: 'reading the log', weight: entries * cost.logEntry },
    { phase: 'reading the base', weight: base.documents * cost.baseDocument, perUnit: (base.documents * cost.baseDocument) / Math.max(1, base.plainBytes) },
    // An entry, and about as often the base's document that it concerns.
    { phase: 'folding the log', weight: 2 * entries * cost.foldedRecord, perUnit: cost.foldedRecord },
    { phase: 'comparing', weight: base.documents, perUnit: 1 },
  ];
};

function nameProblems(expected: ReadonlyMap<string, ExpectedCollection>, found: ReadonlyMap<string, ListedCollection>): string[] {
  const problems: string[] = [];
  for (const { uuid, ns } of expected.values()) {
    const target = found.get(uuid);
    if (!target) problems.push(`${ns}: is missing (UUID ${uuid})`);
    else if (target.ns !== ns) problems.push(`${ns}: is called ${target.ns} on the target`);
  }
  for (const { uuid, ns } of found.values()) {
    if (!expected.has(uuid)) problems.push(`${ns}: is on the target, and base and log know nothing of it (UUID ${uuid})`);
  }
  return problems;
}

async function compareAll(
  context: SourceContext,
  client: MongoClient,
  expected: readonly ExpectedCollection[],
  found: ReadonlyMap<string, ListedCollection>,
): Promise<Compared[]> {
  const compared: Compared[] = [];
  const waiting = [...expected];
  const total = expected.reduce((sum, { count }) => sum + count, 0);
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const sums = await sumCollection(client, found.get(next.uuid)!.ns, (documents) => {
        context.signal.throwIfAborted();
        done += documents;
        context.progress({ phase: 'comparing', done, of: total, unit: 'documents' });
      });
      compared.push(compare(next, sums));
    }
  };
  await Promise.all(Array.from({ length: scansAtOnce }, worker));
  return compared;
}

function compare(expected: ExpectedCollection, { count, hashSum }: { count: number; hashSum: string }): Compared {
  const { uuid, ns } = expected;
  // What a capped collection has dropped at its end is the server's decision, not the log's.
  if (expected.capped) return { uuid, ns, count, expectedCount: null, hashEqual: null, note: 'capped: neither its count nor its documents can be proved' };
  const note = expected.fuzzy === null ? null : `replay-consistent only: its base was not read at one instant (${expected.fuzzy})`;
  return { uuid, ns, count, expectedCount: expected.count, hashEqual: hashSum === expected.hashSum, note };
}

/** What differs comes first, then what has a note: the list is cut. */
const rank = ({ hashEqual, note }: Compared): number => (hashEqual === false ? 0 : note === null ? 2 : 1);

function claimOf(compared: readonly Compared[], expected: readonly ExpectedCollection[]): string {
  const capped = expected.filter((collection) => collection.capped).length;
  const fuzzy = expected.filter((collection) => !collection.capped && collection.fuzzy !== null).length;
  const whole = compared.length - capped - fuzzy;
  const parts = [`${whole} of ${compared.length} collections compared with base and log, by count and SHA-256 of every document`];
  if (fuzzy > 0) parts.push(`${fuzzy} compared with a base that was not read at one instant: replay-consistent, not proved equal to the source`);
  if (capped > 0) parts.push(`${capped} capped: nothing is claimed of them`);
  return parts.join('; ');
}
