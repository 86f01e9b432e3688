import { basename } from 'node:path';
import { carriesPassword } from '../../../workflows/domain/address.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { secretRefsOf } from '../../../workflows/domain/keys/schema.ts';
import type { Endpoint, System } from '../../../workflows/domain/system.ts';
import type { ProgramConfig } from '../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../context.ts';
import { findProgram } from '../../tool/find-tool.ts';
import type { Account } from '../../tool/server-account.ts';
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
  /** whom it runs as; left out: as we do */
  account?: Account | undefined;
}

/** What a program of the system file needs to be started; every SourceContext is one. */
export type ProgramContext = Pick<SourceContext, 'system' | 'secret' | 'signal'>;

/**
 * A program of the system file.
 * @param valueOf - of a placeholder in its arguments and plain variables. @throws ToolMissing, BadSystemFile - a secret that stands for nothing.
 */
export async function fillProgram(context: ProgramContext, { argv, env, files }: ProgramConfig, valueOf: (placeholder: string) => string): Promise<ProgramSpec> {
  // `{{file:NAME}}` is filled in at the start: the directory is made then.
  const fill = (text: string): string => text.replace(/\{\{\s*([a-z]+)\s*\}\}/g, (_, name: string) => valueOf(name));
  const [program, ...args] = argv.map(fill);
  return {
    name: basename(program!),
    path: findProgram(program!),
    args,
    env: Object.fromEntries(Object.entries(env).flatMap(([key, value]) => (typeof value === 'string' ? [] : [[key, fill(value.plain)]]))),
    secrets: await resolveAll(context, Object.fromEntries(Object.entries(env).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])))),
    files: await resolveAll(context, files),
  };
}

const resolveAll = async (context: ProgramContext, refs: Record<string, string>): Promise<Record<string, string>> =>
  Object.fromEntries(await Promise.all(Object.entries(refs).map(async ([key, ref]) => [key, await secretOf(context, ref)] as const)));

/** Resolved here and nowhere earlier: it stays in this process, and is taken out of whatever leaves it. */
export async function secretOf(context: ProgramContext, ref: string): Promise<string> {
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
export function withoutSecrets({ environments, sources, stores, key, validators, deployer, commands }: System): Record<string, undefined> {
  const programs = [
    ...Object.values(sources).flatMap(({ tool }) => (tool?.uses === 'command' ? [tool.dump, tool.restore] : [])),
    ...validators.flatMap((validator) => (validator.uses === 'command' ? [validator.run] : [])),
    ...(deployer?.uses === 'command' ? [deployer.deploy, ...(deployer.current ? [deployer.current] : [])] : []),
    ...Object.values(commands ?? {}).flatMap(({ run, undo }) => [run, ...(undo ? [undo] : [])]),
  ];
  const refs = [
    ...Object.values(environments).flatMap(({ endpoints }) => Object.values(endpoints).map(({ credentials }) => credentials?.password)),
    ...stores.flatMap((store) => (store.kind === 's3' ? Object.values(store.credentials ?? {}) : [])),
    ...secretRefsOf(key),
    ...programs.flatMap(({ env, files }) => [...Object.values(env), ...Object.values(files)]),
  ];
  const names = refs.flatMap((ref) => (typeof ref === 'string' ? (/^\$\{(\w+)\}$/.exec(ref)?.[1] ?? []) : []));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
