import { existsSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { runTool } from '../../tool/run-tool.ts';
import { giveTo, reachableProgram } from '../../tool/server-account.ts';
import { readControlFile } from './control-file.ts';
import { physicalPlace, type PhysicalPlace } from './place.ts';

/**
 * Some machines keep a server's configuration beside its data (Debian: /etc/postgresql), so a base does not hold it. People put it where the target finds it: into `configuration` of the system file's
 * provision, before anything happens; or into the target's own directory, once a run has made that. What counts of it counts from the promotion on: while its copy is restored only we come in.
 */
const main = 'postgresql.conf';
const access = 'pg_hba.conf';

type Settings = Record<string, string>;

const inBase = ({ dataDirectory }: PhysicalPlace): boolean => existsSync(join(dataDirectory, main));

/** A file that people put there; undefined: they did not. */
function putThere({ account, directory, configuration }: PhysicalPlace, name: string): string | undefined {
  const path = join(configuration ?? directory, name);
  if (!existsSync(path)) return undefined;
  // In a directory of ours it was laid by root, perhaps for root alone.
  if (configuration === undefined) giveTo(account, path);
  return path;
}

/** @throws BadSystemFile - what the system file names as its configuration is none. */
export function requireConfiguration({ configuration }: PhysicalPlace): void {
  if (configuration === undefined || existsSync(join(configuration, main))) return;
  throw new HoldfastError('BadSystemFile', `${configuration}, which standby.provision names as its configuration, holds no ${main} on this machine`, { hint: `put the server’s ${main} and ${access} there, with what they include` });
}

/**
 * What a server is started with, so that it finds its configuration, and no data but its own: Debian's says where those of the source lie. Empty: the base brought it.
 * @param recovers - it replays a log, which needs as much room as its primary had, whatever people put there.
 * @source PostgreSQL manual, hot standby; the control file has the values.
 */
export async function configuredBy(place: PhysicalPlace, major: number, { recovers }: { recovers: boolean }): Promise<Settings> {
  const put = putThere(place, main);
  if (inBase(place) && (place.configuration === undefined || put === undefined)) return {};
  const none = join(place.directory, 'none.conf');
  if (put === undefined) {
    writeFileSync(none, '# The base holds no configuration, and nobody put the server’s own there.\n', { mode: 0o600 });
    giveTo(place.account, none);
  }
  return {
    config_file: put ?? none,
    data_directory: place.dataDirectory,
    external_pid_file: '',
    ...(major < 15 ? { stats_temp_directory: 'pg_stat_tmp' } : {}),
    ...(recovers || put === undefined ? await roomOfPrimary(place, major) : {}),
  };
}

async function roomOfPrimary(place: PhysicalPlace, major: number): Promise<Settings> {
  const said = await readControlFile(place, major);
  const needed = ['max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_xacts', 'max_locks_per_xact'];
  const names: Settings = { max_prepared_xacts: 'max_prepared_transactions', max_locks_per_xact: 'max_locks_per_transaction' };
  const found = needed.flatMap((name) => {
    const value = said(`${name} setting`);
    return value === undefined ? [] : [[names[name] ?? name, value] as const];
  });
  return Object.fromEntries(found);
}

/** Who is let in once it is promoted: by what people put there, or as its configuration says; where neither is a file here, whoever is on this machine. */
export async function accessOf(place: PhysicalPlace, major: number): Promise<Settings> {
  const put = putThere(place, access);
  if (put !== undefined) return { hba_file: put };
  return existsSync(await askSetting(place, major, 'hba_file')) ? {} : { hba_file: place.hbaFile };
}

/** What the configuration says, of a server that need not run. */
export async function askSetting(place: PhysicalPlace, major: number, name: string): Promise<string> {
  const program = reachableProgram(place.account, (await findPostgresProgram('postgres', major, 'same')).path, place.directory);
  const settings = Object.entries(await configuredBy(place, major, { recovers: false })).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const { stdout } = await runTool({ path: program }, ['-D', place.dataDirectory, ...settings, '-C', name], { account: place.account, cwd: place.dataDirectory });
  return stdout.trim();
}

/** What a promoted server lacks of its source's configuration, with the way out; undefined: nothing that is known. */
export async function lacksConfiguration(place: PhysicalPlace, major: number): Promise<string | undefined> {
  const lacks = [...(inBase(place) || putThere(place, main) !== undefined ? [] : [main]), ...('hba_file' in (await accessOf(place, major)) && putThere(place, access) === undefined ? [access] : [])];
  if (lacks.length === 0) return undefined;
  const what = `its base holds no ${lacks.join(' and no ')}${lacks.includes(access) ? ', so nobody comes in but from this machine' : ''}${lacks.includes(main) ? '; without TLS, and it archives nothing' : ''}`;
  return `${what}. Put the source’s into ${place.configuration ?? place.directory}, stop the server, and promote it again`;
}

/** A file of a configuration, and the name by which a target finds its copy. */
export interface Outside {
  path: string;
  as: string;
}

/** Files of a server's configuration that lie outside its data directory: no base holds them. None too where its user may not ask. */
export async function filesOutside(client: pg.Client): Promise<Outside[]> {
  const { rows } = await client.query<{ name: string; setting: string }>("SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('data_directory', 'config_file', 'hba_file')");
  const said = new Map(rows.map(({ name, setting }) => [name, setting]));
  const data = said.get('data_directory');
  return [{ setting: 'config_file', as: main }, { setting: 'hba_file', as: access }].flatMap(({ setting, as }) => {
    const path = said.get(setting);
    return data && path && relative(data, path).startsWith('..') ? [{ path, as }] : [];
  });
}

export const tellOutside = (files: readonly Outside[]): string => `${files.map(({ path }) => path).join(' and ')} lie${files.length === 1 ? 's' : ''} outside the data directory of the server, so no base holds ${files.length === 1 ? 'it' : 'them'}`;

export const outsideHint = (sourceName: string): string => `keep a copy on the machine of the standby, with what it includes, as ${main} and ${access} of one directory, and name that in standby.provision.${sourceName}.configuration`;

/** Those that the standby would lack, as far as can be seen from this machine. */
export function notKept(context: SourceContext, files: readonly Outside[]): Outside[] {
  const { configuration } = physicalPlace(context);
  return files.filter(({ as }) => configuration === undefined || !existsSync(join(configuration, as)));
}
