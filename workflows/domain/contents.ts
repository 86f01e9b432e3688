import { z } from 'zod';

/** What of a database is backed up, or restored: all of it, its definitions (as pg_dump --schema-only), or its rows (--data-only). */
export const contentsSchema = z.enum(['all', 'definitions', 'rows']);
export type Contents = z.infer<typeof contentsSchema>;
