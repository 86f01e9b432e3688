import type { SourceContext } from '../../context.ts';
import { describeEntries } from './archive-entries.ts';
import type { BaseContents } from './base-contents.ts';
import { some } from './catalogue.ts';
import { withClient, type Place } from './connect.ts';
import { readArchive } from './definitions.ts';
import { readServerFacts } from './server-facts.ts';

/**
 * What pg_dump says of every thing of the target, beside what it said of the source's: each must be there, by kind, name, owner and tablespace, and between
 * servers of one version nothing else. How many are the same word for word is told, and no more than that: a server may say a condition in other words
 * once it has read it back (`= ANY (ARRAY[…]::text[])`).
 */
export async function compareDefinitions(context: SourceContext, place: Place, { manifest, definitions }: Pick<BaseContents, 'manifest' | 'definitions'>): Promise<{ problems: string[]; claim: string }> {
  const { major } = await withClient(context, place, readServerFacts);
  const expected = await describeEntries(context, { bytes: definitions, major });
  const found = await describeEntries(context, { bytes: await readArchive(context, place, major), major });
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const stray = Number.parseInt(manifest.versions['postgresql']!) === major ? [...found.keys()].filter((name) => !expected.has(name)) : [];
  const same = [...expected].filter(([name, text]) => found.get(name) === text).length;
  return {
    problems: [
      ...(missing.length > 0 ? [`${missing.length} definitions are missing: ${some(missing)}`] : []),
      ...(stray.length > 0 ? [`${stray.length} definitions are not the source’s: ${some(stray)}`] : []),
    ],
    claim: `${expected.size} definitions by name, ${same} of them word for word`,
  };
}
