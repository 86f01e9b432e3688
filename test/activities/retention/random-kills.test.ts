import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SourceContext } from '../../../activities/context.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { expire } from '../../../activities/retention/expire.ts';
import { makeRetentionPlan, planForRun } from '../../../activities/retention/make-plan.ts';
import { readBaseList } from '../../../activities/store/base-list.ts';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { writeHold } from '../../../activities/store/holds.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { writeMark } from '../../../activities/store/marks.ts';
import { findMissingBases, renewBaseList } from '../../../activities/store/missing-bases.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import type { Store } from '../../../activities/store/store.ts';
import { verifyRecoveryPoint } from '../../../activities/store/verify.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../../workflows/domain/find-recovery-point.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import type { Catalog, RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import { rulesSchema } from '../../../workflows/domain/retention/rules.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { at, randomOf } from '../../harness/catalogs.ts';
import { newKeys } from '../../harness/keys.ts';
import { contextOf, of, scope, startFirstTimeline, writeBackup, writeGap, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

/**
 * Random sources in a real store, of random ages, with gaps, holds and marks, and random rules: retention is killed at any call to the store, before it or after it, once or
 * several times, and runs again. As `random-stores.test.ts` does for the plan alone.
 */
const seeds = Number(process.env['HOLDFAST_SEED']) ? [Number(process.env['HOLDFAST_SEED'])] : [1, 2, 3, 4];

/** Dies at its nth call, and is dead from then on; `after`: the call itself was still done. */
function dying(store: Store, nth: number, after: boolean): Store {
  let calls = 0;
  const killed = new HoldfastError('StoreUnavailable', 'killed');
  return new Proxy(store, {
    get(target, name) {
      const call = target[name as keyof Store];
      if (typeof call !== 'function') return call;
      return (...given: unknown[]): unknown => {
        calls += 1;
        const act = (): unknown => (call as (...args: unknown[]) => unknown).apply(target, given);
        if (calls < nth) return act();
        if (name === 'list') return (async function* () { throw killed; yield* []; })();
        if (calls > nth || !after) return Promise.reject(killed);
        return Promise.resolve(act()).then(() => Promise.reject(killed));
      };
    },
  });
}

async function world(t: TestContext, seed: number) {
  const random = randomOf(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const keys = await newKeys();
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  const age = async (prefix: string, ageHours: number): Promise<void> => {
    const when = new Date(Date.now() - hours(ageHours));
    for (const { key, versionId } of await collect(store, prefix)) await utimes(join(path, 'p', `${encodeKey(key)}@`, versionId), when, when);
  };
  const ageOf = (position: number): number => (200 - position) * 5;
  let position = 5;
  while (position < 150) {
    const next = position + 4 + below(16);
    if (random() < 0.12) await writeGap(store, keys, position, next);
    else await writeSlices(store, keys, [position, next]);
    await age(layout.slice(scope, at(position), at(next)), ageOf(next));
    position = next;
  }
  for (let end = 12 + below(10); end < position - 6; end += 8 + below(24)) {
    await writeBackup(store, keys, end, random() < 0.3 ? { start: end - 2, logFrom: end - 4 } : {});
    await age(layout.manifest({ ...scope, backup: `b${end}` }), ageOf(end));
  }
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const rules = rulesSchema.parse({ daily: pick([undefined, '7d', 3]), weekly: pick([undefined, '28d']), log: pick([undefined, '24h', '10d']), atLeast: 1 + below(2), atMost: pick([undefined, '25KiB']) });
  const context = (from: Store = store): SourceContext => ({ ...contextOf(store, keys), store: from, system: { system: of.system, stores: [], retention: { wait: 0, sources: { [of.source]: rules } } } as unknown as System });
  const catalog = () => rebuildCatalog({ store, keys }, of);
  return { random, below, pick, store, keys, context, catalog };
}

function limit(catalog: Catalog, target: RecoveryTarget): string {
  try {
    return findRecoveryPoint(catalog, target, { now: new Date().toISOString() }).limit;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return error.type;
  }
}

test('whatever lies in a real store, and whichever call retention dies at: what a kept base, a held chain or the latest point needs is there, and the next run ends it', { timeout: 300_000 }, async (t) => {
  let kills = 0;
  let gone = 0;
  for (const seed of seeds) {
    const { random, below, pick, store, keys, context, catalog } = await world(t, seed);
    const held = pick((await catalog()).bases);
    const heldPoint = findRecoveryPoint(await catalog(), { point: held.backup }, { now: new Date().toISOString() });
    if (random() < 0.5) await writeHold(store, keys, 'run-9', heldPoint, 'run run-9 reads it');
    else await writeMark({ store, keys }, { ...of, point: held.backup, state: 'hold', reason: 'a court asks for it', by: 'dana', id: '1' });
    const before = await catalog();
    await renewBaseList({ store, keys }, before);
    const { plan: ref } = await planForRun(context(), { run: 'run-1', limit: 500 });
    const { plan } = await makeRetentionPlan(context());
    const kept = plan.bases.filter(({ goes }) => !goes).map(({ backup }) => backup);
    assert.ok(kept.includes(held.backup), `HOLDFAST_SEED=${seed}: ${held.backup} is held`);
    const points = (from: Catalog): Record<string, string> => ({ latest: limit(from, {}), ...Object.fromEntries(kept.map((backup) => [backup, limit(from, { point: backup })])) });
    const check = async (when: string): Promise<void> => {
      assert.deepEqual(points(await catalog()), points(before), `HOLDFAST_SEED=${seed} ${when}: all that stays is restored as before`);
      assert.deepEqual(await findMissingBases({ store, keys }, await catalog()), [], `HOLDFAST_SEED=${seed} ${when}: no verification takes retention for an outsider`);
    };
    for (let n = 0; n < 3; n += 1) {
      const nth = 1 + below(n === 0 ? 40 : 160);
      const outcome = await expire(context(dying(store, nth, random() < 0.5)), { plan: ref!, run: 'run-1', backupRuns: false }).then(() => 'done', (error: unknown) => error);
      if (outcome !== 'done') {
        assert.ok(outcome instanceof HoldfastError && outcome.message === 'killed', String(outcome));
        kills += 1;
      }
      await check(`killed at call ${nth}`);
      for (const { backup } of (await catalog()).bases.filter((one) => !kept.includes(one.backup))) {
        assert.deepEqual((await verifyRecoveryPoint(context(), { backup, scope: 'base' }, { verifySlice })).problems, [], `HOLDFAST_SEED=${seed} killed at call ${nth}: as long as ${backup} is seen it is whole`);
      }
    }
    const next = await planForRun(context(), { run: 'run-2', limit: 500 });
    assert.deepEqual((await expire(context(), { plan: next.plan!, run: 'run-2', backupRuns: false })).left, []);
    await check('at the end');
    const after = await catalog();
    assert.deepEqual(after.bases.map(({ backup }) => backup), before.bases.map(({ backup }) => backup).filter((backup) => kept.includes(backup)), `HOLDFAST_SEED=${seed}`);
    assert.deepEqual((await readBaseList({ store, keys }, of)).list!.bases.map(({ backup }) => backup).sort(), [...kept].sort(), `HOLDFAST_SEED=${seed}: what is gone is on no list`);
    const folders = new Set((await collect(store, layout.backups(scope))).map(({ key }) => key.slice(layout.backups(scope).length).split('/')[0]!));
    assert.deepEqual([...folders].sort(), [...kept].sort(), `HOLDFAST_SEED=${seed}: nothing is left of what is gone`);
    for (const backup of kept) {
      const { problems } = await verifyRecoveryPoint(context(), { backup, scope: 'base' }, { verifySlice });
      assert.deepEqual(problems, [], `HOLDFAST_SEED=${seed}: every byte of ${backup}`);
    }
    const rest = await makeRetentionPlan(context());
    assert.deepEqual([rest.plan.bases.filter(({ goes }) => goes), rest.log.filter(({ goes }) => goes)], [[], []], `HOLDFAST_SEED=${seed}: nothing is left to do`);
    gone += before.bases.length - after.bases.length;
  }
  if (seeds.length > 1) assert.ok(kills > 5 && gone > 3, `too little happened: ${kills} kills, ${gone} bases are gone`);
});
