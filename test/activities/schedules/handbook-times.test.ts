import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '@temporalio/client';
import { fromDescription, toOptions } from '../../../activities/schedules/server-schedule.ts';
import { applyRetentionInput, backUpSystemInput, recoverSystemInput, reportSystemInput, verifySystemInput } from '../../../workflows/domain/inputs.ts';
import { desiredSchedules } from '../../../workflows/domain/schedules/desired.ts';
import { scheduleSchema } from '../../../workflows/domain/schedules/schema.ts';
import { startTemporalServer } from '../../harness/temporal-server.ts';

/** What a clock on the wall of a zone shows. */
interface Wall {
  month: number;
  day: number;
  /** as in "Mon" */
  weekday: string;
  time: string;
}

const quarter = [1, 4, 7, 10];
const firstMonday = ({ weekday, day }: Wall): boolean => weekday === 'Mon' && day <= 7;
const at = (...times: string[]) => ({ time }: Wall): boolean => times.includes(time);
const all = (...tests: ((wall: Wall) => boolean)[]) => (wall: Wall): boolean => tests.every((fits) => fits(wall));

/** What each kind of work starts, the first word of its name in the UI, and what that takes. */
const started = {
  backup: ['backUpSystem', 'backup', backUpSystemInput],
  incremental: ['verifySystem', 'incremental', verifySystemInput],
  verification: ['verifySystem', 'verify', verifySystemInput],
  drill: ['recoverSystem', 'drill', recoverSystemInput],
  retention: ['applyRetention', 'retention', applyRetentionInput],
  report: ['reportSystem', 'report', reportSystemInput],
} as const;

/** As in a system file. */
interface Written {
  does: keyof typeof started;
  with?: Record<string, unknown>;
  at?: string[];
  on?: string;
  every?: string;
  offset?: string;
  cron?: string;
  zone?: string;
}

/** Every schedule of the five handbooks, with what it does; those that name no zone in one that has daylight saving. Beside each, whether a moment is one of it, said without our words. */
const handbooks: Record<string, { written: Written; zone: string; fits(wall: Wall): boolean }> = {
  'ai-writing/configuration': { written: { does: 'backup', at: ['00:15'] }, zone: 'UTC', fits: at('00:15') },
  'ai-writing/terraform-state': { written: { does: 'backup', at: ['00:30'] }, zone: 'UTC', fits: at('00:30') },
  'ai-writing/full': { written: { does: 'backup', at: ['01:00'] }, zone: 'UTC', fits: at('01:00') },
  'ai-writing/documents': { written: { does: 'backup', at: ['02:00'] }, zone: 'UTC', fits: at('02:00') },
  'ai-writing/incremental': { written: { does: 'incremental', at: ['03:00', '09:00', '15:00', '21:00'] }, zone: 'UTC', fits: at('03:00', '09:00', '15:00', '21:00') },
  'ai-writing/weekly-restoration-test': { written: { does: 'drill', at: ['05:00'], on: 'sunday' }, zone: 'UTC', fits: all(at('05:00'), ({ weekday }) => weekday === 'Sun') },
  'ai-writing/monthly-simulation': { written: { does: 'drill', at: ['06:00'], on: 'first monday of the month' }, zone: 'UTC', fits: all(at('06:00'), firstMonday) },
  'ai-writing/full-dr-test': { written: { does: 'drill', at: ['10:00'], on: 'first monday of the quarter' }, zone: 'UTC', fits: all(at('10:00'), firstMonday, ({ month }) => quarter.includes(month)) },
  'yseeku/hourly': { written: { does: 'incremental', cron: '15 * * * *' }, zone: 'UTC', fits: ({ time }) => time.endsWith(':15') },
  'yseeku/hourly-as-an-interval': { written: { does: 'incremental', every: '1h', offset: '15m' }, zone: 'UTC', fits: ({ time }) => time.endsWith(':15') },
  'yseeku/full': { written: { does: 'backup', cron: '0 3 * * *' }, zone: 'UTC', fits: at('03:00') },
  'yseeku/snapshots': { written: { does: 'backup', every: '6h', offset: '3h' }, zone: 'UTC', fits: at('03:00', '09:00', '15:00', '21:00') },
  'yseeku/weekly-restore-test': { written: { does: 'drill', at: ['04:00'], on: 'sunday', zone: 'America/New_York' }, zone: 'America/New_York', fits: all(at('04:00'), ({ weekday }) => weekday === 'Sun') },
  'corporate-intel/daily': { written: { does: 'backup', at: ['02:00'], zone: 'America/New_York' }, zone: 'America/New_York', fits: at('02:00') },
  'corporate-intel/weekly': { written: { does: 'backup', at: ['03:00'], on: 'sunday', zone: 'America/New_York' }, zone: 'America/New_York', fits: all(at('03:00'), ({ weekday }) => weekday === 'Sun') },
  'corporate-intel/monthly': { written: { does: 'backup', at: ['04:00'], on: 'day 1 of the month', zone: 'America/New_York' }, zone: 'America/New_York', fits: all(at('04:00'), ({ day }) => day === 1) },
  'corporate-intel/minio': { written: { does: 'backup', at: ['01:00'], zone: 'America/New_York' }, zone: 'America/New_York', fits: at('01:00') },
  'corporate-intel/verification': { written: { does: 'verification', every: '6h' }, zone: 'UTC', fits: at('00:00', '06:00', '12:00', '18:00') },
  'corporate-intel/health': { written: { does: 'incremental', every: '1h' }, zone: 'UTC', fits: ({ time }) => time.endsWith(':00') },
  'muslim-companion/daily': { written: { does: 'backup', at: ['02:00'] }, zone: 'UTC', fits: at('02:00') },
  'muslim-companion/cleanup': { written: { does: 'retention', at: ['03:00'], on: 'monday' }, zone: 'UTC', fits: all(at('03:00'), ({ weekday }) => weekday === 'Mon') },
  'muslim-companion/report': { written: { does: 'report', with: { period: 'week' }, at: ['09:00'], on: 'monday', zone: 'Europe/London' }, zone: 'Europe/London', fits: all(at('09:00'), ({ weekday }) => weekday === 'Mon') },
  'muslim-companion/drill': { written: { does: 'drill', with: { ago: '30d' }, at: ['10:00'], on: 'first monday of the quarter', zone: 'Europe/London' }, zone: 'Europe/London', fits: all(at('10:00'), firstMonday, ({ month }) => quarter.includes(month)) },
  'accubooks/daily': { written: { does: 'backup', every: '24h' }, zone: 'UTC', fits: at('00:00') },
  'accubooks/weekly-verification': { written: { does: 'verification', with: { scope: 'all' }, at: ['02:30'], on: 'saturday, sunday', zone: 'Europe/Berlin' }, zone: 'Europe/Berlin', fits: all(at('02:30'), ({ weekday }) => weekday === 'Sat' || weekday === 'Sun') },
  'accubooks/monthly-restore-test': { written: { does: 'drill', at: ['04:00'], on: 'day 15 of the month' }, zone: 'UTC', fits: all(at('04:00'), ({ day }) => day === 15) },
  'accubooks/keys': { written: { does: 'verification', with: { scope: 'keys' }, at: ['09:00'], on: 'day 1 of the quarter' }, zone: 'UTC', fits: all(at('09:00'), ({ day, month }) => day === 1 && quarter.includes(month)) },
  'accubooks/policy-review': { written: { does: 'report', with: { period: 'week' }, at: ['09:00'], on: 'day 1 of the year' }, zone: 'UTC', fits: all(at('09:00'), ({ day, month }) => day === 1 && month === 1) },
};

/** Over the changes of both halves of the year in America and Europe, and a whole year's quarters. */
const from = Date.parse('2026-12-20T00:00:00Z');
const to = Date.parse('2028-01-10T00:00:00Z');
const quarterOfAnHour = 900_000;

const walls = new Map<string, (Wall & { ms: number; date: string })[]>();

/** What the clock on the wall shows, every quarter of an hour. */
function wallsOf(zone: string): (Wall & { ms: number; date: string })[] {
  const known = walls.get(zone);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', month: 'numeric', day: 'numeric', weekday: 'short', hour: '2-digit', minute: '2-digit', year: 'numeric' });
  const shown: (Wall & { ms: number; date: string })[] = [];
  for (let ms = from; ms <= to; ms += quarterOfAnHour) {
    const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    shown.push({ ms, month: Number(part['month']), day: Number(part['day']), weekday: part['weekday']!, time: `${part['hour']}:${part['minute']}`, date: `${part['year']}-${part['month']}-${part['day']}` });
  }
  walls.set(zone, shown);
  return shown;
}

/** The moments at which the wall clock fits, found by looking at each. Two stand together where the clock shows the same time twice, as it is put back. */
function expected(zone: string, fits: (wall: Wall) => boolean): string[][] {
  const byWall = new Map<string, string[]>();
  for (const wall of wallsOf(zone).filter(fits)) {
    const key = `${wall.date} ${wall.time}`;
    byWall.set(key, [...(byWall.get(key) ?? []), new Date(wall.ms).toISOString()]);
  }
  return [...byWall.values()];
}

async function matching(client: Client, scheduleId: string): Promise<string[]> {
  const times: string[] = [];
  // The server answers a thousand at most.
  for (let start = from; start <= to; start += 30 * 86_400_000) {
    const end = Math.min(to, start + 30 * 86_400_000);
    // The server leaves the first moment of a span out.
    const [startTime, endTime] = [start - 1_000, end].map((ms) => ({ seconds: Math.floor(ms / 1_000) as never }));
    const answer = await client.workflowService.listScheduleMatchingTimes({ namespace: 'default', scheduleId, startTime, endTime });
    times.push(...(answer.startTime ?? []).map(({ seconds }) => new Date(Number(seconds) * 1_000).toISOString()));
  }
  return [...new Set(times)].sort();
}

test('each schedule of the five handbooks starts what it says, of the age that it says, at its moments and no others, over the changes of daylight saving: the real server’s and those of a calendar that knows nothing of us', async (t) => {
  const { client } = await startTemporalServer(t);
  for (const [id, { written, zone, fits }] of Object.entries(handbooks)) {
    const [system, name] = id.split('/') as [string, string];
    const [desired] = desiredSchedules({ system, schedules: { [name]: scheduleSchema.parse({ ...written, paused: 'only to be looked at' }) } });
    await client.schedule.create(toOptions(desired!, system));
    const { workflow, workflowId, input } = fromDescription(await client.schedule.getHandle(id).describe());
    const [starts, kind, takes] = started[written.does];
    assert.deepEqual([workflow, workflowId], [starts, `${kind}/${id}`]);
    assert.deepEqual(takes.safeParse(input).error?.issues, undefined, `${id}: what it starts takes what it is given`);
    for (const [field, value] of Object.entries(written.with ?? {})) assert.equal((input as Record<string, unknown>)[field], value, `${id}: ${field} goes along`);
    const wanted = expected(zone, fits);
    assert.ok(wanted.length > 0, id);
    const found = new Set(await matching(client, id));
    // The server takes a time that comes twice once or twice, by the zone.
    const taken = wanted.map((moments) => moments.filter((moment) => found.has(moment)));
    assert.deepEqual(taken.filter((moments) => moments.length === 0), [], `${id}: never left out`);
    assert.deepEqual([...found], taken.flat(), `${id}: never at another moment`);
  }
  const drills = (await matching(client, 'muslim-companion/drill')).slice(0, 4);
  assert.deepEqual(drills, ['2027-01-04T10:00:00.000Z', '2027-04-05T09:00:00.000Z', '2027-07-05T09:00:00.000Z', '2027-10-04T09:00:00.000Z'], 'summer time in London from April to October');
  assert.ok(!(await matching(client, 'corporate-intel/daily')).some((moment) => moment.startsWith('2027-03-14')), 'there is no 02:00 in New York on the day that the clock is put forward: docs/schedules.md says so, and apply warns of it');
});
