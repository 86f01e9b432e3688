import { ulid } from 'ulid';
import type { GroupRef } from '../../../workflows/contract.ts';
import { layout, type BackupScope } from '../../../workflows/domain/layout.ts';
import type { GroupIndex, Part } from '../../../workflows/domain/manifest.ts';
import { formatVersion } from '../../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../../context.ts';

/** What was read of a range. `parts` are complete once the job's uploads have settled. */
export interface WrittenRange {
  readonly parts: readonly Part[];
  summary(): GroupIndex['ranges'][number];
}

/** Writes a group's index: from here on its parts can be named. */
export async function putIndex(context: SourceContext, plan: BackupScope, group: string, written: readonly WrittenRange[]): Promise<GroupRef> {
  const parts = written.flatMap((range) => range.parts);
  const ranges = written.map((range) => range.summary());
  const index: GroupIndex = { format: formatVersion, kind: 'group', backup: plan.backup, group, parts, ranges };
  const body = Buffer.from(JSON.stringify(index));
  return {
    group,
    index: await context.store.put(layout.group(plan, group, ulid()), body, { signal: context.signal }),
    parts: parts.length,
    documents: ranges.reduce((sum, range) => sum + range.documents, 0),
    plainBytes: parts.reduce((sum, part) => sum + part.plainBytes, 0),
    storedBytes: parts.reduce((sum, part) => sum + part.object.bytes, 0),
  };
}
