import { writeFile } from 'node:fs/promises';
import { Option } from 'commander';
import { Secret, TOTP } from 'otpauth';
import { checkRights } from '../../activities/access/check-rights.ts';
import { printAccess, type PrintedAccess } from '../../activities/access/print-access.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { describeAccess, reportAccess } from '../../workflows/domain/access-report.ts';
import { accessRoleNames, accessRoles, type AccessRole } from '../../workflows/domain/access-roles.ts';
import { describeError, errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { withoutTemporal } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { readRun } from '../status/read-run.ts';

/**
 * `holdfast access`: `report` and `enrol` are of people, and what Holdfast lets them do; `print` and `check` of the credentials that Holdfast itself logs in with, at the
 * store and at the sources.
 */
export function access(cli: Cli): void {
  const group = cli.group('access', 'who may do what: people (report, enrol), and Holdfast’s own credentials at store and sources (print, check)');
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
  rights(cli, group);
}

const forOption = () => new Option('--for <role>', `what the credentials are for: ${accessRoleNames.map((role) => `${role} ${accessRoles[role].about}`).join('; ')}`).choices([...accessRoleNames]);

function rights(cli: Cli, group: ReturnType<Cli['group']>): void {
  cli.add<[string], { for: AccessRole; engineGrants?: boolean }>(
    'print <system>',
    'the least rights of one role of Holdfast’s own: a policy for its user at the bucket, one for the bucket itself, one for each key of KMS, and the grants at each source; from the system file alone',
    (command) => command.addOption(forOption().makeOptionMandatory()).option('--engine-grants', 'the sources’ commands alone'),
    async (printer, { for: role, engineGrants }, system) => {
      const printed = await printAccess((await loadSystemFile(system)).system, role);
      const { stores: _, keys: __, ...without } = printed;
      printer.result(engineGrants ? without : printed, () => describePrinted(engineGrants ? { ...printed, stores: [], keys: [] } : printed).join('\n'));
    },
    group,
  );
  cli.add<[string], { for: AccessRole }>(
    'check <system>',
    'what the credentials of this machine may really do at store and sources: what is missing for a role fails, what is too much for it is a warning',
    (command) => command.addOption(forOption().default('backup')),
    async (printer, { for: role }, system) => {
      const check = await checkRights(await loadSystemFile(system), role, withoutTemporal());
      printer.result(check, ({ findings }) => [
        `credentials of ${system}, looked at as for ${role}`,
        ...findings.map(({ effect, message, hint }) => `${effect === 'fails' ? 'fails' : 'warning'}  ${message}${hint ? ` HINT: ${hint}` : ''}`),
        ...(findings.length === 0 ? ['exactly what is needed was found'] : []),
      ].join('\n'));
      const failing = check.findings.find(({ effect }) => effect === 'fails');
      return failing ? errorTable[failing.type].exitCode : 0;
    },
    group,
  );
}

function describePrinted({ role, stores, keys, sources }: PrintedAccess): string[] {
  const json = (value: unknown): string => JSON.stringify(value, null, 2);
  return [
    ...stores.flatMap(({ store, policy, bucketPolicy }) => (policy === null ? [`# store ${store}: a directory; its owner is all that guards it`] : [`# store ${store}: policy of the user for ${role}`, json(policy), `# store ${store}: policy of the bucket, whoever asks`, json(bucketPolicy)])),
    ...keys.flatMap(({ recipient, policy }) => [`# key recipient ${recipient}: policy of the user for ${role}`, json(policy)]),
    ...sources.flatMap(({ source, grant: { engine, commands, roles, about } }) => [`# source ${source} (${engine}): ${about}`, ...commands.map(json), ...(roles.length > 0 ? [`# its user is given: ${roles.join(', ')}`] : [])]),
  ];
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
