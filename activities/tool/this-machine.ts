import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';

/** Whether an IP address is one of this machine's own. */
export function isOwnAddress(address: string): boolean {
  if (/^(127\.|::1$|::ffff:127\.|0\.0\.0\.0$|::$)/.test(address)) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === address));
}

/** Every address that a host stands for now; itself where nobody knows the name. */
export async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) > 0) return [host];
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.length > 0 ? found.map(({ address }) => address) : [host];
}

/** Whether every address of this host is one of this machine's own. A name that nobody knows is elsewhere. */
export async function isThisMachine(host: string): Promise<boolean> {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (bare === 'localhost' || bare === hostname()) return true;
  return (await addressesOf(bare)).every(isOwnAddress);
}
