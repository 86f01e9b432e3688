import type { DumpPlanRef, GroupRef, SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type BackupScope } from '../../../workflows/domain/layout.ts';
import type { GroupIndex } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';
import { currentTimeline } from '../../store/timelines.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { putIndex } from '../base/put-index.ts';
import { StoredProgress } from '../base/stored-progress.ts';
import { endpointOf } from '../base/source-environment.ts';
import { planSchema, stream, type ToolPlan } from './plan-dump.ts';
import { backUpForeign } from './pgbackrest/back-up.ts';
import { dumpProgram, toolOf } from './programs.ts';
import { storeOutput } from './store-output.ts';

/** What people are told, in heartbeats and in the worker's log, when an attempt finds another one before it. */
export const startsAgain = 'starts again from the beginning: a program’s stream cannot be resumed';

/**
 * Runs the dump program, and cuts what it writes into parts. Its index is put once the program has ended well: until then
 * nothing names a part.
 *
 * Safe to repeat, from the beginning: parts have keys of their own for each attempt, and those of one that was killed are named by nobody.
 *
 * @throws ToolFailed - retryable: it ended badly, or wrote nothing. @throws StoreUnavailable - retryable.
 * @throws BadInput - the source has gone to another timeline since the plan: its program would read another server than planned.
 */
export async function dumpGroup(context: SourceContext, input: SourceRef & { plan: DumpPlanRef; epoch: number; group: string }): Promise<GroupRef> {
  const { store, keys, signal } = context;
  const plan = await readSigned(store, keys, planSchema, input.plan.plan, { signal });
  if (input.group !== stream.group) throw new HoldfastError('BadInput', `the plan of backup ${plan.backup} has no group ${input.group}`);
  const key = await openBackupKey(store, keys, plan, plan.key);
  const timeline = await currentTimeline(store, keys, plan, { signal });
  if (timeline?.timeline !== plan.timeline) {
    throw new HoldfastError('BadInput', `backup ${plan.backup} is of ${plan.system}/${plan.source}/${plan.timeline}, and the source has gone on in ${timeline?.timeline ?? 'none'}`, { hint: 'start another backup' });
  }
  const spec = await dumpProgram(context, endpointOf(context, timeline.environment ?? context.source.environment));
  const again = await isAgain(context, plan, stream);
  if (again) context.log?.('warn', `dump of ${plan.system}/${plan.source} by ${spec.name} ${startsAgain}`);
  const phase = again ? `dump by ${spec.name}, which ${startsAgain}` : `dump by ${spec.name}`;
  const fromAt = new Date().toISOString();
  const tool = toolOf(context);
  if (tool.uses === 'pgbackrest') {
    const { parts, foreign } = await backUpForeign(context, tool, { store, key, scope: plan, signal }, stream, phase);
    const plainBytes = parts.reduce((sum, part) => sum + part.plainBytes, 0);
    const ran = { fromAt: foreign.startedAt, toAt: foreign.stoppedAt };
    return await putIndex(context, plan, stream.group, [{ parts, summary: () => ({ unit: stream.unit, range: stream.range, documents: 0, plainBytes, hashSum: null, fuzzy: whyForeign, gone: false, ran, detail: foreign }) }]);
  }
  const progress = new StoredProgress(plan.groups[0]!.estimatedBytes, (reading) => context.progress({ ...reading, phase, group: stream.group }));
  const { parts, exitedAt } = await storeOutput(context, spec, { to: { store, key, scope: plan, signal }, of: stream, progress });
  const plainBytes = parts.reduce((sum, part) => sum + part.plainBytes, 0);
  if (plainBytes === 0) throw new HoldfastError('ToolFailed', `${spec.name} ended with code 0 and wrote nothing`, { hint: 'a dump is never empty: see that the program writes to its standard output' });
  const range: GroupIndex['ranges'][number] = {
    unit: stream.unit,
    range: stream.range,
    documents: 0,
    plainBytes,
    hashSum: null,
    fuzzy: whyUnproved(plan),
    gone: false,
    // Not when its last part was stored: what the source took meanwhile is not in it.
    ran: { fromAt, toAt: exitedAt },
  };
  return await putIndex(context, plan, stream.group, [{ parts, summary: () => range }]);
}

export const whyUnproved = ({ tool }: Pick<ToolPlan, 'tool'>): string =>
  `${tool.part === undefined ? '' : `a part of the database, by ${tool.part}; `}only ${tool.program} knows what is in its dump: nobody compared it with its source${tool.moment ? `; as configured, all of it is of the program’s ${tool.moment}` : ', and it is of no one moment'}`;

export const whyForeign = 'pgBackRest keeps the backup in a repository of its own, and Holdfast stores which one it is: nobody compared it with its source';

/** Whether an earlier attempt left parts of this backup. */
export async function isAgain({ store, signal }: SourceContext, plan: BackupScope, of: { unit: string; range: string }): Promise<boolean> {
  for await (const _ of store.list(layout.parts(plan, of.unit, of.range), { signal })) return true;
  return false;
}
