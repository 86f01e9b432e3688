import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { seconds } from '../../workflows/domain/units.ts';
import { findTool } from '../tool/find-tool.ts';
import { makePrivateDirectory } from '../tool/private-files.ts';
import { runTool, type ToolResult } from '../tool/run-tool.ts';
import type { KeyWrapper } from './keys.ts';
import { cipherOf, envelopeOf, openEnvelope, wrappedKey } from './wrapped-key.ts';

export interface GpgSettings {
  /** as gpg --armor --export writes it */
  publicKey: string;
  /** address or fingerprint that the key has to be of; left out: whoever it is of */
  recipient?: string | undefined;
  /** left out: it wraps, and opens nothing */
  privateKey?: string | undefined;
  passphrase?: string | undefined;
}

const withinMs = seconds(60);
/** The agent would measure the machine first, a second of its time, to make the passphrase of a copy that goes with its directory dear to guess. */
const agentSettings = 's2k-count 65536';

/**
 * Wraps data keys for an OpenPGP key, by the program gpg: what it makes, `gpg -d` opens.
 *
 * Each call has a keyring of its own, in a private directory (0700, in memory where the machine has that) which goes with the call: nobody's own keyring is read or changed, and the private key and its passphrase lie on no
 * disk and in no argument. The agent that gpg starts for a private key is ended with it; one that was left behind by a kill ends itself when its directory is swept.
 *
 * @throws BadSystemFile - `publicKey` or `privateKey` holds something else. ToolMissing - there is no gpg on this machine.
 */
export async function gpgWrapper(id: string, settings: GpgSettings, where: string): Promise<KeyWrapper> {
  const recipient = { kind: 'gpg', id };
  const needBlock = (field: 'publicKey' | 'privateKey', kind: string): void => {
    if (settings[field] !== undefined && !settings[field].includes(`-----BEGIN PGP ${kind} KEY BLOCK-----`)) throw new HoldfastError('BadSystemFile', `${where}.${field}: expected the text that gpg --armor ${field === 'publicKey' ? '--export' : '--export-secret-keys'} writes`);
  };
  needBlock('publicKey', 'PUBLIC');
  needBlock('privateKey', 'PRIVATE');
  const refused = (message: string, hint?: string, cause?: unknown): HoldfastError => new HoldfastError('KeyRefused', `the gpg key ${id} ${message}`, { ...(hint ? { hint } : {}), cause });
  let known: Promise<string> | undefined;
  const of = async (): Promise<string> => await (known ??= inKeyring({ publicKey: settings.publicKey }, async (gpg, home) => (await readPublic(gpg, home, where)).fingerprint).catch((error: unknown) => {
    known = undefined;
    throw error;
  }));
  return {
    recipient,
    opens: settings.privateKey !== undefined,
    authenticates: false,
    of,

    wrap: async (dataKey, context) => await inKeyring(settings, async (gpg, home) => {
      const fingerprint = await requireUsable(gpg, home, settings, refused, where);
      await writeFile(join(home, 'key'), envelopeOf(dataKey, context), { mode: 0o600 });
      await gpg(['--trust-model', 'always', '--recipient-file', join(home, 'public.asc'), '--output', join(home, 'key.gpg'), '--encrypt', join(home, 'key')])
        .catch((error: unknown) => fail(error, (why) => refused(`wraps nothing: ${why}`)));
      return wrappedKey({ ...recipient, of: fingerprint }, dataKey, context, await readFile(join(home, 'key.gpg')));
    }),

    async unwrap(wrapped, context) {
      if (settings.privateKey === undefined) throw new HoldfastError('WrongKey', `the private half of the gpg key ${id} is not here, so key ${wrapped.key} is not opened with it`, { hint: `give it as ${where}.privateKey on the machine that recovers` });
      return await inKeyring(settings, async (gpg, home) => {
        await gpg(['--import', join(home, 'private.asc')]).catch((error: unknown) => fail(error, (why) => new HoldfastError('BadSystemFile', `${where}.privateKey: gpg does not take it: ${why}`)));
        await writeFile(join(home, 'key.gpg'), cipherOf(wrapped), { mode: 0o600 });
        await gpg(['--output', join(home, 'key'), '--decrypt', join(home, 'key.gpg')]).catch((error: unknown) => fail(error, (why, said) => (/Bad passphrase|No passphrase/i.test(said)
          ? refused('is there, and its passphrase does not open it', `look at ${where}.passphrase`, error)
          : new HoldfastError('WrongKey', `the gpg key ${id} does not open key ${wrapped.key}: ${why}`, { cause: error }))));
        return openEnvelope(wrapped, await readFile(join(home, 'key')), context);
      });
    },
  };
}

type Gpg = (args: readonly string[]) => Promise<ToolResult>;

async function inKeyring<T>({ publicKey, privateKey, passphrase = '' }: GpgSettings, use: (gpg: Gpg, home: string) => Promise<T>): Promise<T> {
  const path = findTool('gpg');
  const directory = await makePrivateDirectory({ 'public.asc': publicKey, ...(privateKey === undefined ? {} : { 'private.asc': privateKey, passphrase, 'gpg-agent.conf': agentSettings }) });
  const home = directory.path;
  const secret = privateKey === undefined ? ['--no-autostart'] : ['--pinentry-mode', 'loopback', '--passphrase-file', join(home, 'passphrase')];
  // Its messages are read: in one language, whatever the machine speaks.
  const env = { GNUPGHOME: home, LC_ALL: 'C', LANGUAGE: 'C' };
  try {
    return await use(async (args) => await runTool({ path }, ['--homedir', home, '--batch', '--no-tty', '--yes', ...secret, ...args], { env, timeoutMs: withinMs }), home);
  } finally {
    if (privateKey !== undefined) await runTool({ path: join(dirname(path), 'gpgconf') }, ['--homedir', home, '--kill', 'all'], { env, timeoutMs: withinMs }).catch(() => undefined);
    await directory.remove();
  }
}

/** Of gpg's listing: field 2 is what the key is, 7 when it expires, 10 whose it is, 12 what it may do; the first fingerprint is the whole key's. */
async function readPublic(gpg: Gpg, home: string, where: string): Promise<{ rows: string[][]; state: string; expires: string | undefined; fingerprint: string }> {
  const { stdout } = await gpg(['--with-colons', '--show-keys', join(home, 'public.asc')]).catch((error: unknown) => fail(error, (why) => new HoldfastError('BadSystemFile', `${where}.publicKey: gpg does not read it: ${why}`)));
  const rows = stdout.split('\n').map((line) => line.split(':'));
  const [, state, , , , , expires] = rows.find(([kind]) => kind === 'pub') ?? [];
  const fingerprint = rows.find(([kind]) => kind === 'fpr')?.[9];
  if (state === undefined || fingerprint === undefined) throw new HoldfastError('BadSystemFile', `${where}.publicKey: holds no public key`);
  return { rows, state, expires, fingerprint };
}

/** Says why nothing would be wrapped for it, which gpg itself does not. @returns its fingerprint. */
async function requireUsable(gpg: Gpg, home: string, { recipient }: GpgSettings, refused: (message: string, hint?: string) => HoldfastError, where: string): Promise<string> {
  const { rows, state, expires, fingerprint } = await readPublic(gpg, home, where);
  const names = rows.filter(([kind]) => kind === 'uid' || kind === 'fpr').map((row) => row[9] ?? '');
  const same = (text: string): string => text.replaceAll(/\s/g, '').toLowerCase();
  if (recipient !== undefined && !names.some((name) => same(name) === same(recipient) || same(name).includes(`<${same(recipient)}>`))) throw refused(`is not of ${recipient}: it is of ${names.join(', ')}`, `look at ${where}.recipient`);
  const usable = rows.filter(([kind]) => kind === 'pub' || kind === 'sub').filter((row) => !'eri'.includes(row[1] || '-') && (row[11] ?? '').includes('e'));
  if (usable.length > 0) return fingerprint;
  if (state === 'e') throw refused(`expired at ${new Date(Number(expires) * 1_000).toISOString()}`, `extend it (gpg --edit-key … expire) and export it anew to ${where}.publicKey; what was wrapped for it opens all the same`);
  if (state === 'r') throw refused('was revoked', `put another under ${where}, with a new name`);
  throw refused('has no part that encrypts, or that part has expired', `export one that has to ${where}.publicKey`);
}

/** @throws ToolMissing as it is; anything else as `make` has it. */
function fail(error: unknown, make: (why: string, said: string) => HoldfastError): never {
  if (!(error instanceof HoldfastError) || error.type !== 'ToolFailed') throw error;
  const said = describeError(error).message;
  const lines = said.split('\n').map((line) => line.trim()).filter((line) => /^gpg:|it said: gpg:/.test(line));
  throw make((lines.at(-1) ?? said).replace(/^.*?gpg: /, '').slice(0, 200), said);
}
