import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HoldfastError } from '../workflows/domain/errors.ts';

/** Every secret that this process resolved: what `scrub` takes out of messages and log lines. */
const known = new Set<string>();

/** A secret this short would take ordinary words out of every message; it is refused where it is resolved. */
const shortestSecret = 4;

/** Text that must never leave this process: the secret, and the forms that it takes in a URL and in the lines of a PEM file. */
export function rememberSecret(secret: string): void {
  const lines = secret.split(/\r?\n/).filter((line) => line.length >= 16 && !line.startsWith('-----'));
  for (const form of [secret, encodeURIComponent(secret), ...lines]) known.add(form);
}

/**
 * The text without secrets: what `rememberSecret` was told, `user:password@` of any address, and a password in its query.
 * Everything that leaves the process passes here: failures, heartbeats, log lines.
 */
export function scrub(text: string): string {
  let clean = text;
  for (const secret of known) clean = clean.replaceAll(secret, '[secret]');
  return clean.replace(/\/\/[^/\s:@]*:[^/\s@]+@/g, '//[credentials]@').replace(/([?&][a-z_]*(?:password|passwd|pwd)=)[^&\s]+/gi, '$1[secret]');
}

/** A JSON value with every string in it scrubbed, keys left alone. */
export function scrubValue(value: unknown): unknown {
  if (typeof value === 'string') return scrub(value);
  if (Array.isArray(value)) return value.map(scrubValue);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, scrubValue(of)]));
  }
  return value;
}

/**
 * The text that a secret reference stands for. A trailing newline is not part of it.
 *
 * @param ref - `${ENV_NAME}`, or `file:PATH` relative to `baseDirectory`; the path may contain `${ENV}`.
 * @throws BadSystemFile - names the reference, never what it resolved to.
 */
export async function resolveSecret(ref: string, baseDirectory: string): Promise<string> {
  const secret = (await readReference(ref, baseDirectory)).replace(/\r?\n$/, '');
  if (secret.length < shortestSecret) {
    throw new HoldfastError('BadSystemFile', `secret ${ref} is ${secret === '' ? 'empty' : `shorter than ${shortestSecret} characters`}`);
  }
  rememberSecret(secret);
  return secret;
}

async function readReference(ref: string, baseDirectory: string): Promise<string> {
  const variable = /^\$\{(\w+)\}$/.exec(ref)?.[1];
  if (variable !== undefined) return requireVariable(variable, `secret ${ref}`);
  if (!ref.startsWith('file:')) throw new HoldfastError('BadSystemFile', 'a secret reference is neither ${ENV_NAME} nor file:PATH');
  const path = resolve(baseDirectory, resolveAddress(ref.slice('file:'.length)));
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new HoldfastError('BadSystemFile', `secret ${ref}: ${path} cannot be read (${code})`, {
      hint: 'put the file on every worker of this system, readable by the worker’s user',
    });
  }
}

/**
 * An address or directory with its `${ENV}` references filled in.
 * @throws BadSystemFile - names the variable that is not set.
 */
export const resolveAddress = (text: string): string =>
  text.replace(/\$\{(\w+)\}/g, (_, variable: string) => requireVariable(variable, `"${text}"`));

function requireVariable(variable: string, where: string): string {
  const value = process.env[variable];
  if (value === undefined || value === '') {
    throw new HoldfastError('BadSystemFile', `${where}: environment variable ${variable} is not set`, {
      hint: `set ${variable} for the worker, and start the worker again`,
    });
  }
  return value;
}
