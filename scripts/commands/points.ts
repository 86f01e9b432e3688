import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';
import { formatBytes, formatDuration } from '../../workflows/domain/units.ts';
import { findWindows, type Window } from '../bucket/find-windows.ts';
import { openSources } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';

interface SourcePoints {
  system: string;
  source: string;
  windows: Window[];
  gaps: Catalog['gaps'];
  rejected: Catalog['rejected'];
}

/** `holdfast points` and `holdfast catalog rebuild`: what the bucket holds, from the bucket alone. */
export function points(cli: Cli): void {
  const sourceOption = ['--source <source>', 'left out: every source'] as const;
  cli.add<[string], { source?: string }>('points <system>', 'list what can be restored, from the bucket alone', (command) => command.option(...sourceOption), async (printer, { source }, system) => {
    const sources: SourcePoints[] = [];
    for (const context of await openSources(system, source)) {
      const catalog = await rebuildCatalog(context, { system, source: context.sourceName });
      sources.push({ system, source: context.sourceName, windows: findWindows(catalog), gaps: catalog.gaps, rejected: catalog.rejected });
    }
    printer.result({ sources }, () => sources.map(formatPoints).join('\n'));
  });

  const group = cli.group('catalog', 'what the bucket holds');
  cli.add<[string], { source?: string }>('rebuild <system>', 'read the whole catalog from the bucket alone', (command) => command.option(...sourceOption), async (printer, { source }, system) => {
    const catalogs: (Catalog & { tookMs: number })[] = [];
    for (const context of await openSources(system, source)) {
      const startedAtMs = Date.now();
      catalogs.push({ ...(await rebuildCatalog(context, { system, source: context.sourceName })), tookMs: Date.now() - startedAtMs });
    }
    printer.result({ catalogs }, () => catalogs.map(formatCatalog).join('\n'));
  }, group);
}

function formatPoints(of: SourcePoints): string {
  const name = `${of.system}/${of.source}`;
  return [
    ...(of.windows.length === 0 ? [`${name}: nothing can be restored`] : []),
    ...of.windows.map(
      ({ timeline, base, from, to, slices }) =>
        `${name}: ${formatLogPosition(from)} to ${formatLogPosition(to)}, base ${base.backup}, ${slices} slices, ${base.documents.toLocaleString('en-US')} documents, ${formatBytes(base.plainBytes)}, timeline ${timeline}${base.exact ? '' : ', without proof'}`,
    ),
    ...of.gaps.map((gap) => `${name}: gap from ${formatLogPosition(gap.from)} to ${formatLogPosition(gap.to)}: ${gap.why}`),
    ...of.rejected.map(({ key, why }) => `${name}: not believed: ${key}: ${why}`),
  ].join('\n');
}

function formatCatalog(catalog: Catalog & { tookMs: number }): string {
  const slices = catalog.spans.reduce((sum, span) => sum + span.slices, 0);
  return `${catalog.system}/${catalog.source}: ${catalog.timelines.length} timelines, ${catalog.bases.length} bases, ${slices} slices in ${catalog.spans.length} unbroken spans, ${catalog.gaps.length} gaps, ${catalog.rejected.length} objects not believed; read in ${formatDuration(catalog.tookMs)}`;
}
