import type { Document, MongoClient } from 'mongodb';
import { copiesAtMost, copyName, keptName } from '../../../../workflows/domain/beside.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { RestoreMode } from '../../../../workflows/domain/restore-mode.ts';
import type { SourceContext } from '../../../context.ts';
import { adminOf, fromPrimary, withSource } from '../connect.ts';
import { uuidOf } from '../list-collections.ts';
import { splitNamespace } from '../namespaces.ts';
import { besideRole } from '../rights.ts';
import { readServerFacts } from '../server-facts.ts';
import { holdsWriters, writeBlockIsOn } from './write-block.ts';

/** What a run of the modes `beside` and `swap` wants of the collections that it chose. */
export interface CopiesWanted {
  run: string;
  mode: Extract<RestoreMode, 'beside' | 'swap'>;
}

/** @source MongoDB manual, Limits and Thresholds: namespace length */
const longestNamespaceBytes = 255;

/**
 * Whether collections could be copied into the living source, and change places with what is there. Reads only, and before anything is restored: the
 * names, then the server.
 *
 * @throws Unsupported - a time series, too many, a name too long; a sharded cluster; for a swap a view, a feature version below 6.0, or writes that
 *   somebody holds already. TargetNotEmpty - a name that the run would make is taken. NotPermitted - names the right that is missing.
 */
export async function checkBeside(context: SourceContext, { names, run, mode }: CopiesWanted & { names: readonly string[] }): Promise<void> {
  names.forEach((ns) => checkName(ns, run));
  if (names.length > copiesAtMost) throw new HoldfastError('Unsupported', `${names.length} collections are chosen, and mode ${mode} copies ${copiesAtMost} at most`, { hint: 'choose fewer, in several runs' });
  await withSource(context, async (client) => {
    const { featureVersion } = await readServerFacts(client);
    const swaps = mode === 'swap';
    await requireRights(client, names, { swaps });
    const made = names.flatMap((ns) => [copyName(ns, run), ...(swaps ? [keptName(ns, run)] : [])]);
    const there = await whatIsThere(client, [...names, ...made]);
    const taken = made.find((ns) => there.has(ns));
    if (taken) throw new HoldfastError('TargetNotEmpty', `${taken} is there already, and this run did not make it`, { hint: 'rename it, then start again' });
    if (!swaps) return;
    const other = names.find((ns) => (there.get(ns)?.type ?? 'collection') !== 'collection');
    if (other) throw new HoldfastError('Unsupported', `${other} is a ${there.get(other)!.type} now, and only a collection changes places`, { hint: 'restore it beside: --mode beside' });
    if (Number.parseFloat(featureVersion) < 6) throw new HoldfastError('Unsupported', `a swap lets writers wait, and the source cannot before feature version 6.0: it has ${featureVersion}`, { hint: '--mode beside' });
    if ((await holdsWriters(client)) && (await writeBlockIsOn(client))) {
      throw new HoldfastError('Unsupported', 'somebody lets the source’s writers wait already (setUserWriteBlockMode): a swap would end that', { hint: 'wait until that is over' });
    }
  }, fromPrimary);
}

function checkName(ns: string, run: string): void {
  const { database, collection } = splitNamespace(ns);
  if (collection === 'system.views') return;
  if (collection.startsWith('system.buckets.')) {
    throw new HoldfastError('Unsupported', `${database}.${collection.slice('system.buckets.'.length)} is a time series, which no rename reaches`, { hint: 'leave it out; without "mode" a partial restore puts it on a server of its own' });
  }
  if (collection.startsWith('system.')) throw new HoldfastError('Unsupported', `${ns} is the server’s own, and is not copied`);
  const bytes = Buffer.byteLength(copyName(ns, run));
  if (bytes > longestNamespaceBytes) throw new HoldfastError('Unsupported', `${copyName(ns, run)} would be ${bytes} bytes long, and a name may have ${longestNamespaceBytes}`, { hint: 'without "mode" a partial restore puts it on a server of its own' });
}

export interface Found {
  /** collection, view or timeseries */
  type: string;
  /** of a collection */
  uuid: string | null;
}

/** What the server has under these names. */
export async function whatIsThere(client: MongoClient, names: readonly string[]): Promise<Map<string, Found>> {
  const byDatabase = Map.groupBy(names, (ns) => splitNamespace(ns).database);
  const found = new Map<string, Found>();
  for (const [database, of] of byDatabase) {
    const listed = await client.db(database).listCollections({ name: { $in: of.map((ns) => splitNamespace(ns).collection) } }).toArray();
    for (const { name, type = 'collection', info } of listed as { name: string; type?: string; info?: { uuid?: unknown } }[]) {
      found.set(`${database}.${name}`, { type, uuid: info?.uuid === undefined ? null : uuidOf(info.uuid) });
    }
  }
  return found;
}

/** What a server that asks for names says of ours; a right that is missing is found before anything was restored. */
async function requireRights(client: MongoClient, names: readonly string[], { swaps }: { swaps: boolean }): Promise<void> {
  const { authInfo } = await adminOf(client).command({ connectionStatus: 1, showPrivileges: true }) as { authInfo: { authenticatedUsers: unknown[]; authenticatedUserPrivileges: Privilege[] } };
  if (authInfo.authenticatedUsers.length === 0) return;
  const has = (fits: (resource: Document) => boolean, action: string): boolean => authInfo.authenticatedUserPrivileges.some(({ resource, actions }) => fits(resource) && actions.includes(action));
  for (const { resource, actions, only } of besideRole.rights) {
    if (only === 'swap' && !swaps) continue;
    const databases = resource['cluster'] ? [null] : new Set(names.map((ns) => splitNamespace(ns).database));
    for (const database of databases) {
      const fits = ({ cluster, anyResource, db, collection }: Document): boolean => anyResource === true || (database === null ? cluster === true : collection === '' && (db === '' || db === database));
      const lacks = actions.find((action) => !has(fits, action));
      if (lacks) throw new HoldfastError('NotPermitted', `the database user may not ${lacks}${database === null ? '' : ` in ${database}`}`, { hint: `give it the role ${besideRole.name}: docs/rights.js makes it, docs/rights.md says what each right is for` });
    }
  }
}

interface Privilege {
  resource: Document;
  actions: string[];
}
