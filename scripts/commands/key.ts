import { readFileSync, writeFileSync } from 'node:fs';
import { proveRecovery, type ProvedRecovery } from '../../activities/keys/prove-recovery.ts';
import { openVerifier } from '../../activities/open-context.ts';
import { rememberSecret, resolveSecret } from '../../activities/secrets.ts';
import type { LoadedSystem } from '../../activities/system-files.ts';
import { openWrapper } from '../../activities/stream/open-keys.ts';
import type { KeyWrapper } from '../../activities/stream/keys.ts';
import type { VerifyResult } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { parseInput, recordRecoveryProofInput, rotateKeysInput, verifySystemInput } from '../../workflows/domain/inputs.ts';
import { describeRotation, nameOf, type RotationResult } from '../../workflows/domain/keys/describe.ts';
import type { RecoveryProof } from '../../workflows/domain/keys/records.ts';
import { opensHere, recipientsOf, type NamedRecipient } from '../../workflows/domain/keys/schema.ts';
import type { Cli } from '../cli.ts';
import { entryId, startEntry, withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';

interface ProveOptions {
  recipient?: string;
  source?: string;
  keyFile: string;
  passphraseFile?: string;
  record: boolean;
  by: string;
}

/** `holdfast key`: whether the keys of what is kept open, keys in the place of others, and the proof of the one that lies in a safe. */
export function key(cli: Cli): void {
  const group = cli.group('key', 'the keys that backups are wrapped for');
  check(cli, group);
  rotate(cli, group);
  proveRecoveryOffline(cli, group);
  newRecovery(cli, group);
}

type Group = ReturnType<Cli['group']>;

function check(cli: Cli, group: Group): void {
  cli.add<[string], { source?: string; by: string }>(
    'check <system>',
    'whether every kept key is wrapped for everybody, and opens (workflow verifySystem, scope keys); fails when not',
    (command) => command.option('--source <source>', 'left out: every source').option('--by <name>', 'who asks', currentUser()),
    async (printer, { source, by }, system) => {
      const input = { system, source, scope: 'keys', requestedBy: by };
      parseInput('verifySystem', verifySystemInput, input);
      await withTemporal(async (temporal) => {
        const id = entryId('key-check', system);
        const handle = await startEntry(temporal, 'verifySystem', id, input, `whether the keys of ${system} open`);
        printer.note(`started ${id}`);
        printer.result({ results: (await handle.result()) as VerifyResult[] }, ({ results }) => results.map((one) => `${one.system}/${one.source}: every key opens; ${one.objects} wrappings, ${one.parts} parts and ${one.slices} slices were opened`).join('\n'));
      });
    },
    group,
  );
}

function rotate(cli: Cli, group: Group): void {
  cli.add<[string], { reason: string; source?: string; dryRun?: boolean; by: string }>(
    'rotate <system>',
    'wrap every kept key for everybody whom the system file names, prove it, and retire those under key.retiring (workflow rotateKeys)',
    (command) => command.requiredOption('--reason <text>', 'why; it stays with the record').option('--dry-run', 'say how many wrappings are missing; puts none').option('--source <source>', 'of a dry run').option('--by <name>', 'who asks', currentUser()),
    async (printer, { reason, source, dryRun, by }, system) => {
      const input = { system, reason, source, dryRun, requestedBy: by };
      parseInput('rotateKeys', rotateKeysInput, input);
      await withTemporal(async (temporal) => {
        const id = entryId('key-rotate', system);
        const handle = await startEntry(temporal, 'rotateKeys', id, input, `rotate the keys of ${system}, asked for by ${by}`);
        printer.note(`started ${id}`);
        printer.result((await handle.result()) as RotationResult, (result) => describeRotation(result).join('\n'));
      });
    },
    group,
  );
}

function proveRecoveryOffline(cli: Cli, group: Group): void {
  cli.add<[string], ProveOptions>(
    'prove-recovery <system>',
    'open the newest base of each source with the offline key alone, and have that written down; the key stays in this process',
    (command) =>
      command
        .requiredOption('--key-file <path>', 'the private key, as it was written down; - reads it from standard input')
        .option('--recipient <id>', 'of the system file; may be left out when it names only one offline key')
        .option('--source <source>', 'left out: every source')
        .option('--passphrase-file <path>', 'of a gpg key that has one')
        .option('--no-record', 'open only: where there are no workers any more')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, options, system) => {
      const { loaded, ...room } = await openVerifier(system);
      const wrapper = await openOffline(loaded, options);
      const sources = options.source === undefined ? Object.keys(loaded.system.sources) : [options.source];
      const proofs: ProvedRecovery[] = [];
      for (const source of sources) {
        if (!loaded.system.sources[source]) throw new HoldfastError('BadInput', `system "${system}" has no source "${source}"; known: ${Object.keys(loaded.system.sources).join(', ')}`);
        proofs.push(await proveRecovery({ ...room, signal: new AbortController().signal }, { system, source }, wrapper));
        printer.note(`${nameOf(wrapper.recipient)} opened ${describeClaim(proofs.at(-1)!)}`);
      }
      const said = { system, proofs: proofs.map(({ system: _, ...proof }) => proof), requestedBy: options.by };
      if (!options.record) return printer.result({ ...said, recorded: false }, ({ proofs: opened }) => [...opened.map(describeClaim), 'not written down: readiness will ask for the proof all the same'].join('\n'));
      parseInput('recordRecoveryProof', recordRecoveryProofInput, said);
      return await withTemporal(async (temporal) => {
        const handle = await startEntry(temporal, 'recordRecoveryProof', entryId('recovery-proof', system), said, `${nameOf(wrapper.recipient)} opened a backup of ${system}`);
        printer.result({ ...said, recorded: true, records: (await handle.result()) as RecoveryProof[] }, ({ records }) => records.map((one) => `${describeClaim(one)}; written down at ${one.at}`).join('\n'));
      });
    },
    group,
  );
}

function newRecovery(cli: Cli, group: Group): void {
  cli.add<[], { out: string }>(
    'new-recovery',
    'make a key pair for an offline recipient (age): the private half into a file that is to leave this machine, the public one is printed',
    (command) => command.requiredOption('--out <path>', 'the file of the private half; must not exist'),
    async (printer, { out }) => {
      const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
      const privateKey = await generateX25519Identity();
      rememberSecret(privateKey);
      const publicKey = await identityToRecipient(privateKey);
      try {
        writeFileSync(out, `# public key: ${publicKey}\n${privateKey}\n`, { flag: 'wx', mode: 0o600 });
      } catch (error) {
        throw new HoldfastError('BadInput', `${out}: cannot be written (${(error as NodeJS.ErrnoException).code})`, { hint: 'name a file that is not there yet, in a folder that is' });
      }
      printer.result({ publicKey, privateKeyFile: out }, () => [publicKey, `the private half is in ${out} (0600): print it or put it on a stick, prove it (holdfast key prove-recovery), and delete the file`, 'in the system file, under key.recipients: {kind: age, publicKey: …}'].join('\n'));
    },
    group,
  );
}

const describeClaim = ({ source, backup, part, archiveKey }: Pick<RecoveryProof, 'source' | 'backup' | 'part' | 'archiveKey'>): string => `${source}: base ${backup}${part === null ? '' : ', a part of it'}${archiveKey === null ? '' : ', and the log behind it'}`;

/** The recipient with the private half that was given, which nobody else on this machine is told of. @throws BadInput, BadSystemFile. */
async function openOffline({ system: { system, key: keys }, directory }: LoadedSystem, { recipient, keyFile, passphraseFile }: ProveOptions): Promise<KeyWrapper> {
  const offline = recipientsOf(keys).filter(({ config }) => !opensHere(config));
  const chosen = recipient === undefined ? offline : offline.filter(({ id }) => id === recipient);
  const [one] = chosen;
  if (!one || chosen.length > 1) throw new HoldfastError('BadInput', `${system}: ${chosen.length > 1 ? 'several offline keys, and none was named' : `no offline key${recipient === undefined ? '' : ` ${recipient}`}`}; the system file names ${offline.map(({ id }) => id).join(', ') || 'none'}`, { hint: 'one under key.recipients without its privateKey, of the kind age or gpg' });
  const given: Record<string, string> = { privateKey: readSecretFile(keyFile), ...(passphraseFile === undefined ? {} : { passphrase: readSecretFile(passphraseFile) }) };
  const { config } = one;
  const whole = (config.kind === 'age' ? { ...config, privateKey: 'privateKey' } : { ...config, privateKey: 'privateKey', ...(passphraseFile === undefined ? {} : { passphrase: 'passphrase' }) }) as NamedRecipient['config'];
  return await openWrapper({ ...one, config: whole }, async (ref) => given[ref] ?? (await resolveSecret(ref, directory)));
}

function readSecretFile(path: string): string {
  try {
    const text = readFileSync(path === '-' ? 0 : path, 'utf8').replace(/\r?\n$/, '');
    rememberSecret(text);
    return text;
  } catch (error) {
    throw new HoldfastError('BadInput', `${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
