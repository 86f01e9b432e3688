import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { IncidentRecord } from '../../workflows/domain/incident-record.ts';
import { renderIncident } from '../../workflows/domain/render-incident.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { replaceFile } from '../replace-file.ts';
import { scrubValue } from '../secrets.ts';
import type { Store } from '../store/store.ts';
import { withWholeJournal } from './journal-pages.ts';

/**
 * Writes incident.json and incident.md: to the store (under its lock, where it has one; not signed), and to `directory`, for people.
 * Twice: overwrites on disk, adds a version in the store.
 */
export async function writeIncident(
  { store, signal }: { store: Store; signal: AbortSignal },
  input: { record: IncidentRecord; directory: string },
): Promise<{ paths: { json: string; page: string }; evidence: ObjectRef[] }> {
  const { system, id, startedAt } = input.record.state;
  const state = await withWholeJournal({ store, signal }, { in: 'incidents', id }, input.record.state);
  const record = scrubValue({ ...input.record, state }) as IncidentRecord;
  const directory = join(input.directory, system, `${startedAt.slice(0, 19).replaceAll(':', '-')}Z-incident-${id.slice(0, 8)}`);
  await mkdir(directory, { recursive: true });
  const evidence: ObjectRef[] = [];
  for (const [name, text] of [['incident.md', renderIncident(record)], ['incident.json', `${JSON.stringify(record, null, 2)}\n`]] as const) {
    evidence.push(await store.put(layout.incident(system, id, name), Buffer.from(text), { signal }));
    await replaceFile(join(directory, name), text);
  }
  return { paths: { json: join(directory, 'incident.json'), page: join(directory, 'incident.md') }, evidence };
}
