import { setTimeout as sleep } from 'node:timers/promises';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { RunStatusView } from '../../scripts/status/read-run.ts';
import type { Owner } from '../harness/cleanup.ts';
import { until } from '../harness/until.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';
import type { Figure } from './figures.ts';
import { percentile } from './race.ts';

/**
 * How far the forecast is off, on the demo's system with all its real parts: one drill to learn from, then five, then five of twice the data and log.
 *
 * What is compared is the machine's time from the start to where the switch would be, as it was forecast once the recovery point was chosen (the first moment at
 * which the size is known) and at each tenth of the time, with what it then took.
 */
const bench = 'forecast';
const tenths = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] as const;

interface Drill {
  tookMs: number;
  /** forecasts, off by, in % of what it took; above 0: it took less */
  atStart: number;
  atTenths: number[];
  basis: string;
}

interface Sample {
  atMs: number;
  forecastMs: number;
  basis: string;
  isChosen: boolean;
}

const isOver = (state: RunState, step: string): boolean => state.steps.some(({ id, state: is }) => id === step && (is === 'done' || is === 'skipped'));

async function drill(stack: SystemStack): Promise<Drill> {
  const begunMs = Date.now();
  const entry = await stack.start('recoverSystem', { system: 'demo', purpose: 'drill', requestedBy: 'dana', reason: 'bench' });
  const samples: Sample[] = [];
  // Until it has begun, the run that is found is the drill before.
  await until('the drill begins', async () => Date.parse(((await stack.run()) as RunStatusView | undefined)?.state.incidentAt ?? '') >= begunMs);
  for (;;) {
    const { state } = await stack.run();
    if (state.status === 'paused' || state.status === 'aborted') throw new Error(`the drill stopped: ${JSON.stringify(state.steps.filter(({ error }) => error))}`);
    if (state.forecastMs !== null) samples.push({ atMs: Date.now() - Date.parse(state.incidentAt), forecastMs: state.forecastMs, basis: state.forecastBasis!, isChosen: isOver(state, 'find-recovery-point') });
    if (state.gates.some(({ status }) => status === 'open')) await stack.runHandle.executeUpdate('approve', { args: [{ by: 'erik' }] });
    if (isOver(state, 'switch-traffic')) break;
    await sleep(100);
  }
  const report = (await entry.result()) as { state: RunState };
  const reached = report.state.steps.find(({ uses }) => uses === 'switch')!;
  const tookMs = Date.parse(reached.endedAt!) - Date.parse(report.state.incidentAt) - report.state.humanMs;
  const off = ({ forecastMs }: Sample): number => ((forecastMs - tookMs) / tookMs) * 100;
  const first = samples.find(({ isChosen }) => isChosen)!;
  const at = (share: number): Sample => samples.findLast(({ atMs }) => atMs <= share * tookMs) ?? samples[0]!;
  return { tookMs, atStart: off(first), atTenths: tenths.map((share) => off(at(share))), basis: first.basis };
}

/** Data in collections of its own, a new base of all, and a log behind it. */
async function grow(stack: SystemStack, entries: number): Promise<void> {
  await (await stack.start('backUpSystem', { system: 'demo', why: 'bench' })).result();
  await stack.withApp(async (db) => {
    const notes = db.collection<{ n: number; text: string }>('notes');
    for (let at = 0; at < entries; at += 1_000) await notes.insertMany(Array.from({ length: 1_000 }, (_, i) => ({ n: at + i, text: `note ${at + i} `.repeat(20) })), { writeConcern: { w: 1 } });
  });
  await stack.archiveIsUpToDate();
}

export async function measureForecast(owner: Owner, { quick, say }: { quick: boolean; say(line: string): void }): Promise<Figure[]> {
  const [mibEach, entries, drills] = quick ? [2, 2_000, 1] : [32, 30_000, 5];
  const stack = await SystemStack.start(owner);
  await fillDictionary(stack, mibEach, 100_400);
  await stack.startWorker();
  await (await stack.start('archiveLog', 'demo')).result();
  await grow(stack, entries);
  const figures: Figure[] = [];
  const measure = async (of: string): Promise<void> => {
    const taken: Drill[] = [];
    for (let n = 0; n < drills; n += 1) {
      const done = await drill(stack);
      taken.push(done);
      say(`  ${of} ${n + 1}: took ${(done.tookMs / 1000).toFixed(1)} s, forecast off by ${done.atStart.toFixed(0)} % once the point is chosen, at each tenth ${done.atTenths.map((off) => off.toFixed(0)).join(', ')}; ${done.basis}`);
    }
    const errors = (offs: readonly number[]): number => percentile(offs.map(Math.abs).sort((a, b) => a - b), 0.5);
    const each = (offs: readonly number[]): string => offs.map((off) => `${off.toFixed(0)} %`).join(', ');
    figures.push(
      { bench, of: `${of}: median error of ${drills} drills, once the point is chosen`, value: errors(taken.map(({ atStart }) => atStart)), unit: '%', note: `each: ${each(taken.map(({ atStart }) => atStart))} (above 0: it took less); target at most 20 %` },
      { bench, of: `${of}: median error, at any tenth of the way`, value: errors(taken.flatMap(({ atTenths }) => atTenths)), unit: '%', note: `by tenth: ${each(tenths.map((_share, n) => errors(taken.map(({ atTenths }) => atTenths[n]!))))}` },
      { bench, of: `${of}: median time to the switch`, value: percentile(taken.map(({ tookMs }) => tookMs).sort((a, b) => a - b), 0.5), unit: 'ms', note: `each: ${taken.map(({ tookMs }) => `${(tookMs / 1000).toFixed(1)} s`).join(', ')}` },
    );
  };
  const first = await drill(stack);
  say(`  to learn from: took ${(first.tookMs / 1000).toFixed(1)} s`);
  await measure('same size');
  await stack.withApp(async (db) => {
    for (const name of ['senses', 'words']) {
      await db.collection(name).aggregate([{ $out: `${name}-twice` }]).toArray();
      await db.collection(`${name}-twice`).createIndexes([{ key: { lemma: 1 }, unique: true }, { key: { weight: -1 } }]);
    }
  });
  await grow(stack, 2 * entries);
  await measure('twice the data and log');
  return figures;
}
