import type pg from 'pg';
import type { AccessRole, EngineGrant, RightsFound } from '../../../workflows/domain/access-roles.ts';
import { copyModesOf } from '../../../workflows/domain/restore-mode.ts';
import type { System } from '../../../workflows/domain/system.ts';
import type { SourceContext } from '../../context.ts';
import { sourcePlace, withClient } from './connect.ts';

type Right = 'reads' | 'monitors' | 'writes' | 'creates' | 'databases' | 'owner' | 'signals';

/**
 * BYPASSRLS, since a base without the rows that a policy hides is none, and a row that it hides is not missing; pg_monitor, to see how far standbys are behind and what the server is set to.
 * pg_read_all_data reads roles' passwords too, as the server keeps them (pg_authid is a table like any other): without them nobody logs in to what is restored on a new server.
 */
const statements: Record<Right, readonly string[]> = {
  reads: ['ALTER ROLE holdfast BYPASSRLS', 'GRANT pg_read_all_data TO holdfast'],
  monitors: ['GRANT pg_monitor TO holdfast'],
  writes: ['GRANT pg_write_all_data TO holdfast'],
  creates: ['GRANT CREATE ON DATABASE … TO holdfast -- the source’s own'],
  databases: ['ALTER ROLE holdfast CREATEDB'],
  owner: ['GRANT … TO holdfast -- who owns the source’s database, and everybody who owns something in it'],
  signals: ['GRANT pg_signal_backend TO holdfast'],
};

const roles: Partial<Record<Right, string>> = { reads: 'pg_read_all_data', monitors: 'pg_monitor', writes: 'pg_write_all_data', signals: 'pg_signal_backend' };

/** An archive's worker holds the snapshot that a base is read at. A recovery goes into the living source where a runbook is of such a mode, or compares. */
function needsOf(role: AccessRole, system: System): Right[] {
  if (role === 'backup' || role === 'archive') return ['reads', 'monitors'];
  if (role !== 'restore') return [];
  const modes = copyModesOf(system);
  const compares = [system.runbook, ...Object.values(system.runbooks ?? {})].some(({ steps }) => steps.some(({ uses }) => uses === 'compare'));
  const rows = modes.includes('rows');
  return [
    ...(rows || compares ? (['reads'] as const) : []),
    ...(rows ? (['writes', 'creates'] as const) : []),
    ...(modes.includes('beside') || modes.includes('swap') ? (['databases', 'owner'] as const) : []),
    ...(modes.includes('swap') ? (['signals'] as const) : []),
  ];
}

const about: Partial<Record<AccessRole, string>> = {
  backup: 'reads everything, whatever row-level security says; writes nothing',
  archive: 'reads everything, whatever row-level security says; writes nothing',
  restore: 'goes into the source as the modes of the runbooks say; what pg_restore may not make for its owner a superuser has to',
};

/** What a user of the source needs, and nothing more. */
export function grants(role: AccessRole, _source: unknown, system: System): EngineGrant {
  const wanted = needsOf(role, system);
  const target = role === 'restore' || role === 'drill' ? '; to the target’s server as a user that may make databases and roles, a superuser as a rule' : '';
  return {
    engine: 'postgres',
    commands: wanted.length === 0 ? [] : [`CREATE ROLE holdfast LOGIN PASSWORD '…'`, ...wanted.flatMap((right) => statements[right])],
    roles: wanted.flatMap((right) => roles[right] ?? []),
    about: `${wanted.length === 0 ? 'never logs in to the source' : about[role]}${target}`,
  };
}

type Has = Record<'superuser' | 'bypasses' | 'reads' | 'monitors' | 'writes' | 'creates' | 'databases' | 'signals' | 'roles' | 'replicates', boolean> & { owns: string; database: string };

/** Asks the source what its user may do. @throws SourceUnavailable. */
export async function checkRights(context: SourceContext, role: AccessRole): Promise<RightsFound> {
  const needs = needsOf(role, context.system);
  if (needs.length === 0) return { missing: [], tooMuch: [] };
  return await withClient(context, await sourcePlace(context), async (client) => {
    const { rows } = await client.query<Has>(`
      SELECT r.rolsuper AS superuser, r.rolbypassrls AS bypasses, pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') AS reads, pg_has_role(r.oid, 'pg_monitor', 'USAGE') AS monitors,
        pg_has_role(r.oid, 'pg_write_all_data', 'USAGE') AS writes, has_database_privilege(r.oid, current_database(), 'CREATE') AS creates, r.rolcreatedb AS databases, pg_has_role(r.oid, 'pg_signal_backend', 'USAGE') AS signals,
        r.rolcreaterole AS roles, r.rolreplication AS replicates, (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relowner = r.oid)::text AS owns, current_database()::text AS database
      FROM pg_roles r WHERE r.rolname = CURRENT_USER`);
    const has = rows[0]!;
    if (has.superuser) return { missing: [], tooMuch: ['is a superuser, who may do anything'] };
    const needed = (right: Right): boolean => needs.includes(right);
    const lacking: Partial<Record<Right, string[]>> = {
      reads: [...(has.reads ? [] : ['pg_read_all_data']), ...(has.bypasses ? [] : ['BYPASSRLS'])],
      monitors: has.monitors ? [] : ['pg_monitor'],
      writes: has.writes ? [] : ['pg_write_all_data'],
      creates: has.creates ? [] : [`CREATE on database ${has.database}`],
      databases: has.databases ? [] : ['CREATEDB'],
      signals: has.signals ? [] : ['pg_signal_backend'],
      owner: needed('owner') ? (await ownersWithoutUs(client)).map((owner) => `do what ${owner} may, who owns database ${has.database} or something in it`) : [],
    };
    return {
      missing: needs.flatMap((right) => lacking[right] ?? []),
      tooMuch: [
        ...(has.writes && !needed('writes') ? ['pg_write_all_data'] : []),
        ...(has.databases && !needed('databases') ? ['CREATEDB'] : []),
        ...(has.signals && !needed('signals') ? ['pg_signal_backend'] : []),
        ...(has.roles ? ['CREATEROLE'] : []),
        ...(has.replicates ? ['REPLICATION'] : []),
        ...(Number(has.owns) > 0 && !needed('owner') && !needed('writes') ? [`owns ${has.owns} tables`] : []),
      ],
    };
  });
}

/** Owners of this database, and of what is in it, whose rights its user has not: a copy could not be made theirs. What the server's first superuser owns is made anew by whoever makes a database, but for tables. */
async function ownersWithoutUs(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ owner: string }>(`
    SELECT DISTINCT pg_get_userbyid(o.owner)::text AS owner FROM (
      SELECT datdba FROM pg_database WHERE datname = current_database()
      UNION ALL SELECT d.refobjid FROM pg_shdepend d WHERE d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      UNION ALL SELECT c.relowner FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
    ) AS o (owner) WHERE NOT pg_has_role(CURRENT_USER, o.owner, 'USAGE') ORDER BY 1`);
  return rows.map(({ owner }) => owner);
}
