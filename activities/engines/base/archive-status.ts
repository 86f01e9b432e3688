import type { ArchiveStatus } from '../../../workflows/contract.ts';
import type { SourceContext } from '../../context.ts';

/** What is known of an archive before its source is asked. */
export const unaskedStatus = (context: SourceContext, archived: Pick<ArchiveStatus, 'timeline' | 'archivedTo' | 'archivedToAt'>): ArchiveStatus => ({
  system: context.system.system,
  source: context.sourceName,
  ...archived,
  sourceAt: null,
  sourceReachable: false,
  rpoMs: null,
  checkedAt: new Date().toISOString(),
  note: null,
});
