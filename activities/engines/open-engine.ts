import type { EngineKind } from '../../workflows/domain/engines.ts';
import type { Engine } from './engine.ts';
import { mongodbEngine } from './mongodb/index.ts';
import { postgresPhysicalEngine } from './postgres-physical/index.ts';
import { postgresEngine } from './postgres/index.ts';
import { toolEngine } from './tool/index.ts';

const byKind: Record<EngineKind, Engine> = { mongodb: mongodbEngine, postgres: postgresEngine, 'postgres-physical': postgresPhysicalEngine, tool: toolEngine };

/** The engine of a source; the schema lets no other kind through. */
export const openEngine = (kind: EngineKind): Engine => byKind[kind];
