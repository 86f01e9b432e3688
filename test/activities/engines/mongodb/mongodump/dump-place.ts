import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Document, MongoClient } from 'mongodb';
import type { BackupSummary, ExportTo, WrittenExport } from '../../../../../workflows/contract.ts';
import { findRecoveryPoint } from '../../../../../workflows/domain/find-recovery-point.ts';
import type { RecoveryPoint } from '../../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../../../activities/context.ts';
import { importGroup } from '../../../../../activities/engines/mongodb/mongodump/import-group.ts';
import { planImport } from '../../../../../activities/engines/mongodb/mongodump/plan-import.ts';
import { writeExport } from '../../../../../activities/engines/mongodb/mongodump/write-export.ts';
import { publishExport } from '../../../../../activities/exchange/publish-export.ts';
import { sealBackup } from '../../../../../activities/engines/mongodb/seal-backup.ts';
import { readImport } from '../../../../../activities/store/read-catalog.ts';
import { startTool } from '../../../../../activities/tool/run-tool.ts';
import { ref } from '../../../../harness/engine-place.ts';
import { tempDir } from '../../../../harness/temp-dir.ts';
import type { TestContext } from 'node:test';

export const fixtures = join(import.meta.dirname, '../../../../fixtures/mongodump');
export const underLoad = join(fixtures, 'under-load.archive.gz');

/** The folder that mongodump wrote, unpacked. */
export async function unpackedFolder(t: TestContext): Promise<string> {
  const directory = tempDir(t, 'holdfast-dump-');
  await startTool({ path: '/bin/tar' }, ['-xzf', join(fixtures, 'folder.tar.gz'), '-C', directory], { collectStdout: true }).done;
  return join(directory, 'folder');
}

interface Expected {
  [database: string]: { collections: Record<string, string>; counts: Record<string, number>; types: Record<string, string>; indexes: Record<string, string[]> };
}

export function expectedOf(name: string): { databases: Expected; users: Document[] } {
  const { users, ...databases } = JSON.parse(readFileSync(join(fixtures, `${name}.expected.json`), 'utf8')) as Expected & { users: Document[] };
  return { databases: databases as Expected, users };
}

/** Plan, documents, seal: what the workflow does. */
export async function importDump(context: SourceContext, path: string, backup: string): Promise<BackupSummary> {
  const plan = await planImport(context, { ...ref, backup, epoch: 1, path, why: 'test', requestedBy: 'test' });
  const groups = [];
  for (const { group } of plan.groups) groups.push(await importGroup(context, { ...ref, plan, epoch: 1, group }));
  return await sealBackup(context, { ...ref, plan, epoch: 1, groups });
}

/** Writes an export and gives it its name: what the workflow does. */
export async function exportTo(context: SourceContext, point: RecoveryPoint, to: Omit<ExportTo, 'run'>, run = 'run-1'): Promise<WrittenExport> {
  const written = await writeExport(context, { ...ref, ...to, run, point });
  await publishExport(context, { path: to.path, run, partial: written.partial });
  return written;
}

export async function importedPoint(context: SourceContext, backup: string): Promise<RecoveryPoint> {
  return findRecoveryPoint(await readImport(context, ref, backup), {}, { now: new Date().toISOString() });
}

/** What a server holds, in the words of the expected files. */
export async function stateOf(client: MongoClient, databases: readonly string[]): Promise<{ databases: Expected; users: Document[] }> {
  const state: Expected = {};
  for (const name of databases) {
    const db = client.db(name);
    const { collections } = await db.command({ dbHash: 1 }) as unknown as { collections: Record<string, string> };
    const listed = await db.listCollections().toArray();
    const counts: Record<string, number> = {};
    const indexes: Record<string, string[]> = {};
    for (const { name: collection, type } of listed) {
      if (type === 'view' || collection.startsWith('system.')) continue;
      counts[collection] = await db.collection(collection).countDocuments();
      if (type === 'collection') indexes[collection] = (await db.collection(collection).listIndexes().toArray()).map((index) => String(index['name'])).sort();
    }
    state[name] = { collections, counts, indexes, types: Object.fromEntries(listed.map(({ name: collection, type }) => [collection, type ?? ''])) };
  }
  const users = await client.db('admin').collection('system.users').find({}, { projection: { _id: 0, user: 1, roles: 1 } }).toArray();
  return { databases: state, users };
}
