import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { addressesOf, isOwnAddress } from '../../tool/this-machine.ts';
import { sourcePlace, targetPlace } from './connect.ts';
import type { PostgresAddress } from './transport.ts';

/**
 * What is restored is never where the source lives: by the addresses, names looked up, before anything is asked there. What two addresses hide, such as one
 * server behind two ports, is found later: only an empty database is ever claimed.
 * @throws TargetNotEmpty.
 */
export async function refuseLivingDatabase(context: SourceContext, target: Pick<TargetRef, 'system' | 'source' | 'environment'>): Promise<void> {
  const [living, wanted] = [(await sourcePlace(context)).address, (await targetPlace(context, target)).address];
  if (living.database !== wanted.database || living.port !== wanted.port || !(await isSameHost(living, wanted))) return;
  throw new HoldfastError('TargetNotEmpty', `${target.system}/${target.source}: the target in ${target.environment} is the living source's own database (${wanted.host}:${wanted.port}/${wanted.database})`, {
    hint: `name another database under environments.${target.environment}.endpoints.${target.source}.uri`,
  });
}

async function isSameHost(one: PostgresAddress, other: PostgresAddress): Promise<boolean> {
  if (one.host === other.host) return true;
  const places = async ({ host }: PostgresAddress): Promise<string[]> => (await addressesOf(host)).map((ip) => (isOwnAddress(ip) ? 'this machine' : ip));
  const [here, there] = [await places(one), await places(other)];
  return here.some((place) => there.includes(place));
}
