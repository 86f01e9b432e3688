import { z } from 'zod';
import type { DumpPlanRef, SourceRef } from '../../../workflows/contract.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { logPosition } from '../../../workflows/domain/log-position.ts';
import { manifestSchema } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { foldersUnder } from '../../store/keys-under.ts';
import { findSigned } from '../../store/signed-object.ts';
import { createBackupKey } from '../../stream/backup-key.ts';
import { findPlan, planFields, planHead, planRef, putPlan } from '../base/plan.ts';
import { endpointOf, sourceEnvironment } from '../base/source-environment.ts';
import { currentOrFirstTimeline } from '../base/timelines.ts';
import { partOf } from './pg-dump.ts';
import { dumpProgram, readToolVersion, toolOf } from './programs.ts';

export const planSchema = z.strictObject({
  ...planFields,
  units: z.array(z.strictObject({ id: z.string(), name: z.string(), kind: z.literal('stream') })),
  /** what the manifest will say of the program */
  tool: z.strictObject({ program: z.string(), version: z.string(), moment: z.enum(['start', 'end']).nullable(), part: z.string().optional() }),
});
export type ToolPlan = z.infer<typeof planSchema>;

/** The one stream, in the one group. */
export const stream = { unit: 'stream', range: 'all', group: 'stream' } as const;

/** A program tells nobody which server it speaks to. */
const unknownIdentity = 'unknown: a program’s source';

/**
 * Writes down which program will dump the source. Runs it only to ask its version.
 *
 * Safe to repeat: the plan is put only where none is, and a second call returns the first one's.
 *
 * @throws ToolMissing, BadSystemFile - the program, or a secret of it, is not there: known before anything is written.
 */
export async function planDump(context: SourceContext, input: SourceRef & { backup: string; epoch: number; why: string; requestedBy: string }): Promise<DumpPlanRef> {
  const endpoint = endpointOf(context, await sourceEnvironment(context));
  const spec = await dumpProgram(context, endpoint);
  const version = await readToolVersion(context, endpoint);
  // A plan makes the timeline of a source that has none yet.
  await assertEpoch(context.store, input.system, input.epoch, { signal: context.signal });
  const { timeline } = await currentOrFirstTimeline(context, { identity: unknownIdentity, epoch: input.epoch, why: input.why });
  const scope = { system: input.system, source: input.source, timeline, backup: input.backup };
  const adopted = await findPlan(context, planSchema, scope);
  if (adopted) return planRef(adopted);
  const { manifestKey } = await createBackupKey(context.store, context.keys, scope);
  const estimatedBytes = await estimateBytes(context, scope);
  const part = partOf(toolOf(context));
  return planRef(await putPlan(context, planSchema, {
    ...planHead(scope, input),
    startedAt: new Date().toISOString(),
    versions: { [spec.name]: version, node: process.versions.node },
    logFrom: logPosition(Math.floor(Date.now() / 1000), 0),
    key: manifestKey,
    units: [{ id: stream.unit, name: input.source, kind: 'stream' }],
    groups: [{ group: stream.group, estimatedBytes, ranges: [{ unit: stream.unit, range: stream.range, estimatedBytes }] }],
    tool: { program: spec.name, version, moment: momentOf(context), ...(part === undefined ? {} : { part }) },
  }));
}

/** As much as the newest base of a program was: nobody knows more before the program has ended. 0: there is none. */
async function estimateBytes({ store, keys, signal }: SourceContext, scope: TimelineScope): Promise<number> {
  const backups: string[] = [];
  for await (const backup of foldersUnder(store, layout.backups(scope), signal)) backups.push(backup);
  for (const backup of backups.slice(-lookedAtForSize).reverse()) {
    const { found } = await findSigned(store, keys, manifestSchema, layout.manifest({ ...scope, backup }), { signal });
    if (found?.body.origin?.form === 'stream') return found.body.totals.plainBytes;
  }
  return 0;
}

/** Backups that were never finished may lie before it, this one among them. */
const lookedAtForSize = 10;

function momentOf(context: SourceContext): 'start' | 'end' | null {
  const tool = toolOf(context);
  if (tool.uses === 'mongodump') return tool.oplog ? 'end' : null;
  // It is consistent where it ended: that is where its restore stops.
  if (tool.uses === 'pgbackrest') return 'end';
  if (tool.uses === 'pg_dump') return 'start';
  return tool.moment ?? null;
}
