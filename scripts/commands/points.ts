import { listRecoveryPoints, readCatalog } from '../../activities/store/list-recovery-points.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { listRecoveryPointsInput, parseInput, rebuildCatalogInput } from '../../workflows/domain/inputs.ts';
import { describeCatalog, describePoints } from '../../workflows/domain/list-points.ts';
import { hours } from '../../workflows/domain/units.ts';
import { openSources } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';

const sourceOption = ['--source <source>', 'left out: every source'] as const;
const limitOption = ['--limit <count>', 'at most so many of each list, the newest; 50 when left out'] as const;
const sinceOf = (typed: string | undefined): string | undefined => {
  if (typed === undefined) return undefined;
  const count = Number(typed);
  if (!(count > 0 && count <= 36_500)) throw new HoldfastError('BadInput', `--days is "${typed}": a number of days above 0 is meant`);
  return new Date(Date.now() - hours(24 * count)).toISOString();
};
const countOf = (limit: string | undefined): number | undefined => (limit === undefined ? undefined : Number(limit));

/**
 * `holdfast points` and `holdfast catalog rebuild`: what the bucket holds, from the bucket alone. They do here what the activities of
 * `listRecoveryPoints` and `rebuildCatalog` do on a worker, and need no Temporal: on the night when that is lost too, bucket and key must be enough.
 */
export function points(cli: Cli): void {
  cli.add<[string], { source?: string; limit?: string; after?: string; days?: string }>(
    'points <system>',
    'list what can be restored, from the bucket alone; needs no Temporal (workflow listRecoveryPoints)',
    (command) => command.option(...sourceOption).option(...limitOption).option('--after <backup>', 'the next page: those after this base').option('--days <count>', 'only bases of the last so many days'),
    async (printer, typed, system) => {
      const asked = { system, source: typed.source, limit: countOf(typed.limit), after: typed.after, since: sinceOf(typed.days) };
      const { source, limit, after, since } = parseInput('listRecoveryPoints', listRecoveryPointsInput, asked);
      const sources = await Promise.all((await openSources(system, source)).map(async (context) => await listRecoveryPoints(context, { limit, after, since })));
      printer.result({ sources }, () => sources.flatMap(describePoints).join('\n'));
    },
  );

  const group = cli.group('catalog', 'what the bucket holds');
  cli.add<[string], { source?: string; limit?: string }>(
    'rebuild <system>',
    'read the whole catalog from the bucket alone; needs no Temporal (workflow rebuildCatalog)',
    (command) => command.option(...sourceOption).option(...limitOption),
    async (printer, typed, system) => {
      const { source, limit } = parseInput('rebuildCatalog', rebuildCatalogInput, { system, source: typed.source, limit: countOf(typed.limit) });
      const catalogs = await Promise.all((await openSources(system, source)).map(async (context) => await readCatalog(context, { limit })));
      printer.result({ catalogs }, () => catalogs.map(describeCatalog).join('\n'));
    },
    group,
  );
}
