import type { AccessRole, EngineGrant, RightsFound } from '../../../workflows/domain/access-roles.ts';
import type { Source } from '../../../workflows/domain/system.ts';
import type { SourceContext } from '../../context.ts';
import type pg from 'pg';
import { ask } from '../postgres/connect.ts';
import { commandedFrom } from '../postgres/fence.ts';
import { filesOutside, notKept, outsideHint, tellOutside } from './configuration.ts';
import { withSource } from './connect.ts';
import { whyNoIncrements } from './increment.ts';

type Right = 'replication' | 'monitor' | 'canary' | 'drain';

/** Which of the rights each role needs: a base streams the whole server, the archive of one that pushes its log only asks, a recovery logs a restore point and ends a segment, behind a fence as well. */
const needs: Record<AccessRole, readonly Right[]> = {
  backup: ['replication', 'monitor'],
  archive: ['monitor'],
  restore: ['monitor', 'canary', 'drain'],
  read: ['monitor'],
  drill: [],
  verify: [],
  retention: [],
  dispose: [],
};

const canary = ['pg_create_restore_point(text)', 'pg_switch_wal()'] as const;

/** Rights on functions are each database's own: the canary is logged in the address' one, and behind the fence of a whole server only this one lets anybody in. */
const inDatabase = (name: string): string => ` -- in database ${name}`;

const statements = {
  replication: ['ALTER ROLE holdfast REPLICATION'],
  monitor: ['GRANT pg_monitor TO holdfast'],
  canary: canary.map((name) => `GRANT EXECUTE ON FUNCTION ${name} TO holdfast${inDatabase('of the source’s address')}`),
  drain: [`GRANT EXECUTE ON FUNCTION pg_switch_wal() TO holdfast${inDatabase(commandedFrom)}`],
} as const;

const about = {
  replication: 'streams the server, or its log (pg_basebackup, pg_receivewal)',
  monitor: 'asks how far its log is',
  canary: 'logs a restore point and ends a segment, which proves the archive',
  drain: 'ends the last segment of a server that is fenced, so that nothing is lost',
} as const;

/** An archive that receives the log streams it. */
const needsOf = (role: AccessRole, { wal }: Source): readonly Right[] => (role === 'archive' && wal.by === 'receive' ? ['replication', ...needs[role]] : needs[role]);

export function grants(role: AccessRole, source: Source): EngineGrant {
  const wanted = needsOf(role, source);
  return {
    engine: 'postgres-physical',
    commands: wanted.length === 0 ? [] : ["CREATE ROLE holdfast LOGIN PASSWORD '…'", ...wanted.flatMap((right) => [...statements[right]])],
    roles: wanted.includes('monitor') ? ['pg_monitor'] : [],
    about: wanted.length === 0 ? 'never logs in to the source' : wanted.map((right) => about[right]).join('; '),
  };
}

/** @source PostgreSQL manual: pg_has_role, has_function_privilege, pg_roles. */
export async function checkRights(context: SourceContext, role: AccessRole): Promise<RightsFound> {
  const wanted = needsOf(role, context.source);
  const has: Has = { ...(await withSource(context, readRights)), drain: !wanted.includes('drain') || (await withSource(context, mayDrain, { database: commandedFrom })) };
  const lacking = role === 'backup' ? await checkSchedules(context) : null;
  return {
    missing: [...wanted.filter((right) => !has.superuser && !has[right]).map((right) => `${right}: ${statements[right].join('; ')}`), ...(lacking ? [`${lacking.what}: ${lacking.hint}`] : [])],
    tooMuch: has.superuser ? ['is a superuser, who may do anything'] : has.replication && !wanted.includes('replication') ? ['REPLICATION: may stream the whole server'] : [],
  };
}

/** Incremental bases, of a server that does not keep what they need. */
async function checkSchedules(context: SourceContext): Promise<{ what: string; hint: string } | null> {
  if (!asksForIncrements(context)) return null;
  const lacking = await withSource(context, async (client) => await whyNoIncrements(client, await majorOf(client)));
  return lacking && { what: `incremental bases, which a schedule asks for: ${lacking.what}`, hint: lacking.hint };
}

/** That, and a configuration that no base holds and nobody keeps for the standby. */
export async function checkServer(context: SourceContext): Promise<{ what: string; hint: string }[]> {
  const lacking = await checkSchedules(context);
  const outside = notKept(context, await withSource(context, filesOutside));
  return [...(lacking ? [lacking] : []), ...(outside.length > 0 ? [{ what: tellOutside(outside), hint: outsideHint(context.sourceName) }] : [])];
}

type Has = Record<'superuser' | Right, boolean>;

const mayDrain = async (client: pg.Client): Promise<boolean> => await ask<boolean>(client, "SELECT has_function_privilege('pg_switch_wal()', 'EXECUTE')");

async function readRights(client: pg.Client): Promise<Omit<Has, 'drain'>> {
  const { rows: [has] } = await client.query<Omit<Has, 'drain'>>(`
    SELECT rolsuper AS superuser, rolreplication AS replication, pg_has_role(current_user, 'pg_monitor', 'USAGE') AS monitor,
      ${canary.map((name) => `has_function_privilege('${name}', 'EXECUTE')`).join(' AND ')} AS canary
    FROM pg_roles WHERE rolname = current_user`);
  return has!;
}

const majorOf = async (client: pg.Client): Promise<number> => (await client.query<{ major: number }>("SELECT current_setting('server_version_num')::int / 10000 AS major")).rows[0]!.major;

const asksForIncrements = ({ system, sourceName }: SourceContext): boolean =>
  Object.values(system.schedules ?? {}).some(({ does, with: { incremental, source } }) => does === 'backup' && incremental === true && (source === undefined || source === sourceName));
