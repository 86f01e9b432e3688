import { requireAbility, type Abilities } from '../../workflows/domain/engines.ts';
import type { SourceContext } from '../context.ts';

/** Whom a refusal names. */
export const whoOf = (context: SourceContext): { system: string; source: string; engine: SourceContext['source']['engine'] } => ({ system: context.system.system, source: context.sourceName, engine: context.source.engine });

function refuseNow(context: SourceContext, ability: keyof Abilities): never {
  requireAbility(whoOf(context), ability);
  throw new Error(`engine "${context.source.engine}" has no such job`);
}

/** Stands for a job that an engine does not have. The last door: whoever starts such work refuses it before. */
export const refuse = (ability: keyof Abilities) => async (context: SourceContext): Promise<never> => refuseNow(context, ability);

/** The same for a job that answers with a stream. */
export const refuseStream = (ability: keyof Abilities) => (context: SourceContext): never => refuseNow(context, ability);

/** Of an engine that can bring no part of a base into the living source. */
export const refusePartial = { narrowPoint: refuse('partial'), copyBeside: refuse('partial'), dropCopies: refuse('partial'), planSwap: refuse('partial'), swapCollections: refuse('partial'), swapBack: refuse('partial') } as const;
