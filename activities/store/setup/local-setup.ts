import { chmod, mkdir, stat } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Setting } from '../../../workflows/domain/store-setup.ts';
import type { StoreConfig } from '../../../workflows/domain/system.ts';
import { formatBytes, gib } from '../../../workflows/domain/units.ts';
import { freeBytes } from '../../tool/free-bytes.ts';
import { bytesUnder, closeUnder, exposedUnder } from '../local-tree.ts';
import { makeRoom } from '../quota.ts';
import { fullness } from '../../../workflows/domain/capacity.ts';
import type { Resolve } from '../open-store.ts';
import type { StoreSetup } from './store-setup.ts';

const roomBytes = gib(1);
const modeOf = (mode: number): string => `0${(mode & 0o777).toString(8)}`;

const shown = 5;

/** What others may read or change, by name: somebody has opened it, as nothing of ours is made so. */
async function readPermissions(path: string): Promise<Setting> {
  const exposed = (await exposedUnder(path)).filter((one) => one.path !== path);
  const found = exposed.length === 0 ? 'all of it' : `${exposed.length} are open to others: ${exposed.slice(0, shown).map((one) => `${one.path} (${one.mode})`).join(', ')}${exposed.length > shown ? `, and ${exposed.length - shown} more` : ''}`;
  return { setting: 'permissions', state: exposed.length === 0 ? 'as-asked' : 'to-do', wanted: 'directories 0700, files 0600', found, hint: exposed.length === 0 ? null : 'look who opened them, and whether they were read; holdfast store init closes them again' };
}

async function readQuota(path: string, quota: number): Promise<Setting> {
  const used = await bytesUnder(path);
  return { setting: 'quota', state: used >= fullness.warning * quota ? 'cannot' : 'as-asked', wanted: `less than ${Math.round(100 * fullness.warning)} % of ${formatBytes(quota)}`, found: formatBytes(used), hint: makeRoom };
}

/** A directory: there, its owner's alone, ours, with room. */
export function localSetup(config: Extract<StoreConfig, { kind: 'local' }>, { address = (text) => text }: Resolve): StoreSetup {
  const path = resolvePath(address(config.path));
  const read = async (): Promise<Setting[]> => {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw new HoldfastError('StoreUnavailable', `store ${config.name}: ${error.message}`, { cause: error });
    });
    const wanted = 'a directory that only its owner may enter (0700)';
    if (!found) return [{ setting: 'directory', state: 'to-do', wanted, found: `${path} is not there`, hint: null }];
    if (!found.isDirectory()) return [{ setting: 'directory', state: 'cannot', wanted, found: `${path} is no directory`, hint: 'name another path in the system file' }];
    const free = await freeBytes(path);
    const us = process.getuid?.();
    return [
      { setting: 'directory', state: (found.mode & 0o077) === 0 ? 'as-asked' : 'to-do', wanted, found: `${path}, mode ${modeOf(found.mode)}`, hint: null },
      { setting: 'owner', state: us === undefined || found.uid === us ? 'as-asked' : 'cannot', wanted: `the user that runs Holdfast (${us})`, found: `user ${found.uid}`, hint: `chown -R ${us} ${path}` },
      await readPermissions(path),
      ...(config.quota === undefined ? [] : [await readQuota(path, config.quota)]),
      { setting: 'free space', state: free >= roomBytes ? 'as-asked' : 'cannot', wanted: `${formatBytes(roomBytes)} at least`, found: formatBytes(free), hint: 'make room on that disk' },
    ];
  };
  return {
    read,
    apply: async (setting) => {
      await mkdir(path, { recursive: true, mode: 0o700 });
      if (setting.setting === 'permissions') await closeUnder(path);
      await chmod(path, 0o700);
      return (await read()).find((now) => now.setting === setting.setting)!;
    },
    close: () => undefined,
  };
}
