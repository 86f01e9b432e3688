import { z } from 'zod';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import { epochSchema, holdSchema } from '../../workflows/domain/source-records.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../context.ts';
import { readOrNote, type Findings } from './findings.ts';
import { findSigned, readSigned } from './signed-object.ts';

/** What a plan holds beside this is the engine's own. */
const planSchema = z.looseObject({ kind: z.literal('plan') });

/**
 * Verifies what no restore reads, and what a run still depends on: epochs (a forged one ends every control plane's
 * command), holds (a forged one holds nothing, and a damaged one no more), and the plan of a base. One that is not there is no
 * damage: a hold is released, and a plan has done its work once the manifest is there.
 */
export async function verifyControl(context: SourceContext, scope: BackupScope, probe: ObjectRef, found: Findings): Promise<void> {
  const { store, keys, signal } = context;
  const note = <T>(key: string, read: () => Promise<T>): Promise<T | undefined> => readOrNote(found, key, () => store.get(probe, { signal }), read);
  const oldest = async (key: string, schema: z.ZodType): Promise<void> => {
    const outcome = await note(key, () => findSigned(store, keys, schema, key, { signal }));
    if (outcome && !outcome.found) for (const { why } of outcome.rejected) found.problems.push({ key, problem: why });
    if (outcome?.found) found.objects += 1;
  };
  const epochs = new Set<string>();
  for await (const { key, isDeleteMarker } of store.list(layout.epochs(scope.system), { signal })) if (!isDeleteMarker) epochs.add(key);
  for (const key of epochs) await oldest(key, epochSchema);
  for await (const version of store.list(layout.holds(scope.system), { signal })) {
    if (version.isDeleteMarker) continue;
    // Every version holds.
    await note(version.key, () => readSigned(store, keys, holdSchema, version, { signal }));
    found.objects += 1;
  }
  await oldest(layout.plan(scope), planSchema);
}
