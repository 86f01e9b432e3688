import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { openToClients } from '../../provision/local-postgres.ts';
import { startRecoveredTimeline, type RecoveredSource } from '../base/timelines.ts';
import { sourcePlace, targetPlace, withClient } from './connect.ts';
import { controlSchema, readClaim } from './control.ts';
import { readServerFacts } from './server-facts.ts';

/**
 * The restored database becomes the application's: what the restore had noted in it goes. It has served since it was made, to whoever may log in (a server that the
 * provisioner made: from now on); that nobody is led there before is the switch's.
 *
 * Safe to repeat: notes that are gone are gone.
 * @throws TargetNotEmpty - another run's notes are there.
 */
export async function promoteTarget(context: SourceContext, { target }: { target: TargetRef }): Promise<{ summary: string; sourceIdentity: string }> {
  const place = await targetPlace(context, target);
  const promoted = await withClient(context, place, async (client) => {
    const claim = await readClaim(client);
    if (claim && claim.run !== target.run) throw new HoldfastError('TargetNotEmpty', `the target database belongs to run ${claim.run}, and this is ${target.run}`);
    const { identity } = await readServerFacts(client);
    await client.query('SET client_min_messages = warning');
    await client.query(`DROP SCHEMA IF EXISTS ${controlSchema} CASCADE`);
    const { host, port, database } = place.address;
    return { summary: `${database} at ${host}:${port} holds what was restored, and nothing of the restore`, sourceIdentity: identity };
  });
  if (context.system.standby.provision[context.sourceName]!.uses === 'local') await openToClients(context, target);
  return promoted;
}

/**
 * The timeline of a recovered source, which says where it lives from now on. Safe to repeat: the timeline of the same database and parent is adopted.
 * @throws EpochSuperseded.
 */
export async function startTimeline(context: SourceContext, input: RecoveredSource): Promise<{ timeline: string }> {
  const { identity } = await withClient(context, await sourcePlace(context, input.environment), readServerFacts);
  return await startRecoveredTimeline(context, input, identity);
}
