import type { EngineKind } from '../../workflows/domain/engines.ts';
import type { Engine } from './engine.ts';

/** Only the engine that is asked for is loaded, with its driver: most processes work for one source. */
const byKind: Record<EngineKind, () => Promise<Engine>> = {
  mongodb: async () => (await import('./mongodb/index.ts')).mongodbEngine,
  postgres: async () => (await import('./postgres/index.ts')).postgresEngine,
  'postgres-physical': async () => (await import('./postgres-physical/index.ts')).postgresPhysicalEngine,
  tool: async () => (await import('./tool/index.ts')).toolEngine,
};

/** The engine of a source; the schema lets no other kind through. */
export const openEngine = async (kind: EngineKind): Promise<Engine> => await byKind[kind]();
