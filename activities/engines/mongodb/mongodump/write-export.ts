import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ExportTo, SourceRef, WrittenExport } from '../../../../workflows/contract.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { unreadable } from '../../../exchange/allowed-path.ts';
import { openPartial } from '../../../exchange/publish-export.ts';
import { exportContents } from './export-contents.ts';
import { writeArchive, writeFolder } from './write-dump.ts';

/** What stands as the program's version in a dump of ours. */
const toolVersion = 'holdfast';

/**
 * Writes a recovery point as a dump under a hidden name; `publishExport` gives it its own. From the bucket alone.
 *
 * Safe to repeat: it begins again under another name, and removes what earlier attempts of the run left.
 *
 * @throws BadInput - the path is not allowed or taken, or the disk is full; Unsupported - the log holds what mongorestore
 *   cannot replay. Tampered, WrongKey, ChainBroken. Whatever it throws, nothing of this attempt is left.
 */
export async function writeExport(context: SourceContext, input: SourceRef & ExportTo & { point: RecoveryPoint }): Promise<WrittenExport> {
  const { path, form, gzip, point } = input;
  const partial = await openPartial(context, input);
  try {
    const contents = await exportContents(context, point, toolVersion);
    const options = { gzip, signal: context.signal };
    const writtenBytes = await (form === 'archive' ? writeArchive(partial, contents, options) : writeFolder(partial, contents, options));
    contents.flushed();
    return {
      partial: basename(partial),
      writtenBytes,
      collections: contents.collections.filter(({ db }) => db !== '').length,
      hasLog: contents.hasLog,
      restoreCommand: restoreCommand(input, contents.hasLog),
    };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    context.signal.throwIfAborted();
    throw unreadable(path, error);
  }
}

/**
 * How the real program restores it. Validators are passed over, since a source may hold documents that break them.
 * An export with a log is of one moment only once the log is replayed.
 */
export function restoreCommand({ path, form, gzip }: ExportTo, hasLog: boolean): string {
  const quoted = /^[A-Za-z0-9._/-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
  return ['mongorestore', ...(gzip ? ['--gzip'] : []), ...(hasLog ? ['--oplogReplay'] : []), '--bypassDocumentValidation', `${form === 'archive' ? '--archive' : '--dir'}=${quoted}`].join(' ');
}
