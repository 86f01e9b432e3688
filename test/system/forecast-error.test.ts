import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { createActivities } from '../../activities/index.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { median } from '../../workflows/domain/median.ts';
import { postgresMissing } from '../harness/postgres.ts';
import { database, pgRef, postgresPlace } from '../harness/postgres-place.ts';
import { openRealLab, until, type Lab } from '../workflows/lab.ts';

/**
 * How far the forecast is off, on real parts: the drill that accubooks ships (restore-test), of a PostgreSQL database of some MiB. `npm run bench -- forecast` measures it at a size
 * that is worth a figure, on the demo's whole system.
 */
const skip = (await postgresMissing()) || goFirst();
const shipped = parse(readFileSync(join(import.meta.dirname, '../../systems/accubooks.yaml'), 'utf8')) as SystemFile;
const drills = 5;
/** Some 4 MiB. */
const rows = 20_000;
/** In %, at the median. The bench holds 20 % at its size; of a drill of 2 s, what the machine does beside it is more (7 to 20 % were seen). */
const most = 40;

/**
 * What was learned on a quiet machine says nothing of a busy one, and beside other tests the same drill takes 2 s or 8. So this goes before everything else on the machine, with all that it starts, as a
 * recovery is meant to. @returns why not, where it may not
 */
function goFirst(): string | false {
  try {
    setPriority(-15);
    return false;
  } catch (error) {
    return `may not go before the tests beside it (${(error as Error).message}): a forecast’s error would be theirs`;
  }
}

interface Drill {
  tookMs: number;
  /** in % of what it took: above 0, it took less than was said once the recovery point was chosen */
  off: number;
}

const isOver = (steps: RunReport['state']['steps'], step: string): boolean => steps.some(({ id, state }) => id === step && state === 'done');

async function drill(lab: Lab, name: string): Promise<Drill> {
  const begunMs = Date.now();
  const entry = await lab.start('recoverSystem', { system: pgRef.system, purpose: 'drill', requestedBy: 'dana' }, `entry/${name}`);
  // Until it has begun, the run that is found is the drill before.
  const chosen = await until(lab.run(pgRef.system), ({ incidentAt, steps, forecastMs }) => Date.parse(incidentAt) >= begunMs && isOver(steps, 'find-recovery-point') && forecastMs !== null);
  assert.ok(!isOver(chosen.steps, 'restore'), 'it is a forecast still');
  const { outcome, state } = (await entry.result()) as RunReport;
  assert.equal(outcome, 'done');
  const tookMs = Math.max(...state.steps.map(({ endedAt }) => Date.parse(endedAt!))) - Date.parse(state.incidentAt);
  return { tookMs, off: ((chosen.forecastMs! - tookMs) / tookMs) * 100 };
}

test('the forecast of a drill, once its recovery point is chosen, is off by 40 % at most at the median of five, where one of its size has been seen; and again at twice the data', { skip, timeout: 240_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true });
  place.change((file) => (file.runbook = shipped.runbooks!['restore-test']!));
  const { control, data, archive, recover } = createActivities({ owner: 'test', reportsDirectory: join(place.directory, 'reports'), temporalUiUrl: null });
  const lab = await openRealLab(t, { ...control, ...data, ...archive, ...recover });
  await place.source.query('CREATE TABLE entries (id int PRIMARY KEY, account int, note text)', [], database);
  const grow = async (size: string, from: number): Promise<void> => {
    await place.source.query(`INSERT INTO entries SELECT i, i % 1000, repeat(md5(i::text), 6) FROM generate_series(${from + 1}, ${from + rows}) AS i`, [], database);
    await (await lab.start('backUpSystem', { system: pgRef.system }, `entry/base of ${size}`)).result();
  };
  const measure = async (size: string): Promise<{ off: number; each: string }> => {
    const taken: Drill[] = [];
    for (let n = 1; n <= drills; n += 1) taken.push(await drill(lab, `${size} ${n}`));
    const each = taken.map(({ tookMs, off }) => `${(tookMs / 1000).toFixed(1)} s, off by ${off.toFixed(0)} %`).join('; ');
    return { off: median(taken.map(({ off }) => Math.abs(off))), each };
  };
  await grow('the size', 0);
  await drill(lab, 'to learn from');
  const same = await measure('the size');
  await grow('twice the size', rows);
  const twice = await measure('twice the size');
  for (const [size, { off, each }] of Object.entries({ same, twice })) assert.ok(off <= most, `${size}: off by ${off.toFixed(1)} % at the median: ${each}`);
});
