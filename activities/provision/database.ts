import pg from 'pg';
import type { TargetRef } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { targetPlace, withClient, withOtherDatabase, type Place } from '../engines/postgres/connect.ts';
import { readClaim, requireEmpty } from '../engines/postgres/control.ts';
import { existingProvisioner } from './existing.ts';
import type { ProvisionContext, Provisioner } from './provisioner.ts';
import { readRestoredDatabase } from './restored-database.ts';

/**
 * A database of a PostgreSQL server that is there already. The restore itself makes it, since only the base knows its encoding and locales; here it is
 * seen beforehand that it is not there, or empty, and it is taken away again: renamed, or dropped where a drill restored it.
 *
 * What is taken away is the very database that the run claimed, by its number in its server, whatever has its name now.
 */
export const databaseProvisioner: Provisioner = {
  ...existingProvisioner,

  async check(context, options) {
    await existingProvisioner.check(context, options);
    return { summary: await lookAt(context, options.run) };
  },

  async provision(context, target) {
    await existingProvisioner.provision(context, target);
    return { summary: await lookAt(context, target.run) };
  },

  async remove(context, target, options = {}) {
    const taken = await takeAway(context, target, options.discard === true);
    const { summary } = await existingProvisioner.remove(context, target, options);
    return taken === undefined ? { summary } : { summary: taken };
  },
};

const placeOf = async (context: ProvisionContext): Promise<Place> => await targetPlace(context, { environment: context.system.standby.environment });

const contentsOf = ({ system, sourceName }: ProvisionContext): string => {
  const provision = system.standby.provision[sourceName]!;
  return ('contents' in provision ? provision.contents : undefined) ?? 'all';
};

const nameOf = ({ address: { host, port, database } }: Place): string => `database ${database} at ${host}:${port}`;

/** @throws TargetNotEmpty - there is something in it that this run did not put there. */
async function lookAt(context: ProvisionContext, run: string | undefined): Promise<string> {
  const place = await placeOf(context);
  const isForRows = contentsOf(context) === 'rows';
  if ((await identityOf(context, place)) === undefined) {
    if (isForRows) throw new HoldfastError('Unsupported', `${nameOf(place)} is not there: rows alone come into tables that are there`, { hint: 'make it, with its tables; or restore all of it' });
    return `${nameOf(place)}, which is not there yet: the restore makes it`;
  }
  return await withClient(context, place, async (client) => {
    const claim = await readClaim(client);
    if (claim && claim.run !== run) throw new HoldfastError('TargetNotEmpty', `${nameOf(place)} belongs to run ${claim.run}`, { hint: 'drop it when nobody wants it any more' });
    if (isForRows) return `${nameOf(place)}, which is there${claim ? ', this run’s own' : ''}: rows alone come into its tables`;
    if (!claim) await requireEmpty(client);
    return `${nameOf(place)}, which is there and ${claim ? 'this run’s own' : 'empty'}`;
  });
}

/** What tells the database of that name from another; undefined: there is none. Asked beside it, since it may let nobody in. */
async function identityOf(context: ProvisionContext, place: Place): Promise<string | undefined> {
  return await withOtherDatabase(context, place, async (client) => {
    const { rows } = await client.query<{ identity: string }>(`SELECT (SELECT system_identifier::text FROM pg_control_system()) || '/' || oid::text AS identity FROM pg_database WHERE datname = $1`, [place.address.database]);
    return rows[0]?.identity;
  });
}

/** @returns what was done; undefined: there is nothing of this run's. Safe to repeat. */
async function takeAway(context: ProvisionContext, target: TargetRef, discard: boolean): Promise<string | undefined> {
  const noted = await readRestoredDatabase(context);
  const place = await placeOf(context);
  if (noted?.run !== target.run) return undefined;
  const identity = await identityOf(context, place);
  if (identity === undefined) return undefined;
  if (identity !== noted.identity) return `left alone: ${nameOf(place)} is another one than this run restored to`;
  const name = pg.escapeIdentifier(place.address.database);
  return await withOtherDatabase(context, place, async (client) => {
    if (discard && contentsOf(context) !== 'rows') {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      return `${nameOf(place)} is dropped`;
    }
    // A name has 63 bytes, and an older database of the same run may be aside already.
    const aside = `${place.address.database.slice(0, 30)}_removed_${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}`;
    await client.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
    await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [place.address.database]);
    await client.query(`ALTER DATABASE ${name} RENAME TO ${pg.escapeIdentifier(aside)}`);
    return `${nameOf(place)} is called ${aside} now, and lets nobody in`;
  });
}
