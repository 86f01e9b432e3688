import type { MongoClient } from 'mongodb';
import type { TargetRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Manifest } from '../../../workflows/domain/manifest.ts';
import { controlCollections, controlDatabase } from './control.ts';
import { isServersOwn } from './oplog/oplog-entry.ts';

interface Claim {
  _id: 'claim';
  run: string;
  system: string;
  source: string;
  timeline: string;
  backup: string;
  prepared: boolean;
}

const claims = (client: MongoClient) => client.db(controlDatabase).collection<Claim>(controlCollections.claim);

/**
 * Makes the target this run's own, for this base. Only an empty server can be claimed.
 * Safe to repeat. @throws TargetNotEmpty - somebody's data, another run, or another base.
 */
export async function claimTarget(client: MongoClient, target: TargetRef, manifest: Manifest): Promise<{ prepared: boolean }> {
  const claim: Claim = {
    _id: 'claim',
    run: target.run,
    system: manifest.system,
    source: manifest.source,
    timeline: manifest.timeline,
    backup: manifest.backup,
    prepared: false,
  };
  const found = await claims(client).findOne({ _id: 'claim' });
  if (found) return { prepared: requireOurs(found, claim) };
  await requireEmpty(client);
  await claims(client).insertOne(claim);
  return { prepared: false };
}

/** @throws TargetNotEmpty - the target is not (or no longer) what `prepareRestore` made for this run and base. */
export async function requireClaim(client: MongoClient, target: TargetRef, manifest: Pick<Manifest, 'timeline' | 'backup'>): Promise<void> {
  const found = await claims(client).findOne({ _id: 'claim' });
  if (!found?.prepared) throw new HoldfastError('TargetNotEmpty', `the target in ${target.environment} is not prepared for run ${target.run}`);
  requireOurs(found, { ...found, run: target.run, timeline: manifest.timeline, backup: manifest.backup });
}

export async function markPrepared(client: MongoClient, manifest: Manifest): Promise<void> {
  await claims(client).updateOne({ _id: 'claim', backup: manifest.backup }, { $set: { prepared: true } });
}

function requireOurs(found: Claim, ours: Claim): boolean {
  if (found.run === ours.run && found.timeline === ours.timeline && found.backup === ours.backup) return found.prepared;
  throw new HoldfastError('TargetNotEmpty', `the target belongs to run ${found.run}, which restores backup ${found.timeline}/${found.backup}; this is run ${ours.run} with ${ours.timeline}/${ours.backup}`, {
    hint: 'remove the target, or let that run end',
  });
}

async function requireEmpty(client: MongoClient): Promise<void> {
  const { databases } = await client.db('admin').command({ listDatabases: 1, nameOnly: true }) as { databases: { name: string }[] };
  const data = databases.map(({ name }) => name).filter((name) => !['admin', 'config', 'local', controlDatabase].includes(name));
  const own = (await client.db('admin').listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).filter((name) => !isServersOwn(`admin.${name}`));
  const something = data[0] ?? (own[0] && `admin.${own[0]}`);
  if (!something) return;
  throw new HoldfastError('TargetNotEmpty', `the target holds data that this run did not restore: ${something}`, { hint: 'restore to an empty server' });
}
