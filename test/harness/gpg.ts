import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { locateTool } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import type { Owner } from './cleanup.ts';
import { tempDir } from './temp-dir.ts';

export interface GpgPair {
  publicKey: string;
  privateKey: string;
}

/** A fresh key pair, made by gpg in a keyring of its own. Undefined: there is no gpg here. @param as - further arguments of gpg, such as a time that it takes for now. */
export async function newGpgPair(owner: Owner, { address = 'backup@shop.example', passphrase = '', kind = ['future-default', 'default', 'never'], as = [] }: { address?: string; passphrase?: string; kind?: string[]; as?: string[] } = {}): Promise<GpgPair | undefined> {
  const found = locateTool('gpg');
  if (!found) return undefined;
  const home = join(tempDir(owner), 'keyring');
  mkdirSync(home, { mode: 0o700 });
  const gpg = async (args: string[]): Promise<void> => void (await runTool({ path: found.path }, ['--homedir', home, '--batch', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', passphrase, ...as, ...args]));
  try {
    await gpg(['--quick-generate-key', `Backup <${address}>`, ...kind]);
    await gpg(['--armor', '--output', join(home, 'public.asc'), '--export']);
    await gpg(['--armor', '--output', join(home, 'private.asc'), '--export-secret-keys']);
  } finally {
    await runTool({ path: join(dirname(found.path), 'gpgconf') }, ['--homedir', home, '--kill', 'all']);
  }
  return { publicKey: readFileSync(join(home, 'public.asc'), 'utf8'), privateKey: readFileSync(join(home, 'private.asc'), 'utf8') };
}
