import { writeFile } from 'node:fs/promises';
import { Secret, TOTP } from 'otpauth';
import { loadSystemFile } from '../../activities/system-files.ts';
import { describeAccess, reportAccess } from '../../workflows/domain/access-report.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { readRun } from '../status/read-run.ts';

/** `holdfast access report`: who may do what, who can prove who they are, and what is lent to whom now. */
export function access(cli: Cli): void {
  const group = cli.group('access', 'who may do what');
  cli.add<[string], object>(
    'report <system>',
    'who may do what, with which proof, and the elevations in force; from the system file, and from the run where Temporal answers',
    (command) => command,
    async (printer, _options, system) => {
      const { system: file } = await loadSystemFile(system);
      const { run, unread } = await readRunning(system);
      printer.result(reportAccess({ file, run, unread, at: new Date().toISOString() }), describeAccess);
    },
    group,
  );
  enrol(cli, group);
}

const secretBytes = 20;

/** A new secret goes to a file and into the authenticator, and nowhere else: it is shown this once. */
function enrol(cli: Cli, group: ReturnType<Cli['group']>): void {
  cli.add<[string, string], { secretFile: string }>(
    'enrol <system> <person>',
    'make a secret for the one-time codes of a person: a file for the workers, and an otpauth:// address for the authenticator',
    (command) => command.requiredOption('--secret-file <file>', 'where the secret goes, readable by its owner only; nothing may be there'),
    async (printer, { secretFile }, system, person) => {
      const { people } = (await loadSystemFile(system)).system;
      const named = people[person];
      if (!named) throw new HoldfastError('BadInput', `${system} has no person "${person}"; known: ${Object.keys(people).join(', ') || 'none'}`);
      const totp = new TOTP({ issuer: `Holdfast ${system}`, label: named.name ?? person, secret: new Secret({ size: secretBytes }), algorithm: 'SHA1', digits: 6, period: 30 });
      await writeFile(secretFile, `${totp.secret.base32}\n`, { mode: 0o600, flag: 'wx' });
      printer.result({ system, person, secretFile, uri: totp.toString() }, ({ uri }) =>
        [`secret in ${secretFile}: put it on every worker, and name it in the system file: people.${person}.totp: file:PATH`, `for the authenticator (keep it secret; qrencode makes a picture of it): ${uri}`].join('\n'),
      );
    },
    group,
  );
}

/** The run that goes on; an access report can be had without Temporal, and then says what it lacks. */
async function readRunning(system: string): Promise<{ run: RunState | null; unread: string | null }> {
  try {
    const view = await withTemporal(async ({ client }) => await readRun(client, system));
    return { run: view?.workflowStatus === 'RUNNING' ? view.state : null, unread: null };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { run: null, unread: describeError(error).message };
  }
}
