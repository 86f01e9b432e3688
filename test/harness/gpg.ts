import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { locateTool } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import type { Owner } from './cleanup.ts';
import { skipWithout } from './required-parts.ts';
import { tempDir } from './temp-dir.ts';

export interface GpgPair {
  publicKey: string;
  privateKey: string;
  /** the keyring that it was made in */
  home: string;
  program: string;
}

/** A fresh key pair, made by gpg in a keyring of its own. Undefined: there is no gpg here. @param as - further arguments of gpg, such as a time that it takes for now. */
export async function newGpgPair(owner: Owner, { address = 'backup@shop.example', passphrase = '', kind = ['future-default', 'default', 'never'], as = [] }: { address?: string; passphrase?: string; kind?: string[]; as?: string[] } = {}): Promise<GpgPair | undefined> {
  const program = locateTool('gpg')?.path;
  if (program === undefined) {
    skipWithout('gpg', 'there is no gpg on this machine');
    return undefined;
  }
  let home = '';
  const endAgent = async (): Promise<void> => void (await runTool({ path: join(dirname(program), 'gpgconf') }, ['--homedir', home, '--kill', 'all']));
  // Before the directory's own: hooks run in their order, and the agent is found by its directory.
  owner.after(endAgent);
  home = join(tempDir(owner), 'keyring');
  mkdirSync(home, { mode: 0o700 });
  const gpg = async (args: string[]): Promise<void> => void (await runTool({ path: program }, ['--homedir', home, '--batch', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', passphrase, ...as, ...args]));
  await gpg(['--quick-generate-key', `Backup <${address}>`, ...kind]);
  await gpg(['--armor', '--output', join(home, 'public.asc'), '--export']);
  await gpg(['--armor', '--output', join(home, 'private.asc'), '--export-secret-keys']);
  await endAgent();
  return { publicKey: readFileSync(join(home, 'public.asc'), 'utf8'), privateKey: readFileSync(join(home, 'private.asc'), 'utf8'), home, program };
}
