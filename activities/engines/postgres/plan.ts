import { z } from 'zod';
import { contentsSchema } from '../../../workflows/domain/contents.ts';
import { logPositionSchema } from '../../../workflows/domain/log-position.ts';
import { planFields } from '../base/plan.ts';

/** A table's own: what COPY names. `condition`: of an extension's table, which of its rows are the application's. `diskBytes`: what it took at the source, indexes and all; left out: nobody noted it. */
const tableSchema = z.strictObject({ columns: z.array(z.string()), condition: z.string().nullable(), diskBytes: z.number().int().min(0).optional() });
export type TableDetail = z.infer<typeof tableSchema>;

/**
 * What a base holds beside the rows of tables, in the group that is dumped first:
 *
 * | unit | holds |
 * |---|---|
 * | `definitions` | what pg_dump writes of the schema, as its custom format |
 * | `globals` | a JSON line each: the database itself, roles and memberships, settings, sequences' values, which materialized views are filled |
 */
export const ownUnits = { definitions: 'definitions', globals: 'globals' } as const;

const planUnitSchema = z.strictObject({
  /** the table's oid, `large-objects`, or one of `ownUnits` */
  id: z.string(),
  /** as SQL names it */
  name: z.string(),
  kind: z.enum(['table', 'large-objects', 'definitions', 'globals']),
  estimatedBytes: z.number().int().min(0),
  detail: tableSchema.nullable(),
});
export type PlanUnit = z.infer<typeof planUnitSchema>;

/** What a dump will read, and at which snapshot. Signed, put once: every attempt of every group works from the same one. */
export const planSchema = z.strictObject({
  ...planFields,
  /** as the server calls it; worth nothing once its holder is gone */
  snapshot: z.string(),
  readAt: logPositionSchema,
  /** left out: all */
  contents: contentsSchema.optional(),
  units: z.array(planUnitSchema),
});
export type Plan = z.infer<typeof planSchema>;

/** @throws ZodError - the unit is of no table. */
export const tableDetail = (detail: unknown): TableDetail => tableSchema.parse(detail);

/** Pages of a table from `from` up to, not including, `to`; undefined: to its end. */
export interface PageRange {
  from: number;
  to: number | undefined;
}

const wholeRange = 'all';
const digits = (page: number): string => String(page).padStart(10, '0');

export const rangeName = (range: PageRange | undefined): string => (range ? `p${digits(range.from)}-${range.to === undefined ? '' : digits(range.to)}` : wholeRange);

/** Undefined: all of it. */
export function parseRangeName(name: string): PageRange | undefined {
  const [, from, to] = /^p(\d+)-(\d*)$/.exec(name) ?? [];
  return from === undefined ? undefined : { from: Number(from), to: to === '' ? undefined : Number(to) };
}
