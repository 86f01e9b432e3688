import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { secretNames } from '../../scripts/stack/stack-secrets.ts';
import type { Owner } from './cleanup.ts';
import { processesWith } from './running.ts';

/** Passwords of a stack that is not started yet: recognisable, and with what breaks URLs and shells. */
export function plantSecrets(home: string): void {
  const directory = join(home, 'secrets');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of ['root-password', 'holdfast-password', 'app-password', 's3-secret-access-key']) {
    writeFileSync(join(directory, name), `PLANTED ${name}/p@ss:w%rd$1`, { mode: 0o600 });
  }
}

/** Each secret as it is, as it stands in a URL, and the lines of a key file. Public keys are public. */
export function secretForms(home: string): { name: string; form: string }[] {
  return secretNames.filter((name) => name !== 'signing-public.pem').flatMap((name) => {
    const text = readFileSync(join(home, 'secrets', name), 'utf8').trim();
    const lines = text.split('\n').filter((line) => line.length >= 16 && !line.startsWith('-----'));
    return [...new Set([...(text.includes('\n') ? [] : [text, encodeURIComponent(text)]), ...lines])].map((form) => ({ name, form }));
  });
}

const everyMs = 100;

/** Looks several times a second at the argument lists of everything whose environment says `name=value`, or whose arguments name the value. */
export function watchArguments(owner: Owner, name: string, value: string): { seen(): string[] } {
  const seen = new Set<string>();
  const strangers = new Map<number, number>();
  const look = (): void => {
    for (const { argv } of processesWith(name, value, strangers)) seen.add(argv.join(' '));
  };
  const timer = setInterval(look, everyMs);
  owner.after(() => clearInterval(timer));
  return { seen: () => [...seen] };
}
