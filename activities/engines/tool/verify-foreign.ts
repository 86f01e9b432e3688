import type { CatalogBase } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { readGroupIndex, readManifest } from '../base/read-base.ts';
import { foreignOf, verifyForeign as verifyByProgram } from './pgbackrest/restore.ts';
import { toolOf } from './programs.ts';

/** Asks pgBackRest about a backup of its own. What it keeps cannot be asked about once the source is backed up by another program. */
export async function verifyForeign(context: SourceContext, base: CatalogBase): Promise<string | null> {
  const tool = toolOf(context);
  if (tool.uses !== 'pgbackrest') return `${base.foreign!} is in the repository of ${base.program!}, and the source is backed up by ${tool.uses} now: nobody can be asked about it`;
  const manifest = await readManifest(context, { system: context.system.system, source: context.sourceName, base });
  return await verifyByProgram(context, tool, foreignOf(await readGroupIndex(context, manifest.backup, manifest.groups[0]!), manifest.backup));
}
