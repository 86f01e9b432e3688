import { backfill } from '../../activities/schedules/backfill.ts';
import { describeSchedules, readSchedules } from '../../activities/schedules/read-schedules.ts';
import type { ScheduleView } from '../../workflows/domain/schedules/view.ts';
import { listSystems, loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { askedBySchedule } from '../../workflows/domain/schedules/desired.ts';
import { permit, type Act } from '../../workflows/domain/permissions.ts';
import { recordByCommand } from '../bucket/admit-command.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import type { Printer } from '../output/printer.ts';

/** Who asked for a backfill, and of which schedule: its starts have the schedule's name in the audit, as any start of it. A store that is away holds up no backup: it is said, and the backfill begins. */
async function recordBackfill(printer: Printer, of: { system: string; id: string; from: string; to: string; by: string; act: string; workflow: string; moments: readonly string[] }): Promise<void> {
  const { system, id, from, to, by, act, workflow, moments } = of;
  try {
    const about = `backfill of ${id}, ${moments.length} starts from ${from} to ${to}`;
    await recordByCommand({ system, by, act, outcome: 'permitted', about, workflow, workflowId: askedBySchedule(system, id.slice(system.length + 1)) });
  } catch (error) {
    printer.note(`the audit did not take it: ${describeError(error).message}`);
  }
}

/** `holdfast schedules` and `holdfast backfill`: what starts by itself, and what a span of the past would have started. */
export function schedules(cli: Cli): void {
  cli.add<[string | undefined], object>('schedules [system]', 'what starts by itself: when next, how it ended last, and why it is paused; left out: every system', (command) => command, async (printer, _options, system) => {
    const names = system === undefined ? await listSystems() : [system];
    await withTemporal(async ({ client }) => {
      const views: ScheduleView[] = [];
      for (const name of names) views.push(...(await readSchedules(client, name)));
      printer.result({ schedules: views }, () => (views.length > 0 ? describeSchedules(views, Date.now()).join('\n') : `no schedules of ${names.join(', ')}: holdfast apply makes what the system files say`));
    });
  });

  cli.add<[string], { from: string; to: string; most: string; dryRun?: boolean; by: string }>(
    'backfill <schedule>',
    'start what a schedule would have started in a span of the past, one after the other: demo/verification',
    (command) =>
      command
        .requiredOption('--from <time>', 'the first moment')
        .requiredOption('--to <time>', 'the last moment')
        .option('--most <count>', 'refuse more starts than that', '10')
        .option('--dry-run', 'only say which')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, { from, to, most, dryRun = false, by }, id) => {
      const system = id.split('/')[0]!;
      const { system: file, digest } = await loadSystemFile(system);
      const { people, schedules: declared } = toSystemView(file, digest);
      const permission = permit(people, (declared?.[id]?.act ?? 'apply') as Act, by);
      if (!dryRun && permission.may !== true) throw new HoldfastError('NotPermitted', permission.may === false ? permission.why : `${by} may not by elevation`);
      const count = Number(most);
      if (!Number.isInteger(count) || count < 1 || count > 1_000) throw new HoldfastError('BadInput', `--most "${most}": expected a whole number from 1 to 1000`);
      const [start, end] = [from, to].map((typed) => {
        if (Number.isNaN(Date.parse(typed)) || !/(Z|[+-]\d\d:\d\d)$/.test(typed)) throw new HoldfastError('BadInput', `"${typed}": expected a time with its zone, such as 2026-11-21T03:00:00Z`);
        return new Date(typed).toISOString();
      }) as [string, string];
      await withTemporal(async ({ client }) => {
        const asked = { system, id, from: start, to: end, most: count };
        const due = await backfill(client, { ...asked, dryRun: true });
        if (!dryRun && due.length > 0) await recordBackfill(printer, { ...asked, by, act: declared?.[id]?.act ?? 'apply', workflow: declared?.[id]?.workflow ?? '', moments: due });
        const moments = dryRun ? due : await backfill(client, { system, id, from: start, to: end, most: count, dryRun });
        printer.result({ schedule: id, started: !dryRun, moments }, () => [moments.length === 0 ? `${id} has no moment from ${start} to ${end}` : `${dryRun ? 'would start' : 'starts'} ${moments.length} of ${id}, one after the other`, ...moments].join('\n'));
      });
    },
  );
}
