import assert from 'node:assert/strict';
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { cp, readFile, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { planPoint } from '../../../activities/plan/plan-recovery.ts';
import { noteBase } from '../../../activities/store/base-list.ts';
import { findCheckedPoint } from '../../../activities/store/find-checked-point.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import type { Store } from '../../../activities/store/store.ts';
import { verifyKept } from '../../../activities/store/verify-kept.ts';
import { verifyRecoveryPoint } from '../../../activities/store/verify.ts';
import { archiveKeyContext, sliceContext } from '../../../activities/stream/contexts.ts';
import type { Keys } from '../../../activities/stream/keys.ts';
import { seal } from '../../../activities/stream/sealed.ts';
import type { VerifyResult } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, parseRangeKey } from '../../../workflows/domain/layout.ts';
import { logPositionAt, nextLogPosition, previousLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { hours } from '../../../workflows/domain/units.ts';
import type { CheckedPoint } from '../../../workflows/domain/point-check.ts';
import type { Finding } from '../../../workflows/domain/recovery-plan.ts';
import type { RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import { at } from '../../harness/catalogs.ts';
import type { Owner } from '../../harness/cleanup.ts';
import { current, kinds, siblings, writeWorld, type Kind, type WorldObject } from '../../harness/hostile-world.ts';
import { newKeys } from '../../harness/keys.ts';
import { startObjectStore } from '../../harness/object-store.ts';
import { rewriteFile } from '../../harness/rewrite-file.ts';
import { sampleName, sampleOf, sampleSeed } from '../../harness/sample.ts';
import { StoreProxy } from '../../harness/store-proxy.ts';
import { contextOf, entryAt, of, writeBackup } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { until } from '../../harness/until.ts';

/**
 * Every kind of object × every kind of damage: what `verify` says without a restore, and what a recovery's check says before it
 * touches anything. The world (test/harness/hostile-world.ts) is written once; each cell has a copy of it, or takes its damage back.
 *
 * `npm test` takes a sample of the cells, in which each kind of object and each damage is, and everything that is planted at least in a directory: test/harness/sample.ts.
 */
type World = Awaited<ReturnType<typeof writeWorld>>;

/** A store whose bytes can be changed behind its back. */
interface Hostile {
  store: Store;
  keys: Keys;
  world: World;
  /** the version answers with other bytes */
  alter(object: WorldObject, how: (bytes: Buffer) => Buffer | Promise<Buffer>): Promise<void>;
  /** the version is gone */
  remove(object: WorldObject): Promise<void>;
  /** listed, and not there */
  vanish?(object: WorldObject): Promise<void>;
  /** a delete marker; left out: this store has none */
  mark?(key: string): Promise<void>;
  bytesOf(object: WorldObject): Promise<Buffer>;
  /** takes back what was altered, removed and put */
  heal(): Promise<void>;
}

/**
 * `refused`: named, and the nearest good points offered. `other base`: the older base reaches the same moment, and what is passed over is
 * named. `harmless`: the same point, also where something is named. `command`: not a matter of recovery points: whoever claims the command is told.
 */
type Outcome = 'refused' | 'other base' | 'harmless';
interface Expected {
  verify: 'named' | 'silent';
  recover: Outcome;
  /** where the object that is named lies, when it is not the kind's own */
  key?: string;
  why?: string;
  /** what is said by whoever reads all that is kept; left out: the same */
  kept?: 'named' | 'silent';
  /** refused also where there is no time to read any of it */
  unread?: true;
}

/** What an object of each kind is worth, once its bytes are not what they were. */
const spoiled: Record<Kind, Expected> = {
  'newest timeline': { verify: 'named', recover: 'refused' },
  'older timeline': { verify: 'named', recover: 'harmless', why: 'the latest does not need it' },
  'newest manifest': { verify: 'named', recover: 'other base' },
  plan: { verify: 'named', kept: 'silent', recover: 'harmless', why: 'the manifest is there, so the dump is over' },
  'backup key': { verify: 'named', recover: 'other base' },
  'group index': { verify: 'named', recover: 'other base' },
  part: { verify: 'named', recover: 'other base' },
  'archive key': { verify: 'named', recover: 'refused', key: 'slices/' },
  'first slice': { verify: 'named', recover: 'refused' },
  'middle slice': { verify: 'named', recover: 'refused' },
  'last slice': { verify: 'named', recover: 'refused' },
  'slice before the newest base': { verify: 'silent', kept: 'named', recover: 'harmless', why: 'the newest base does not need it' },
  head: { verify: 'named', recover: 'harmless', why: 'the slice that it names is there' },
  gap: { verify: 'named', recover: 'harmless', why: 'the hole in the listing says the same' },
  epoch: { verify: 'named', kept: 'silent', recover: 'harmless', why: 'it says who commands, not what can be restored' },
  hold: { verify: 'named', kept: 'silent', recover: 'harmless', why: 'it holds nothing any more' },
  report: { verify: 'silent', recover: 'harmless', why: 'nothing is chosen by it' },
  'base list': { verify: 'named', recover: 'harmless', why: 'it says what should be there, not what can be restored' },
};

/** Gone without a trace: what nothing else points at is not missed. */
const gone: Partial<Record<Kind, Expected>> = {
  'older timeline': { verify: 'named', recover: 'harmless', why: 'its objects say that it was there; the latest does not need it' },
  'newest manifest': { verify: 'named', recover: 'other base', why: 'the list of bases says that it was sealed' },
  'base list': { verify: 'silent', recover: 'harmless', why: 'the one before it counts, and what it lacks is there' },
  plan: { verify: 'silent', recover: 'harmless', why: 'it has done its work' },
  'first slice': { verify: 'named', recover: 'refused', key: 'slices/' },
  'middle slice': { verify: 'named', recover: 'refused' },
  head: { verify: 'silent', recover: 'harmless', why: 'the slices are there' },
  gap: { verify: 'silent', kept: 'named', key: 'slices/', recover: 'harmless', why: 'the hole in the listing says the same' },
  epoch: { verify: 'silent', recover: 'harmless', why: 'it says who commands, not what can be restored' },
  hold: { verify: 'silent', recover: 'harmless', why: 'holds are released' },
};

/** @param at - which byte: by the seed, its bit too, so that every run meets another; or the first, or the last. */
function flip(bytes: Buffer, at: 'first' | 'last' | 'any' = 'any'): Buffer {
  const other = Buffer.from(bytes);
  const chosen = at === 'any' ? sampleSeed % bytes.length : at === 'first' ? 0 : bytes.length - 1;
  other[chosen]! ^= 1 << (at === 'any' ? sampleSeed % 8 : 0);
  return other;
}

interface Cell {
  name: string;
  act(hostile: Hostile): Promise<void>;
  expected: Expected;
  key(world: World): string;
}

/** Of an archive key what opens it: the words beside it are authenticated by its cipher, and are not read where that opens. */
const flipOf = (kind: Kind) => (bytes: Buffer): Buffer => {
  if (kind !== 'archive key') return flip(bytes);
  const from = bytes.indexOf('"wrapped":"') + '"wrapped":"'.length;
  // Without its last letters, whose bits may stand for nothing.
  const to = bytes.indexOf('"', from) - 4;
  return Buffer.concat([bytes.subarray(0, from), flip(bytes.subarray(from, to)), bytes.subarray(to)]);
};

/** Damage to one object, of each kind. */
function cellsOf(kind: Kind): Cell[] {
  const key = (world: World): string => world[kind].key;
  const alter = (name: string, how: (bytes: Buffer, hostile: Hostile) => Buffer | Promise<Buffer>): Cell =>
    ({ name, key, expected: spoiled[kind], act: async (hostile) => await hostile.alter(hostile.world[kind], (bytes) => how(bytes, hostile)) });
  const harmless: Expected = { verify: 'silent', recover: 'harmless', why: 'the version that was there first counts' };
  const sibling = siblings[kind];
  return [
    alter('a flipped bit', flipOf(kind)),
    alter('a flipped bit in the first byte', (bytes) => flip(bytes, 'first')),
    alter('a flipped bit in the last byte', (bytes) => flip(bytes, 'last')),
    alter('cut in half', (bytes) => bytes.subarray(0, bytes.length >> 1)),
    alter('a byte appended', (bytes) => Buffer.concat([bytes, Buffer.from('x')])),
    ...(sibling ? [alter(`swapped with the ${sibling}`, async (_, { world, bytesOf }) => await bytesOf(world[sibling]))] : []),
    { name: 'gone', key, expected: gone[kind] ?? spoiled[kind], act: async (hostile) => await hostile.remove(hostile.world[kind]) },
    {
      name: 'a newer version over it', key,
      // Every version of a hold holds; a key is tried in all its versions.
      expected: kind === 'hold' ? spoiled.hold : harmless,
      act: async ({ store, world }) => void (await store.put(world[kind].key, Buffer.from('somebody else'))),
    },
    { name: 'a delete marker over it', key, expected: harmless, act: async ({ mark, world }) => await mark?.(world[kind].key) },
  ];
}

const slice = (from: number, to: number, scope = current): string => layout.slice(scope, at(from), at(to));

const newer = '01ZZZZZZZZZZZZZZZZZZZZZZZZ';

/** The newest slices, or the newest base, are gone, all versions, and nothing that touches them is left. */
const endsThatAreGone: Cell[] = [
  planting('the manifest of a base that no log reaches is gone', `backups/${newer}`, { verify: 'named', recover: 'refused' }, async ({ store, keys, remove }) => {
    const { ref } = await writeBackup(store, keys, 120, { timeline: current.timeline, backup: newer });
    await noteBase({ store, keys }, { ...current, backup: newer });
    await remove(ref);
  }),
  planting('the three newest slices are gone without a trace', slice(95, 100), { verify: 'named', recover: 'refused' }, async (hostile) => await removeSlices(hostile, 85)),
  planting('all slices of the timeline are gone', slice(95, 100), { verify: 'named', recover: 'refused' }, async (hostile) => await removeSlices(hostile, 0)),
  planting('the newest slice and its head are gone', '', { verify: 'silent', recover: 'harmless', why: 'nothing is left that knows of it: the plan shows how old the end is' }, async (hostile) => {
    await hostile.remove(hostile.world['last slice']);
    await hostile.remove(hostile.world.head);
  }),
  planting('the newest slice is gone and its head is damaged', 'heads/', { verify: 'named', recover: 'refused' }, async (hostile) => {
    await hostile.remove(hostile.world['last slice']);
    await hostile.alter(hostile.world.head, (bytes) => flip(bytes));
  }),
];

async function removeSlices({ store, remove }: Hostile, from: number): Promise<void> {
  for await (const { key, versionId } of store.list(layout.slices(current))) {
    if (parseRangeKey(key)!.from >= at(from)) await remove({ key, versionId });
  }
}

const foreign = { ...current, system: 'other' };

/** Names that fill a hole in the middle, so that the log seems unbroken by its listing. */
const overHoles: Cell[] = [
  planting('two slices in the middle are gone, and one forged name leads over the hole', slice(85, 95), { verify: 'named', recover: 'refused', unread: true }, async (hostile) => {
    await removeMiddle(hostile);
    await hostile.store.put(slice(85, 95), Buffer.from('forged'));
  }),
  planting('two forged names lead over the hole, one sealed for another system', 'slices/', { verify: 'named', recover: 'refused', unread: true }, async (hostile) => {
    const { store, keys } = hostile;
    await removeMiddle(hostile);
    await store.put(slice(85, 92), await sealedSlice(store, keys, foreign, 85, 92));
    await store.put(slice(92, 95), Buffer.from('forged'));
  }),
  planting('slices of ours that somebody put again, later, under names of the same log', '', { verify: 'silent', recover: 'harmless', why: 'they open, whenever they were put' }, async (hostile) => {
    const { store, keys } = hostile;
    await removeMiddle(hostile);
    await store.put(slice(85, 95), await sealedSlice(store, keys, current, 85, 95));
  }),
];

/** The slices from 85 to 95, and the store's clock has gone on since what follows them was put. */
async function removeMiddle({ store, remove }: Hostile): Promise<void> {
  let newestAt = '';
  for await (const { key, versionId, modifiedAt } of store.list(layout.slices(current))) {
    const { from, to } = parseRangeKey(key)!;
    if (modifiedAt > newestAt) newestAt = modifiedAt;
    if (from >= at(85) && to <= at(95)) await remove({ key, versionId });
  }
  await until('the store’s clock goes on', async () => {
    await store.put('other/clock', Buffer.from('tick'));
    for await (const { isLatest, modifiedAt } of store.list('other/clock')) if (isLatest) return modifiedAt > newestAt;
    return false;
  });
}

/** Objects that are put where none was: copies of ours, and forged ones. */
const planted: Cell[] = [
  planting('a timeline copied to a newer number', 'timelines/t00000009', { verify: 'named', recover: 'refused' }, async ({ store, world, bytesOf }) =>
    void (await store.put(layout.timeline({ ...of, timeline: 't00000009' }), await bytesOf(world['newest timeline'])))),
  planting('a timeline forged with another key', 'timelines/t00000003', { verify: 'named', recover: 'refused' }, async ({ store }) =>
    void (await putSigned(store, await newKeys(), layout.timeline({ ...of, timeline: 't00000003' }), { format: 1, kind: 'timeline' }))),
  planting('objects of a timeline that has none', 'timelines/t00000007', { verify: 'named', recover: 'refused' }, async ({ store }) =>
    void (await store.put(slice(100, 110, { ...of, timeline: 't00000007' }), Buffer.from('x')))),
  planting('a manifest copied to another backup', 'backups/copied', { verify: 'named', recover: 'harmless', why: 'it is not at home there' }, async ({ store, world, bytesOf }) =>
    void (await store.put(layout.manifest({ ...current, backup: 'copied' }), await bytesOf(world['newest manifest'])))),
  planting('a newer manifest forged with another key', 'backups/01', { verify: 'named', recover: 'harmless', why: 'the log reaches further than its time' }, async ({ store }) =>
    void (await putSigned(store, await newKeys(), layout.manifest({ ...current, backup: '01AAAAAAAAAAAAAAAAAAAAAAAA' }), { format: 1, kind: 'base' }))),
  planting('a manifest forged with another key, newer than the log', `backups/${newer}`, { verify: 'named', recover: 'refused' }, async ({ store }) =>
    void (await putSigned(store, await newKeys(), layout.manifest({ ...current, backup: newer }), { format: 1, kind: 'base' }))),
  planting('parts, an index and a key copied to another backup', '', { verify: 'silent', recover: 'harmless', why: 'no manifest names them' }, async ({ store, world, bytesOf }) => {
    for (const kind of ['part', 'group index', 'backup key'] as const) await store.put(world[kind].key.replace('/b80/', '/b60/'), await bytesOf(world[kind]));
  }),
  planting('the last slice again, under a name that ends later', slice(100, 110), { verify: 'named', recover: 'refused' }, async ({ store, world, bytesOf }) =>
    void (await store.put(slice(100, 110), await bytesOf(world['last slice'])))),
  planting('a slice of another timeline behind the last', slice(100, 111), { verify: 'named', recover: 'refused' }, async ({ store, keys }) =>
    void (await store.put(slice(100, 111), await sealedSlice(store, keys, { ...of, timeline: 't00000001' }, 100, 111)))),
  planting('a slice of another system behind the last', slice(100, 112), { verify: 'named', recover: 'refused' }, async ({ store, keys }) =>
    void (await store.put(slice(100, 112), await sealedSlice(store, keys, foreign, 100, 112)))),
  planting('a slice of another timeline before the first', slice(10, 20), { verify: 'named', recover: 'harmless', why: 'it lies before the log' }, async ({ store, keys }) =>
    void (await store.put(slice(10, 20), await sealedSlice(store, keys, { ...of, timeline: 't00000001' }, 10, 20)))),
  planting('a forged slice that leads over the end from inside', slice(85, 120), { verify: 'named', recover: 'refused' }, async ({ store }) =>
    void (await store.put(slice(85, 120), Buffer.from('forged')))),
  planting('a forged slice inside the log', slice(85, 95), { verify: 'named', recover: 'harmless', why: 'what it claims is there without it' }, async ({ store, keys }) =>
    void (await store.put(slice(85, 95), await sealedSlice(store, keys, foreign, 85, 95)))),
  planting('a second copy of the log in other slices, by ourselves', '', { verify: 'silent', recover: 'harmless', why: 'two archivers overlapped' }, async ({ store, keys }) =>
    void (await store.put(slice(85, 95), await sealedSlice(store, keys, current, 85, 95)))),
  planting('a name far in the future', slice(90, 10_000_000_000), { verify: 'named', recover: 'refused' }, async ({ store }) =>
    void (await store.put(slice(90, 10_000_000_000), Buffer.from('x')))),
  planting('a head forged with another key, beyond the end', 'heads/', { verify: 'named', recover: 'refused' }, async ({ store }) =>
    void (await putSigned(store, await newKeys(), layout.head(current, at(130)), { format: 1, kind: 'head' }))),
  planting('a head copied to a later position', 'heads/', { verify: 'named', recover: 'refused' }, async ({ store, world, bytesOf }) =>
    void (await store.put(layout.head(current, at(130)), await bytesOf(world.head)))),
  planting('a gap forged with another key', 'gaps/', { verify: 'named', recover: 'harmless', why: 'a gap only says why log is missing' }, async ({ store }) =>
    void (await putSigned(store, await newKeys(), layout.gap(current, at(90), at(95)), { format: 1, kind: 'gap' }))),
  planting('a hold and an epoch forged with another key', 'control/', { verify: 'named', kept: 'silent', recover: 'harmless', why: 'neither says what can be restored' }, async ({ store }) => {
    await putSigned(store, await newKeys(), layout.hold(of.system, 'run-9'), { format: 1, kind: 'hold' });
    await putSigned(store, await newKeys(), layout.epoch(of.system, 9), { format: 1, kind: 'epoch' });
  }),
  planting('a key object for the log by another master key', '', { verify: 'silent', recover: 'harmless', why: 'every version of a key is tried' }, async ({ store, world }) => {
    const stranger = await newKeys();
    await stranger.store(stranger.newDataKey(), archiveKeyContext(current), { store, keyOf: () => world['archive key'].key });
  }),
];

function planting(name: string, key: string, expected: Expected, act: Cell['act']): Cell {
  return { name, act, expected, key: () => key };
}

/** A slice as a key holder would seal it for `scope`: authentic there, and nowhere else. */
async function sealedSlice(store: Store, keys: Keys, scope: typeof current, from: number, to: number): Promise<Buffer> {
  const key = keys.newDataKey();
  await keys.store(key, archiveKeyContext(current), { store, keyOf: (recipient) => layout.archiveKey(current, key.id, recipient) });
  return await seal(key, entryAt(at(to)), sliceContext(scope, { from: at(from), to: at(to), epoch: 1 }));
}

const verify = async ({ store, keys }: Hostile) => await verifyRecoveryPoint(contextOf(store, keys), {}, { verifySlice });
const find = async ({ store, keys }: Hostile, target: RecoveryTarget = {}, readForMs = Infinity): Promise<CheckedPoint> =>
  await findCheckedPoint(contextOf(store, keys), target, { readForMs, engine: { verifySlice } });

/** @param whole - also what a plan says, and that the point which is offered is good. */
async function assertCell(hostile: Hostile, { expected, key }: Cell, whole: boolean): Promise<void> {
  const { problems, ok, restorable } = await verify(hostile);
  const lies = expected.key ?? key(hostile.world);
  assert.equal(ok, expected.verify === 'silent', JSON.stringify(problems));
  if (expected.verify === 'named') assert.ok(problems.some((one) => one.key.includes(lies)), `${lies} is named by verify: ${JSON.stringify(problems)}`);
  if (whole) {
    await assertKept(hostile, expected, lies);
    await assertPlan(hostile, expected, lies);
  }
  const outcome = await find(hostile).catch((error: unknown) => error);
  if (expected.recover !== 'refused') {
    if (outcome instanceof Error) throw outcome;
    const { base, limit, checked } = outcome as CheckedPoint;
    assert.equal(base.backup, expected.recover === 'other base' ? 'b60' : 'b80');
    assert.ok(limit === nextLogPosition(at(100)) || (expected.why?.includes('how old the end is') && limit === nextLogPosition(at(95))), limit);
    assert.ok(checked!.log.whole && checked!.parts.read === checked!.parts.of, 'all was read');
    assertOffer(expected, restorable, limit);
    if (expected.recover === 'other base' && expected.verify === 'named') {
      assert.ok(checked!.passedOver.some((one) => `${one.key} ${one.why}`.includes(lies)), JSON.stringify(checked!.passedOver));
    }
    return;
  }
  assert.ok(outcome instanceof HoldfastError, `refused: ${JSON.stringify(outcome)}`);
  assert.match(outcome.message, /HINT: nearest good points: before it .*target position [\d-]{21}/);
  assertOffer(expected, restorable, String(outcome.details['nearestBefore']));
  const isHole = outcome.type === 'ChainBroken';
  assert.ok(isHole ? outcome.details['from'] !== undefined : outcome.message.includes(lies), outcome.message);
  if (expected.unread) await assert.rejects(find(hostile, {}, 0), /nearest good points: before it .*target position [\d-]{21}/);
  if (!whole) return;
  const offered = await find(hostile, { targetPosition: String(outcome.details['nearestBefore']) });
  assert.ok(offered.checked!.log.whole, 'the point that was offered is good');
}

/** What a verification says can be restored is what a recovery offers; of a base that it has read and found damaged it says nothing. @param limit - exclusive. */
function assertOffer({ recover }: Expected, restorable: VerifyResult['restorable'], limit: LogPosition): void {
  if (restorable || recover !== 'other base') assert.equal(restorable?.to, logPositionAt(previousLogPosition(limit)));
}

/** Whoever reads all that is kept finds what the newest base's reader does, but for what is read with that base alone. */
async function assertKept({ store, keys }: Hostile, { verify, kept = verify }: Expected, lies: string): Promise<void> {
  const { problems } = (await verifyKept(contextOf(store, keys), { shares: 1, withinMs: hours(24) }, [], { verifySlice })).result;
  const said = JSON.stringify(problems);
  assert.equal(problems.length === 0, kept === 'silent', said);
  if (kept === 'named') assert.ok(problems.some(({ key }) => key.includes(lies)), said);
}

/** A plan finds what the recovery would: what it would fail of, with the points to take instead, and what it would pass over. */
async function assertPlan({ store, keys }: Hostile, expected: Expected, lies: string): Promise<void> {
  const findings: Finding[] = [];
  const point = await planPoint(contextOf(store, keys), {}, findings, { verifySlice, narrowPoint: () => Promise.reject(new Error('nothing is chosen')) });
  const said = JSON.stringify(findings);
  assert.equal(point === undefined, expected.recover === 'refused', said);
  assert.equal(findings.some(({ effect }) => effect === 'fails'), expected.recover === 'refused', said);
  if (expected.recover === 'refused') {
    assert.match(findings[0]!.hint ?? '', /nearest good points: before it .*target position [\d-]{21}/);
    assert.ok(findings[0]!.type === 'ChainBroken' || findings[0]!.message.includes(lies), said);
  }
  if (expected.recover === 'other base' && expected.verify === 'named') assert.ok(findings.some(({ message }) => message.includes(lies)), said);
}

/** @param options - `isServer`: it has delete markers, and is asked over the network: what is the same code for every store is left to the other table. */
function table(name: string, options: { cells: (kind: Kind, damage: string) => boolean; planted: Cell[]; isServer: boolean }, prepare: (owner: Owner) => Promise<() => Promise<Hostile>>): void {
  // Where each cell has a copy of its own, some wait for the disk while others work.
  describe(`a hostile store: ${name} (${sampleName})`, { concurrency: options.isServer ? 1 : 4 }, () => {
    const cleanUps: (() => void | Promise<void>)[] = [];
    let open: () => Promise<Hostile>;
    before(async () => void (open = await prepare({ after: (cleanUp) => void cleanUps.unshift(cleanUp) })));
    after(async () => {
      for (const cleanUp of cleanUps) await cleanUp();
    });

    test('undamaged: verified, and chosen with all that was read', async () => {
      const hostile = await open();
      assert.deepEqual((await verify(hostile)).problems, []);
      const { base, limit, checked } = await find(hostile);
      assert.deepEqual([base.backup, limit], ['b80', nextLogPosition(at(100))]);
      assert.deepEqual([checked!.parts, checked!.log, checked!.passedOver], [{ read: 4, of: 4 }, { slices: 4, to: at(100), whole: true }, []]);
    });

    const damaged = kinds.flatMap((kind) => cellsOf(kind).filter(({ name: damage }) => options.cells(kind, damage)).map((cell) => ({ ...cell, name: `${kind}: ${cell.name}`, is: [kind, cell.name.replace(/^swapped with.*/, 'swapped')] })));
    const cells: Cell[] = [...sampleOf(damaged, damaged.length / 5, ({ is }) => is), ...options.planted];
    for (const cell of cells) {
      const { verify: said, recover, why } = cell.expected;
      test(`${cell.name}: verify ${said === 'named' ? 'names it' : 'has nothing to say'}, recover: ${recover}${why ? ` (${why})` : ''}`, async () => {
        const hostile = await open();
        try {
          await cell.act(hostile);
          await assertCell(hostile, cell, !options.isServer);
        } finally {
          await hostile.heal();
        }
      });
    }
  });
}

table('a directory', { cells: (_, damage) => !damage.includes('delete marker'), planted: [...endsThatAreGone, ...overHoles, ...planted], isServer: false }, async (owner) => {
  const home = tempDir(owner);
  const keys = await newKeys();
  const openAt = async (path: string): Promise<Store> => await openLocalStore({ name: 'test', path, prefix: 'p' });
  const original = join(home, 'original');
  const world = await writeWorld(await openAt(original), keys);
  return async () => {
    const path = join(home, randomUUID());
    await cp(original, path, { recursive: true, preserveTimestamps: true });
    const store = await openAt(path);
    const fileOf = ({ key, versionId }: WorldObject): string => join(path, 'p', `${encodeKey(key)}@`, versionId);
    const bytesOf = async (object: WorldObject): Promise<Buffer> => await readFile(fileOf(object));
    return {
      store, keys, world, bytesOf,
      alter: async (object, how) => await rewriteFile(fileOf(object), await how(await bytesOf(object))),
      remove: async (object) => await rm(fileOf(object)),
      heal: async () => await rm(path, { recursive: true }),
    };
  };
});

/** What a listing says that is not so any more. One that lacks what is newest is `gone`. */
const stale: Cell[] = [
  ...(['newest manifest', 'part', 'middle slice', 'last slice'] as const).map((kind): Cell => ({
    name: `${kind}: listed, and not there`, key: (world) => world[kind].key, expected: spoiled[kind], act: async ({ vanish, world }) => await vanish?.(world[kind]),
  })),
  planting('delete markers over everything', '', { verify: 'silent', recover: 'harmless', why: 'markers are ignored' }, async ({ store, mark }) => {
    for (const key of await keysOf(store)) await mark?.(key);
  }),
  planting('newer versions of somebody else over everything, and delete markers over these', '', { verify: 'silent', recover: 'harmless', why: 'the versions that were there first count' }, async ({ store, mark }) => {
    // Every version of a hold holds.
    const keys = (await keysOf(store)).filter((key) => !key.startsWith(layout.holds(of.system)));
    await Promise.all(keys.map(async (key) => {
      await store.put(key, Buffer.from('somebody else'));
      await mark?.(key);
    }));
  }),
];

async function keysOf(store: Store): Promise<string[]> {
  const keys = new Set<string>();
  for await (const { key } of store.list('')) keys.add(key);
  return [...keys];
}

/** Of these every damage: one that is signed, one that is pinned, and one that is known by a listing alone. Of the others what a server may differ in. */
const allOnS3 = ['newest timeline', 'part', 'last slice'];
const onS3 = (kind: string, damage: string): boolean => allOnS3.includes(kind) || damage === 'a flipped bit' || damage === 'gone';

const plantedToo = [...endsThatAreGone, ...overHoles, ...planted];
table('S3 with versions and object lock', { cells: onS3, planted: [...stale, ...sampleOf(plantedToo, plantedToo.length / 4, () => [])], isServer: true }, async (owner) => {
  const server = await startObjectStore(owner);
  await server.createBucket('bucket', { lock: true });
  const proxy = await StoreProxy.start(owner, server.endpoint, 'bucket/p/');
  const address = { name: 's3', region: server.region, bucket: 'bucket', prefix: 'p', pathStyle: true, credentials: server, retryAfterMs: [] };
  const locked = openS3Store({ ...address, endpoint: server.endpoint, lock: { mode: 'governance', retain: hours(1) } });
  const keys = await newKeys();
  const world = await writeWorld(locked, keys);
  const store = openS3Store({ ...address, endpoint: proxy.endpoint });
  const client = new S3Client({ endpoint: server.endpoint, region: server.region, forcePathStyle: true, maxAttempts: 1, credentials: server });
  owner.after(() => [locked, store].forEach((one) => one.close()));
  owner.after(() => client.destroy());
  const ours = new Set<string>();
  const hidden = new Set<string>();
  for await (const { versionId } of locked.list('')) ours.add(versionId);
  const bytesOf = async (object: WorldObject): Promise<Buffer> => await locked.getVersion(object);
  return async () => ({
    store, keys, world, bytesOf,
    alter: async (object, how) => {
      const altered = await how(await bytesOf(object));
      proxy.alter(({ method, key, query }) => method === 'GET' && key === object.key && query.get('versionId') === object.versionId, () => altered);
    },
    vanish: async (object) => proxy.trouble(({ method, key }) => (method === 'GET' && key === object.key ? { kind: 'answer', status: 404 } : undefined)),
    remove: async ({ key }) => {
      hidden.add(key);
      proxy.hide((of) => hidden.has(of.key));
    },
    mark: async (key) => void (await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: `p/${key}` }))),
    heal: async () => {
      proxy.alter(undefined, (bytes) => bytes);
      hidden.clear();
      proxy.hide(undefined);
      proxy.trouble(undefined);
      for await (const version of store.list('')) if (!ours.has(version.versionId)) await store.deleteVersion(version);
    },
  });
});
