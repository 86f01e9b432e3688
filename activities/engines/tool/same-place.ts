import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { hostsOf } from '../../tool/hosts-of.ts';
import { addressesOf, isOwnAddress } from '../../tool/this-machine.ts';
import { endpointOf, sourceEnvironment } from '../base/source-environment.ts';
import { addressOf } from './program-spec.ts';

/**
 * Refuses to restore over the source itself: the program would drop what serves. Names are looked up, and every address of
 * this machine is one place; a port that is not known may be any, and a directory in another one is part of it. What is not seen: one server
 * behind two ports.
 * @throws TargetNotEmpty - source and target are one place. @throws TargetUnavailable - retryable: a name cannot be looked up, so nobody knows.
 */
export async function refuseLivingSource(context: SourceContext, target: Pick<TargetRef, 'system' | 'source' | 'environment'>): Promise<void> {
  const environment = await sourceEnvironment(context);
  const living = await placesOf(addressOf(context, endpointOf(context, environment)));
  const wanted = await placesOf(addressOf(context, endpointOf(context, target.environment)));
  const same = environment === target.environment ? wanted[0] : wanted.find((place) => living.some((other) => isSame(place, other)));
  if (same === undefined) return;
  throw new HoldfastError('TargetNotEmpty', `${target.system}/${target.source}: the target in ${target.environment} is the living source in ${environment} (${tell(same)}): a restore would write over it`, {
    hint: `correct environments.${target.environment}.endpoints.${target.source}.uri`,
  });
}

type Place = { path: string } | { at: string; port: string };

const tell = (place: Place): string => ('path' in place ? place.path : place.port === '' ? place.at : `${place.at}:${place.port}`);

function isSame(one: Place, other: Place): boolean {
  if ('path' in one) return 'path' in other && (isIn(one.path, other.path) || isIn(other.path, one.path));
  return 'at' in other && one.at === other.at && (one.port === other.port || one.port === '' || other.port === '');
}

const isIn = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(outer.endsWith('/') ? outer : `${outer}/`);

async function placesOf(address: string): Promise<Place[]> {
  const hosts = hostsOf(address);
  if (hosts.length === 0) return [{ path: await realPathOf(resolve(address.replace(/^file:\/\//, ''))) }];
  const places = await Promise.all(hosts.map(async ({ host, port }) => (await addressesOf(host)).map((ip) => ({ at: isOwnAddress(ip) ? 'this machine' : ip, port }))));
  return places.flat();
}

/** Of what is not there yet: in the nearest directory above it that is. */
async function realPathOf(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  return real ?? (dirname(path) === path ? path : join(await realPathOf(dirname(path)), basename(path)));
}
