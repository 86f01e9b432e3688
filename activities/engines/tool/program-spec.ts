import { carriesPassword } from '../../../workflows/domain/address.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Endpoint, System } from '../../../workflows/domain/system.ts';
import type { SourceContext } from '../../context.ts';
import { rememberSecret } from '../../secrets.ts';

/** A program as it will be started. `{{file:NAME}}` in its arguments and variables still stands: the directory is made at the start. */
export interface ProgramSpec {
  /** for messages and manifests; no directory */
  name: string;
  path: string;
  args: string[];
  env: Record<string, string>;
  /** variables too, given as they are */
  secrets: Record<string, string>;
  /** name to content: secret */
  files: Record<string, string>;
  /** how long it may pass nothing on; left out: for ever */
  quietForMs?: number;
}

/** Resolved here and nowhere earlier: it stays in this process, and is taken out of whatever leaves it. */
export async function secretOf(context: SourceContext, ref: string): Promise<string> {
  const secret = await context.secret(ref);
  rememberSecret(secret);
  return secret;
}

/**
 * An endpoint's address as a program is given it: in an argument, which anybody on the machine can read.
 * @throws BadSystemFile - what its `${NAME}` stand for carries a password.
 */
export function addressOf(context: SourceContext, { uri }: Endpoint): string {
  const address = context.address(uri);
  if (!carriesPassword(address)) return address;
  throw new HoldfastError('BadSystemFile', `source ${context.sourceName}: the address that "${uri}" stands for carries a password`, { hint: 'put user and password under credentials' });
}

/** The variables of the worker that hold a secret of this system, as none: a program has only those that it is given. */
export function withoutSecrets({ environments, sources, stores, key, validators }: System): Record<string, undefined> {
  const programs = [
    ...Object.values(sources).flatMap(({ tool }) => (tool?.uses === 'command' ? [tool.dump, tool.restore] : [])),
    ...validators.flatMap((validator) => (validator.uses === 'command' ? [validator.run] : [])),
  ];
  const refs = [
    ...Object.values(environments).flatMap(({ endpoints }) => Object.values(endpoints).map(({ credentials }) => credentials?.password)),
    ...stores.flatMap((store) => (store.kind === 's3' ? Object.values(store.credentials ?? {}) : [])),
    key.aes256,
    key.signing.privateKey,
    ...key.signing.publicKeys,
    ...programs.flatMap(({ env, files }) => [...Object.values(env), ...Object.values(files)]),
  ];
  const names = refs.flatMap((ref) => (typeof ref === 'string' ? (/^\$\{(\w+)\}$/.exec(ref)?.[1] ?? []) : []));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
