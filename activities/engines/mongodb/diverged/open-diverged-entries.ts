import type { DivergedReport } from '../../../../workflows/domain/diverged.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../../context.ts';
import type { DivergedEntry } from '../../engine.ts';
import { ArchiveKeys } from '../../../stream/archive-key.ts';
import { divergedContext } from '../../../stream/contexts.ts';
import { contextOf, keyIdOf, open } from '../../../stream/sealed.ts';
import { controlDatabase } from '../control.ts';
import { decodeOrdered, stringifyOrdered } from '../ordered-documents.ts';
import { databaseOf, isServersOwn, parseEntry } from '../oplog/oplog-entry.ts';
import { splitDocuments } from '../oplog/raw-elements.ts';

/**
 * The entries of a diverged-writes report, in the order of the old primary's log, decrypted and authenticated. Reads the store
 * alone. Memory: one object, about 8 MiB.
 *
 * @throws Tampered - an object is not what the report names, or they do not hold as many entries as it says; WrongKey, ObjectMissing.
 */
export async function* openDivergedEntries(context: SourceContext, report: DivergedReport): AsyncGenerator<DivergedEntry> {
  const { system, source, timeline, run } = report;
  const scope = { system, source, timeline };
  const keys = new ArchiveKeys(context.store, context.keys);
  let entries = 0;
  for (const object of report.objects) {
    const stored = await context.store.get(object, { signal: context.signal });
    // The ends stand in the object itself; opening it authenticates them with the rest.
    const { from = '', to = '' } = contextOf(stored);
    const plain = await open(await keys.forReading(scope, keyIdOf(stored)), stored, divergedContext(scope, { run, from, to }));
    for (const raw of splitDocuments(plain)) {
      const { op, ns, position, wallMs } = parseEntry(raw);
      entries += 1;
      const own = op === 'n' || isServersOwn(ns) || databaseOf(ns) === controlDatabase;
      yield { position, at: new Date(wallMs).toISOString(), op, ns, own, raw, json: () => stringifyOrdered(decodeOrdered(raw)) };
    }
  }
  if (entries !== report.entries) throw new HoldfastError('Tampered', `the report of run ${run} says ${report.entries} diverged entries, its objects hold ${entries}`);
}
