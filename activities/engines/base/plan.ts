import { z } from 'zod';
import type { DumpPlanRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPositionSchema } from '../../../workflows/domain/log-position.ts';
import { parentSchema } from '../../../workflows/domain/manifest.ts';
import { formatVersion, objectRefSchema, type ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../../context.ts';
import { findSigned, putSigned } from '../../store/signed-object.ts';

const count = z.number().int().min(0);

const planRangeSchema = z.strictObject({ unit: z.string(), range: z.string(), estimatedBytes: count });
export type PlanRange = z.infer<typeof planRangeSchema>;

/** What the plan of every engine says; an engine adds its own. Signed, put once: every attempt of every group works from the same one. */
export const planFields = {
  format: z.literal(formatVersion),
  kind: z.literal('plan'),
  system: z.string(),
  source: z.string(),
  timeline: z.string(),
  epoch: z.number().int(),
  backup: z.string(),
  why: z.string(),
  requestedBy: z.string(),
  startedAt: z.iso.datetime(),
  versions: z.record(z.string(), z.string()),
  logFrom: logPositionSchema,
  key: z.strictObject({ id: z.string(), objects: z.array(objectRefSchema) }),
  groups: z.array(z.strictObject({ group: z.string(), estimatedBytes: count, ranges: z.array(planRangeSchema) })),
  /** incremental: the bases that it is going to add to, the full one first, which stay as long as this lies there. Left out: a full one */
  parents: z.array(parentSchema).min(1).optional(),
};

export const basePlanSchema = z.object({ ...planFields, units: z.array(z.looseObject({ id: z.string(), name: z.string(), kind: z.string() })) });
export type BasePlan = z.infer<typeof basePlanSchema>;

/** What every plan says of itself, and of who asked for it. */
export const planHead = (scope: PlanScope, { epoch, why, requestedBy }: Pick<BasePlan, 'epoch' | 'why' | 'requestedBy'>): Omit<BasePlan, 'startedAt' | 'versions' | 'logFrom' | 'key' | 'groups' | 'units'> => ({
  format: formatVersion,
  kind: 'plan',
  system: scope.system,
  source: scope.source,
  timeline: scope.timeline,
  backup: scope.backup,
  epoch,
  why,
  requestedBy,
});

type PlanScope = Pick<BasePlan, 'system' | 'source' | 'timeline' | 'backup'>;
type PlanSchema<P> = z.ZodType<P>;

interface StoredPlan<P> {
  plan: P;
  ref: ObjectRef;
}

export async function findPlan<P extends BasePlan>(context: SourceContext, schema: PlanSchema<P>, scope: PlanScope): Promise<StoredPlan<P> | undefined> {
  const { found } = await findSigned(context.store, context.keys, schema, layout.plan(scope), { signal: context.signal });
  return found && { plan: found.body, ref: found.ref };
}

/** Puts a plan where none is; another attempt that was faster is adopted: its plan is the plan. */
export async function putPlan<P extends BasePlan>(context: SourceContext, schema: PlanSchema<P>, plan: P): Promise<StoredPlan<P>> {
  try {
    return { plan, ref: await putSigned(context.store, context.keys, layout.plan(plan), plan, { ifAbsent: true, signal: context.signal }) };
  } catch (error) {
    const theirs = error instanceof HoldfastError && error.type === 'AlreadyExists' ? await findPlan(context, schema, plan) : undefined;
    if (!theirs) throw error;
    return theirs;
  }
}

/** What the workflow keeps of a plan. */
export function planRef({ plan, ref }: StoredPlan<BasePlan>): DumpPlanRef {
  return {
    backup: plan.backup,
    timeline: plan.timeline,
    plan: ref,
    groups: plan.groups.map(({ group, estimatedBytes, ranges }) => ({ group, estimatedBytes, pieces: ranges.length })),
    units: plan.units.length,
    estimatedBytes: plan.groups.reduce((sum, { estimatedBytes }) => sum + estimatedBytes, 0),
  };
}
