import { realpath } from 'node:fs/promises';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { addressesOf, isOwnAddress } from '../../tool/this-machine.ts';
import { endpointOf, sourceEnvironment } from '../base/source-environment.ts';

export interface Host {
  host: string;
  /** as text; the scheme's own where the address names none, empty where that is not known */
  port: string;
}

const schemePorts: Record<string, string> = { mongodb: '27017', postgres: '5432', postgresql: '5432', mysql: '3306', redis: '6379', rediss: '6379', http: '80', https: '443' };

/** The hosts of an address such as `mongodb://a:1,b:2/?x`; none of a path or a `file:` address. */
export function hostsOf(address: string): Host[] {
  const [, scheme, authority] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(address) ?? [];
  if (scheme === undefined || scheme === 'file') return [];
  const hosts = authority!.slice(authority!.lastIndexOf('@') + 1).split(',').filter((one) => one !== '');
  return hosts.map((one) => {
    const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(one) ?? [undefined, one, undefined];
    return { host: host!.replace(/^\[|\]$/g, '').toLowerCase(), port: port ?? schemePorts[scheme.toLowerCase()] ?? '' };
  });
}

/**
 * Refuses to restore over the source itself: the program would drop what serves. Names are looked up, and every address of
 * this machine is one place. What is not seen: one server behind two ports.
 * @throws TargetNotEmpty - source and target are one place.
 */
export async function refuseLivingSource(context: SourceContext, target: TargetRef): Promise<void> {
  const environment = await sourceEnvironment(context);
  const living = context.address(endpointOf(context, environment).uri);
  const wanted = context.address(endpointOf(context, target.environment).uri);
  const known = new Set(await placesOf(living));
  const same = environment === target.environment ? wanted : (await placesOf(wanted)).find((place) => known.has(place));
  if (same === undefined) return;
  throw new HoldfastError('TargetNotEmpty', `${target.system}/${target.source}: the target in ${target.environment} is the living source in ${environment} (${same}): a restore would write over it`, {
    hint: `correct environments.${target.environment}.endpoints.${target.source}.uri`,
  });
}

/** Texts that are equal where two addresses mean one place. */
async function placesOf(address: string): Promise<string[]> {
  const hosts = hostsOf(address);
  if (hosts.length === 0) {
    const path = address.replace(/^file:\/\//, '');
    return [await realpath(path).catch(() => path)];
  }
  const places = await Promise.all(hosts.map(async ({ host, port }) => (await addressesOf(host)).map((ip) => `${isOwnAddress(ip) ? 'this machine' : ip}:${port}`)));
  return places.flat();
}
