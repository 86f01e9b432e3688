import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** Whether an IP address is one of this machine's own. */
export function isOwnAddress(address: string): boolean {
  if (/^(127\.|::1$|::ffff:127\.|0\.0\.0\.0$|::$)/.test(address)) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === address));
}

/**
 * Every address that a host stands for now; itself where there is no such name.
 * @throws TargetUnavailable - retryable: nobody answers what it stands for.
 */
export async function addressesOf(host: string, find: (host: string, options: { all: true }) => Promise<{ address: string }[]> = lookup): Promise<string[]> {
  if (isIP(host) > 0) return [host];
  try {
    const found = await find(host, { all: true });
    return found.length > 0 ? found.map(({ address }) => address) : [host];
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (code === 'ENOTFOUND') return [host];
    throw new HoldfastError('TargetUnavailable', `the name ${host} cannot be looked up (${code})`, { cause: error });
  }
}

/** Whether every address of this host is one of this machine's own. A name that nobody knows, or answers for, is elsewhere. */
export async function isThisMachine(host: string): Promise<boolean> {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (bare === 'localhost' || bare === hostname()) return true;
  return (await addressesOf(bare).catch(() => [bare])).every(isOwnAddress);
}
