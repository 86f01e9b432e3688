import { layout } from '../../workflows/domain/layout.ts';
import type { IncidentRecord } from '../../workflows/domain/incident-record.ts';
import type { ObjectVersion, Store } from '../store/store.ts';

/** The incidents that were closed, newest first, `limit` at most. One that cannot be read is passed over, and named. */
export async function readIncidents({ store, signal }: { store: Store; signal: AbortSignal }, system: string, limit: number): Promise<{ records: IncidentRecord[]; unread: string[] }> {
  const newest = new Map<string, ObjectVersion>();
  for await (const version of store.list(layout.incidents(system), { signal })) {
    const known = newest.get(version.key);
    if (version.key.endsWith('/incident.json') && !version.isDeleteMarker && (!known || known.modifiedAt <= version.modifiedAt)) newest.set(version.key, version);
  }
  // Ids begin with their time.
  const versions = [...newest.values()].sort((a, b) => b.key.localeCompare(a.key)).slice(0, limit);
  const records: IncidentRecord[] = [];
  const unread: string[] = [];
  for (const version of versions) {
    const record = parse(await store.getVersion(version, { signal }));
    if (record) records.push(record);
    else unread.push(version.key);
  }
  return { records, unread };
}

function parse(bytes: Buffer): IncidentRecord | undefined {
  try {
    const record = JSON.parse(bytes.toString('utf8')) as IncidentRecord;
    return record.format === 1 && typeof record.state.id === 'string' && Array.isArray(record.state.runs) ? record : undefined;
  } catch {
    return undefined;
  }
}
