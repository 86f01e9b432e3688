import { writeFile } from 'node:fs/promises';
import { readDrills } from '../../activities/report/read-drills.ts';
import { readOnServer, type OnServer } from '../../activities/schedules/read-on-server.ts';
import { openSystem } from '../../activities/open-context.ts';
import { describeDrills } from '../../workflows/domain/describe-drills.ts';
import { listDrillsInput, parseInput } from '../../workflows/domain/inputs.ts';
import { drillSchedules } from '../../workflows/domain/schedules/drill-schedules.ts';
import { withoutTemporal } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';

/** `holdfast drills`: what drills and recoveries showed, from the bucket alone. Temporal, where it answers, says since when a schedule is there. */
export function drills(cli: Cli): void {
  cli.add<[string], { limit?: string; out?: string }>(
    'drills <system>',
    'what drills and recoveries showed: proof, RTO and RPO against the objectives, what is due and overdue; from the bucket, needs no Temporal (workflow listDrills)',
    (command) => command.option('--limit <count>', 'the newest so many runs; 50 when left out').option('--out <file>', 'also a page with charts (HTML that loads nothing), written over what is there'),
    async (printer, typed, system) => {
      const { limit } = parseInput('listDrills', listDrillsInput, { system, ...(typed.limit === undefined ? {} : { limit: Number(typed.limit) }) });
      const { loaded, store, keys } = await openSystem(system);
      const onServer = await askServer(drillSchedules(loaded.system).map(({ id }) => id));
      const history = await readDrills({ store, keys, signal: withoutTemporal().signal }, loaded.system, { limit, nowMs: Date.now(), onServer });
      const { out } = typed;
      if (out !== undefined) {
        // Charts take long to load, and most who ask want none.
        const { renderDrillsHtml } = await import('../../activities/report/render-drills.ts');
        await writeFile(out, renderDrillsHtml(history, new Date().toISOString()));
      }
      printer.result({ ...history, ...(out === undefined ? {} : { out }) }, () => [...describeDrills(history), ...(out === undefined ? [] : [out])].join('\n'));
    },
  );
}

/** Undefined: Temporal does not answer. */
async function askServer(ids: readonly string[]): Promise<Record<string, OnServer> | undefined> {
  if (ids.length === 0) return {};
  return await withTemporal(async ({ client }) => await readOnServer(client, ids)).catch(() => undefined);
}
