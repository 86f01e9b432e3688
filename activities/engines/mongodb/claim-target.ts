import type { MongoClient } from 'mongodb';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Manifest } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { controlCollections, controlDatabase } from './control.ts';
import { isServersOwn } from './oplog/oplog-entry.ts';
import { Selection } from './selection/selection.ts';

interface Claim {
  _id: 'claim';
  run: string;
  system: string;
  source: string;
  timeline: string;
  backup: string;
  /** namespaces of a partial restore, as typed; null: everything */
  only: string[] | null;
  prepared: boolean;
}

/** What a partial restore brings to this target. */
interface StoredSelection {
  _id: 'selection';
  uuids: string[];
  groups: string[];
}

const claims = (client: MongoClient) => client.db(controlDatabase).collection<Claim>(controlCollections.claim);
const selections = (client: MongoClient) => client.db(controlDatabase).collection<StoredSelection>(controlCollections.claim);

/**
 * Makes the target this run's own, for this base. Only an empty server can be claimed.
 * Safe to repeat. @throws TargetNotEmpty - somebody's data, another run, or another base.
 */
export async function claimTarget(client: MongoClient, target: TargetRef, manifest: Manifest, only: RecoveryPoint['only']): Promise<{ prepared: boolean }> {
  const claim: Claim = {
    _id: 'claim',
    run: target.run,
    system: manifest.system,
    source: manifest.source,
    timeline: manifest.timeline,
    backup: manifest.backup,
    only: only?.patterns ?? null,
    prepared: false,
  };
  const found = await claims(client).findOne({ _id: 'claim' });
  if (found) return { prepared: requireOurs(found, claim) };
  await requireEmpty(client);
  await claims(client).insertOne(claim);
  return { prepared: false };
}

/** @throws TargetNotEmpty - the target is not (or no longer) what `prepareRestore` made for this run and base. */
export async function requireClaim(client: MongoClient, target: TargetRef, { base, only }: Pick<RecoveryPoint, 'base' | 'only'>): Promise<void> {
  const found = await claims(client).findOne({ _id: 'claim' });
  if (!found?.prepared) throw new HoldfastError('TargetNotEmpty', `the target in ${target.environment} is not prepared for run ${target.run}`);
  requireOurs(found, { ...found, run: target.run, timeline: base.timeline, backup: base.backup, only: only?.patterns ?? null });
}

/** Says in the target what a partial restore brings to it, before anything is made there. Safe to repeat. */
export async function noteSelection(client: MongoClient, selection: Selection, groups: readonly string[]): Promise<void> {
  await selections(client).replaceOne({ _id: 'selection' }, { uuids: [...selection.uuids], groups: [...groups] }, { upsert: true });
}

/**
 * What `prepareRestore` noted; null: everything is restored.
 * @throws TargetNotEmpty - the point asks for all of it and the target holds a part, or for a part and the target was not prepared for one.
 */
export async function readSelection(client: MongoClient, { only }: Pick<RecoveryPoint, 'only'>): Promise<{ selection: Selection; groups: string[] } | null> {
  const stored = await selections(client).findOne({ _id: 'selection' });
  if ((stored !== null) !== (only !== undefined)) {
    throw new HoldfastError('TargetNotEmpty', `the target was prepared for ${stored ? 'a part of the data' : 'all data'}, and this run restores ${only ? 'a part' : 'all'}`, { hint: 'restore to a fresh target' });
  }
  return stored && { selection: new Selection(stored.uuids), groups: stored.groups };
}

export async function markPrepared(client: MongoClient, manifest: Manifest): Promise<void> {
  await claims(client).updateOne({ _id: 'claim', backup: manifest.backup }, { $set: { prepared: true } });
}

function requireOurs(found: Claim, ours: Claim): boolean {
  const same = found.run === ours.run && found.timeline === ours.timeline && found.backup === ours.backup;
  if (same && JSON.stringify(found.only ?? null) === JSON.stringify(ours.only)) return found.prepared;
  if (same) throw new HoldfastError('TargetNotEmpty', `the target was claimed for ${partOf(found)}, this is ${partOf(ours)}`, { hint: 'restore to a fresh target' });
  throw new HoldfastError('TargetNotEmpty', `the target belongs to run ${found.run}, which restores backup ${found.timeline}/${found.backup}; this is run ${ours.run} with ${ours.timeline}/${ours.backup}`, {
    hint: 'remove the target, or let that run end',
  });
}

const partOf = ({ only }: Claim): string => (only ? `a restore of ${only.slice(0, 5).join(', ')}` : 'a whole restore');

async function requireEmpty(client: MongoClient): Promise<void> {
  const { databases } = await client.db('admin').command({ listDatabases: 1, nameOnly: true }) as { databases: { name: string }[] };
  const data = databases.map(({ name }) => name).filter((name) => !['admin', 'config', 'local', controlDatabase].includes(name));
  const own = (await client.db('admin').listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).filter((name) => !isServersOwn(`admin.${name}`));
  const something = data[0] ?? (own[0] && `admin.${own[0]}`);
  if (!something) return;
  throw new HoldfastError('TargetNotEmpty', `the target holds data that this run did not restore: ${something}`, { hint: 'restore to an empty server' });
}
