import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import type { SourceContext } from '../../context.ts';
import { currentTimeline } from '../../store/timelines.ts';

/**
 * Where the source lives now: a recovery moves it to another environment than the system file's, and the timeline that
 * begins with the recovery says so.
 */
export async function sourceEnvironment(context: SourceContext): Promise<string> {
  const of = { system: context.system.system, source: context.sourceName };
  const timeline = await currentTimeline(context.store, context.keys, of, { signal: context.signal });
  return timeline?.environment ?? context.source.environment;
}

export function endpointOf(context: Pick<SourceContext, 'system' | 'sourceName'>, environment: string): Endpoint {
  const endpoint = context.system.environments[environment]?.endpoints[context.sourceName];
  if (endpoint) return endpoint;
  throw new HoldfastError('BadInput', `environment "${environment}" of ${context.system.system} has no endpoint for source "${context.sourceName}"`, {
    hint: `known environments: ${Object.keys(context.system.environments).join(', ')}`,
  });
}
