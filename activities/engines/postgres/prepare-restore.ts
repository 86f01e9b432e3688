import type pg from 'pg';
import type { Lack, TargetRef } from '../../../workflows/contract.ts';
import type { Contents } from '../../../workflows/domain/contents.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { noteDatabase } from '../../provision/restored-database.ts';
import { readSection } from './archive-entries.ts';
import { ask, targetPlace, withClient, withOtherDatabase, type Place } from './connect.ts';
import { claimDatabase, claimOf, isDone, once, prepared } from './control.ts';
import { requireContents, wantedUnits } from './contents.ts';
import { checkIndexes, openBase, type GroupToRestore } from './base-contents.ts';
import { findWithoutPassword, globalsOf, type Global } from './globals.ts';
import { makeDatabase, makeRoles, noteOpening, requireServer } from './make-database.ts';
import { makeLargeObjects } from './large-objects.ts';
import { refuseLivingDatabase } from './living-database.ts';
import { requireEmptyTables } from './into-tables.ts';
import { makeInOrder } from './make-section.ts';
import { readServerFacts } from './server-facts.ts';
import { bytesOnDisk, TargetDisk } from './target-disk.ts';

/**
 * Checks the base (signature, key, indexes), makes the roles and the database that the target's server lacks, claims the database for the run, and makes
 * everything in it that has to be there before rows: schemas, types, functions, tables. What rows would have to obey (indexes, constraints,
 * triggers) comes after them.
 *
 * | killed after | the next attempt |
 * |---|---|
 * | the roles, or the database | finds them: the database is empty still |
 * | the claim | finds it its own |
 * | some of the tables | goes on behind the last that was committed with its note |
 *
 * @throws TargetNotEmpty - something there that this run did not make. @throws Unsupported - the server lacks something; names it. TargetFull - its disk has no room, where that can be seen. @throws Tampered, WrongKey, ObjectMissing.
 */
export async function prepareRestore(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<{ groups: GroupToRestore[]; plainBytes: number; lacks?: Lack }> {
  const { manifest, definitions, globals, contents: held } = await openBase(context, point);
  const contents = requireContents(context, manifest.backup, held);
  const groups = await checkIndexes(context, manifest, point);
  if (groups.length > 1) context.groupsFollow?.();
  const place = await targetPlace(context, target);
  await refuseLivingDatabase(context, target);
  const elsewhere = new Set(globalsOf(globals, 'tablespace').flatMap(({ holds }) => holds));
  const neededBytes = bytesOnDisk(wantedUnits(context, manifest, point), elsewhere);
  const { major, lacks } = await withOtherDatabase(context, place, async (client) => await makePlace(client, place, globals, { source: manifest.versions['postgresql']!, neededBytes, contents, closed: isToBeMasked(context, target) }));
  await withClient(context, place, async (client) => {
    await claimDatabase(client, claimOf(target, point, contents), contents === 'rows' ? async () => await requireEmptyTables(client, wantedUnits(context, manifest, point)) : undefined);
    await noteDatabase(context, target, (await readServerFacts(client)).identity);
    await noteOpening(client, place.address.database, globals);
    if (await isDone(client, prepared)) return;
    if (contents !== 'rows') {
      const script = await readSection(context, { bytes: definitions, major }, 'pre-data');
      const { entries } = script;
      await makeInOrder({ context, script, tolerate: false }, client, { entries, note: 'pre-data' }, (done) => context.progress({ phase: 'make tables', done, of: entries.length, unit: 'objects' }));
    }
    await once(client, prepared, async () => await (point.only || contents === 'definitions' ? Promise.resolve() : makeLargeObjects(client, globals)));
  });
  return { groups, plainBytes: groups.reduce((sum, { plainBytes }) => sum + plainBytes, 0), ...(lacks ? { lacks } : {}) };
}

/** Nobody is let in to it before that: the step comes at the end of a run, behind gates that may wait for hours. */
const isToBeMasked = ({ system, sourceName }: SourceContext, { environment }: TargetRef): boolean => system.mask?.[sourceName] !== undefined && system.environments[environment]?.protection !== 'production';

async function makePlace(client: pg.Client, place: Place, globals: readonly Global[], { source, neededBytes, contents, closed }: { source: string; neededBytes: number; contents: Contents; closed: boolean }): Promise<{ major: number; lacks?: Lack | undefined }> {
  const target = await readServerFacts(client);
  if (await ask<boolean>(client, 'SELECT pg_is_in_recovery()')) throw new HoldfastError('TargetNotEmpty', `the target at ${place.address.host}:${place.address.port} is a standby, and takes no writes`, { hint: 'promote it, or name another server' });
  await requireServer(client, contents === 'rows' ? [] : globals, { source, target });
  await requireRoomOn(client, place, neededBytes);
  // What is there already has its own roles, encoding and settings.
  if (contents === 'rows') return target;
  await makeRoles(client, globals);
  await makeDatabase(client, place.address.database, globalsOf(globals, 'database')[0]!, { closed });
  return { ...target, lacks: await findWithoutPassword(client, globals) };
}

/** What an earlier attempt has restored is on the disk already. */
async function requireRoomOn(client: pg.Client, place: Place, neededBytes: number): Promise<void> {
  const disk = await TargetDisk.find(client, place);
  if (!disk) return;
  const { database } = place.address;
  const { rows } = await client.query<{ bytes: string }>('SELECT pg_catalog.pg_database_size(oid)::text AS bytes FROM pg_catalog.pg_database WHERE datname = $1', [database]);
  await disk.requireFor(Math.max(0, neededBytes - Number(rows[0]?.bytes ?? 0)), `what is restored to ${database}`);
}
