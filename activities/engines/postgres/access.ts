import type { AccessRole, EngineGrant, RightsFound } from '../../../workflows/domain/access-roles.ts';
import type { SourceContext } from '../../context.ts';
import { sourcePlace, withClient } from './connect.ts';

/** Only these log in to the source: an archive's worker holds the snapshot that a base is read at. */
const readers: readonly AccessRole[] = ['backup', 'archive'];

const readerCommands = [
  `CREATE ROLE holdfast LOGIN BYPASSRLS PASSWORD '…'`,
  'GRANT pg_read_all_data, pg_monitor TO holdfast',
];

/**
 * What a user of the source needs, and nothing more: BYPASSRLS, since a base without the rows that a policy hides is none; pg_monitor, to see how far
 * standbys are behind and what the server is set to. pg_read_all_data reads roles' passwords too, as the server keeps them (pg_authid is a table like any other): without them nobody logs in to
 * what is restored on a new server.
 */
export function grants(role: AccessRole): EngineGrant {
  if (!readers.includes(role)) return { engine: 'postgres', commands: [], roles: [], about: role === 'restore' || role === 'drill' ? 'never logs in to the source; to the target’s server as a user that may make databases and roles, a superuser as a rule' : 'never logs in to the source' };
  return { engine: 'postgres', commands: readerCommands, roles: ['pg_read_all_data', 'pg_monitor'], about: 'reads everything, whatever row-level security says; writes nothing' };
}

/** Asks the source what its user may do. @throws SourceUnavailable. */
export async function checkRights(context: SourceContext, role: AccessRole): Promise<RightsFound> {
  if (!readers.includes(role)) return { missing: [], tooMuch: [] };
  return await withClient(context, await sourcePlace(context), async (client) => {
    const { rows } = await client.query<Record<'superuser' | 'bypasses' | 'reads' | 'monitors' | 'databases' | 'roles' | 'replicates' | 'writes', boolean> & { owns: string }>(`
      SELECT r.rolsuper AS superuser, r.rolbypassrls AS bypasses, pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') AS reads, pg_has_role(r.oid, 'pg_monitor', 'USAGE') AS monitors,
        r.rolcreatedb AS databases, r.rolcreaterole AS roles, r.rolreplication AS replicates, pg_has_role(r.oid, 'pg_write_all_data', 'USAGE') AS writes,
        (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relowner = r.oid)::text AS owns
      FROM pg_roles r WHERE r.rolname = CURRENT_USER`);
    const has = rows[0]!;
    if (has.superuser) return { missing: [], tooMuch: ['is a superuser, who may do anything'] };
    return {
      missing: [...(has.reads ? [] : ['pg_read_all_data']), ...(has.bypasses ? [] : ['BYPASSRLS']), ...(has.monitors ? [] : ['pg_monitor'])],
      tooMuch: [...(has.writes ? ['pg_write_all_data'] : []), ...(has.databases ? ['CREATEDB'] : []), ...(has.roles ? ['CREATEROLE'] : []), ...(has.replicates ? ['REPLICATION'] : []), ...(Number(has.owns) > 0 ? [`owns ${has.owns} tables`] : [])],
    };
  });
}
