import type { Engine } from './engine.ts';
import { mongodbEngine } from './mongodb/index.ts';

const engines = { mongodb: mongodbEngine } as const satisfies Record<string, Engine>;

/** The engine of a source; the schema lets no other kind through. */
export const openEngine = (kind: keyof typeof engines): Engine => engines[kind];
