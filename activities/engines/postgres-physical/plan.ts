import { z } from 'zod';
import { planFields } from '../base/plan.ts';

/** The one tar of the data directory, in the one group. */
export const cluster = { unit: 'cluster', range: 'all', group: 'cluster' } as const;
/** Where there are tablespaces: a tar of each, and the server's list of files, which is in the one tar where there are none. */
export const rangeOfTablespace = (oid: string): string => `tablespace-${oid}`;
export const listRange = 'list';

const tablespacesSchema = z.array(z.strictObject({ oid: z.string().regex(/^\d+$/), name: z.string() }));

export const planSchema = z.strictObject({
  ...planFields,
  units: z.array(z.strictObject({ id: z.string(), name: z.string(), kind: z.literal('cluster') })),
  server: z.strictObject({ system: z.string(), timeline: z.number().int(), major: z.number().int(), segmentBytes: z.number().int() }),
  tablespaces: tablespacesSchema,
  /** why it is a full one, though an incremental one was asked for */
  instead: z.string().optional(),
});
export type PhysicalPlan = z.infer<typeof planSchema>;

/** What is known of the stream once it has passed: the range's own `detail` in the index. */
export const passedSchema = z.strictObject({
  timeline: z.number().int(),
  startLsn: z.string(),
  endLsn: z.string(),
  files: z.number().int(),
  tablespaces: tablespacesSchema,
  /** where in the bytes of a range the server's list of files lies: what the next incremental base is told of this one */
  list: z.strictObject({ range: z.string(), at: z.number().int(), bytes: z.number().int() }),
  /** whether it adds to what its plan names; or why not, where the plan names something */
  increment: z.union([z.boolean(), z.string()]),
  /** the source's own clock, once all that the base holds was logged */
  endedAt: z.iso.datetime(),
});
export type Passed = z.infer<typeof passedSchema>;

/** The unit's own `detail` in the manifest: what restoring needs to know. */
export const detailSchema = passedSchema.extend({ system: z.string(), major: z.number().int(), segmentBytes: z.number().int() });
export type ClusterDetail = z.infer<typeof detailSchema>;
