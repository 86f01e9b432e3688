import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { Part } from '../../../../workflows/domain/manifest.ts';
import type { PgBackRestConfig } from '../../../../workflows/domain/tool-source.ts';
import type { SourceContext } from '../../../context.ts';
import { nextPartName, putPart, type PartStore } from '../../base/stored-parts.ts';
import type { ProgramSpec } from '../program-spec.ts';
import { readForeign, type Foreign } from './foreign.ts';
import { eachFile, follow, pgbackrest } from './run.ts';

export const backupProgram = (tool: PgBackRestConfig): ProgramSpec => pgbackrest(tool, ...eachFile, `--type=${tool.type}`, 'backup');

/**
 * Has pgBackRest make a backup in its own repository, and stores what it says of it.
 *
 * Safe to repeat: what an attempt that was killed had copied, pgBackRest itself takes up again; one that had ended is a backup in its repository that nothing of ours
 * names, and the next is made beside it.
 *
 * @throws ToolFailed - retryable: it ended badly, or does not say what it made.
 */
export async function backUpForeign(context: SourceContext, tool: PgBackRestConfig, to: PartStore, of: { unit: string; range: string }, phase: string): Promise<{ parts: Part[]; foreign: Foreign }> {
  const said = await follow(context, backupProgram(tool), (done, whole) => context.progress({ phase, done, of: whole, unit: 'bytes' }));
  const label = /new backup label = (\S+)/.exec(said)?.[1];
  const foreign = label === undefined ? undefined : await readForeign(context, tool, label);
  if (!foreign) throw new HoldfastError('ToolFailed', `pgbackrest ended with code 0 and ${label === undefined ? 'named no backup' : `does not list its backup ${label}`}`);
  const bytes = Buffer.from(`${JSON.stringify(foreign)}\n`);
  return { parts: [await putPart(to, of, nextPartName(undefined), { bytes, documents: 0, continues: false, exact: false })], foreign };
}
