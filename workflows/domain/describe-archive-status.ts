import type { ArchiveStatus } from '../contract.ts';
import { formatLogPosition } from './log-position.ts';
import { formatDuration } from './units.ts';

export function describeArchiveStatus(one: ArchiveStatus): string {
  const behind = one.noLog ? 'data loss now unknown: no log is archived' : one.rpoMs === null ? 'data loss now unknown: the source does not answer' : one.rpoMs === 0 ? 'up to date' : `data loss now ${formatDuration(one.rpoMs)}`;
  const archived = one.archivedTo === null ? 'nothing archived' : `archived to ${formatLogPosition(one.archivedTo)}`;
  return `${one.system}/${one.source}: ${behind}; ${archived}${one.timeline ? `, timeline ${one.timeline}` : ''}${one.note ? `; ${one.note}` : ''}`;
}
