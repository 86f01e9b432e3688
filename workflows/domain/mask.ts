import { z } from 'zod';

/**
 * What of a source's data nobody sees outside of production: by table, by column, how. Applied to what was restored, before people are let in to it.
 *
 * - `text`, `email`, `phone`: a value that says nothing, the same for the same value (so joins, and what is unique, hold), by a secret of this one time that nobody keeps.
 * - `null`: nothing.
 * - `{ fixed: … }`: this value, in every row that has one.
 */
const maskForms = ['text', 'email', 'phone', 'null'] as const;

const maskFormSchema = z.union([z.enum(maskForms), z.strictObject({ fixed: z.string().max(200, 'at most 200 characters') })], `${maskForms.join(', ')} or {fixed: value}`);
export type MaskForm = z.output<typeof maskFormSchema>;

const table = z.string().regex(/^[^.]+\.[^\0]+$/, 'a table such as public.users');
export const maskSchema = z.record(table, z.record(z.string().min(1), maskFormSchema)).refine((tables) => Object.values(tables).every((columns) => Object.keys(columns).length > 0), 'at least one column of each table');

/** By table, by column. */
export type MaskRules = z.output<typeof maskSchema>;

export interface MaskedColumn {
  ns: string;
  column: string;
  /** rows that had a value */
  values: number;
}

export interface MaskResult {
  columns: MaskedColumn[];
  /** what no rule reaches, and why; a sentence each */
  notes: string[];
}

export const countColumns = (rules: MaskRules): number => Object.values(rules).reduce((sum, columns) => sum + Object.keys(columns).length, 0);
