import type { BackupSummary, ExportTo, ImportPlanRef, WrittenExport } from '../contract.ts';
import { formatLogPosition, type LogPosition } from './log-position.ts';
import type { Progress } from './progress.ts';
import { formatBytes } from './units.ts';

/** What the query `state` of an import, an export or a verification answers. */
export interface TransferState {
  phase: 'checking' | 'importing' | 'sealing' | 'choosing' | 'exporting' | 'publishing' | 'verifying' | 'done';
  /** as the workers last told the workflow; a heartbeat knows better */
  progress: Progress | null;
}

/** What an import came to; its `backup` is the id that a recovery, a plan or an export names. */
export interface ImportSummary extends BackupSummary {
  path: string;
  origin: ImportPlanRef['origin'];
}

/** What an export came to. */
export interface ExportSummary extends Omit<WrittenExport, 'partial'>, Omit<ExportTo, 'run'> {
  system: string;
  source: string;
  timeline: string;
  backup: string;
  /** exclusive */
  limit: LogPosition;
  reaches: LogPosition;
  reachesAt: string;
  /** of the base; the log comes on top */
  documents: number;
  plainBytes: number;
}

export function describeImport(of: ImportSummary): { heading: string; lines: string[] } {
  const { origin } = of;
  const { log } = origin;
  const moment = log
    ? `with its log of ${log.entries.toLocaleString('en-US')} entries it is whole at ${formatLogPosition(log.to)}`
    : 'it holds no log: its collections were read at different moments';
  return {
    heading: `import ${of.backup} of ${of.system}/${of.source}`,
    lines: [
      `from       ${origin.form} ${of.path}${origin.gzip ? ', gzip' : ''}${origin.toolVersion ? `, ${origin.program} ${origin.toolVersion}` : ''}`,
      `holds      ${of.units} collections, ${of.documents.toLocaleString('en-US')} documents, ${formatBytes(of.plainBytes)} (${formatBytes(of.storedBytes)} stored in ${of.parts} parts)`,
      `moment     ${moment}`,
      'proof      none: nobody compared it with its source',
      ...(origin.leftOutCount === 0 ? [] : [`left out   ${origin.leftOut.slice(0, 10).join(', ')}${origin.leftOutCount > 10 ? ` and ${origin.leftOutCount - 10} more` : ''}`]),
      `recover    holdfast recover ${of.system} --point ${of.backup}`,
    ],
  };
}

export function describeExport(of: ExportSummary): { heading: string; lines: string[] } {
  return {
    heading: `export of ${of.system}/${of.source}`,
    lines: [
      `written    ${of.path}: ${of.form}${of.gzip ? ', gzip' : ''}, ${formatBytes(of.writtenBytes)}, not encrypted`,
      `holds      base ${of.backup}, ${of.collections} collections, ${of.documents.toLocaleString('en-US')} documents${of.hasLog ? `, and the log up to ${formatLogPosition(of.reaches)}` : ''}`,
      ...(of.hasLog ? ['log        it must be replayed (--oplogReplay): without it the collections are of different moments'] : []),
      `restore    ${of.restoreCommand}`,
    ],
  };
}
