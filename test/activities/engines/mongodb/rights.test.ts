import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runInNewContext } from 'node:vm';
import { MongoClient, type Document } from 'mongodb';
import { archiveLog } from '../../../../activities/engines/mongodb/archive/archive-log.ts';
import { drainLog } from '../../../../activities/engines/mongodb/archive/drain-log.ts';
import { proveArchive } from '../../../../activities/engines/mongodb/archive/prove-archive.ts';
import { readArchiveStatus } from '../../../../activities/engines/mongodb/archive/read-archive-status.ts';
import { promoteTarget } from '../../../../activities/engines/mongodb/promote-target.ts';
import { allRoles, createRoleCommand, sourceRoles, sourceUserRoles } from '../../../../activities/engines/mongodb/rights.ts';
import { findArchiveEnd } from '../../../../activities/store/find-archive-end.ts';
import { localFence } from '../../../../activities/traffic/fence-local.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import { renderRightsPage, renderRightsScript } from '../../../../scripts/render-rights.ts';
import { backUp, enginePlace, ref, restore, type EnginePlace } from '../../../harness/engine-place.ts';
import { until } from '../../../harness/until.ts';
import { archivedUpTo, pointAt, positionNow, recover, startArchive, withSlices } from './replay-place.ts';

const docs = join(import.meta.dirname, '../../../../docs');

/** A source with something of each kind that needs a right of its own. */
async function placeWithEveryKind(t: TestContext): Promise<{ place: EnginePlace; source: MongoClient; context: EnginePlace['context'] }> {
  const place = await enginePlace(t, { mongod: { auth: true } });
  const source = await place.source.connect();
  const db = source.db('kinds');
  await db.collection('plain').insertOne({ n: 1 });
  await db.createCollection('view', { viewOn: 'plain', pipeline: [] });
  await db.createCollection('readings', { timeseries: { timeField: 'at' } });
  await db.collection('readings').insertOne({ at: new Date(), value: 1 });
  await db.collection<{ _id: string }>('system.js').insertOne({ _id: 'f', value: 1 } as never);
  return { place, source, context: withSlices(place.context, 50, 64 * 1024) };
}

const archived = async (context: EnginePlace['context'], source: MongoClient, work: () => Promise<void> = async () => undefined): Promise<void> => {
  const archive = startArchive(context);
  await archivedUpTo(context, await positionNow(source));
  await work();
  await archive.stop();
};

test('the two roles, and nothing else, are enough for backup, archive, canary, proof, drain, promotion, fence and retirement', { timeout: 180_000 }, async (t) => {
  const { place, source, context } = await placeWithEveryKind(t);
  assert.deepEqual((await source.db('admin').command({ usersInfo: 'holdfast' }))['users'][0].roles.map(({ role }: { role: string }) => role).sort(), sourceUserRoles.map(({ role }) => role));
  const summary = await backUp(context, 'b1');
  assert.deepEqual(summary.unproved, []);
  await archived(context, source, async () => {
    assert.equal((await proveArchive(context, { ...ref, run: 'run-1', withinMs: seconds(20) })).proved, true);
  });
  assert.equal((await readArchiveStatus(context, await findArchiveEnd(context.store, context.keys, ref))).rpoMs, 0);

  const { validation } = await recover(place, await pointAt(context, (await findArchiveEnd(context.store, context.keys, ref)).archivedTo!), context);
  assert.deepEqual(validation.problems, []);
  const fenced = await localFence.fence(context, 'run-1');
  assert.equal(fenced.outcome, 'proved', fenced.evidence.join('; '));
  assert.equal((await drainLog(context, { ...ref, epoch: 1, timeline: 't00000001' })).drained, true);
  await localFence.unfence(context, 'run-1');
  await until('the old primary to be elected again', async () => (await source.db('admin').command({ hello: 1 }))['isWritablePrimary'] === true);
  await localFence.fence(context, 'run-1');
  assert.match((await promoteTarget(context, { target: place.target })).summary, /is primary of rs7/);
  const retired = await localFence.retire(context, 'run-1');
  assert.deepEqual([retired.outcome, retired.evidence[0]], ['proved', 'it was shut down']);
});

/** What stands for each resource where one action on it is taken away. */
const label = (resource: Document, action: string): string => `${action} on ${JSON.stringify(resource)}`;

/** Takes each action of a role away in turn, where `use` is about it; `use` says what is refused then. @returns the actions. */
async function eachTakenAway(admin: MongoClient, roleName: string, about: (action: string) => boolean, use: (resource: Document) => Promise<string>): Promise<string[]> {
  const taken: string[] = [];
  const role = sourceRoles.find(({ name }) => name === roleName)!;
  const { privileges } = createRoleCommand(role) as { privileges: { resource: Document; actions: string[] }[] };
  const set = async (to: Document[]): Promise<void> => void (await admin.db('admin').command({ updateRole: roleName, privileges: to }));
  for (const [at, { resource, actions }] of privileges.entries()) {
    for (const action of actions.filter(about)) {
      taken.push(action);
      const left = privileges.map((right, other) => (other === at ? { resource, actions: actions.filter((name) => name !== action) } : right));
      await set(left.filter((right) => right.actions.length > 0));
      assert.match(await use(resource), /not authorized on \w+ to execute command \w+|Insufficient permissions to list all databases/, label(resource, action));
    }
  }
  await set(privileges);
  return taken;
}

const actionsOf = (role: (typeof sourceRoles)[number]): string[] => role.rights.flatMap(({ actions }) => [...actions]);

/** The message of a refusal, which names the role to give. */
async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(() => new Error('nothing was refused'), (thrown: unknown) => thrown);
  if (!(error instanceof HoldfastError)) return String(error);
  assert.ok(error.type === 'NotPermitted' || error.type === 'FenceFailed', `${error.type}: ${error.message}`);
  assert.match(error.hint ?? '', /holdfastCommand/);
  assert.match(error.hint ?? '', /docs\/rights/);
  return error.message;
}

test('without any one action of the backup role a base backup is refused, by name', { timeout: 180_000 }, async (t) => {
  const { source, context } = await placeWithEveryKind(t);
  let backups = 0;
  const taken = await eachTakenAway(source, 'holdfastBackup', () => true, async () => await refusalOf(backUp(context, `b${(backups += 1)}`)));
  assert.deepEqual(taken, actionsOf(sourceRoles[0]!));
  await backUp(context, 'whole');
  // The archive reads what a base reads, but for the log: that right is asked for by itself.
  await source.db('admin').command({ updateRole: 'holdfastBackup', privileges: (createRoleCommand(sourceRoles[0]!)['privileges'] as Document[]).filter(({ resource }) => resource.collection !== 'oplog.rs') });
  assert.match(await refusalOf(archiveLog(context, { ...ref, epoch: 1, forMs: 100 })), /not authorized on local to execute command find/);
});

test('without any one action of the command role fence, retirement, promotion or canary is refused, by name', { timeout: 180_000 }, async (t) => {
  const { place, source, context } = await placeWithEveryKind(t);
  const summary = await backUp(context, 'b1');
  await archived(context, source);
  await restore(place, summary, context);
  await promoteTarget(context, { target: place.target });
  const target = new MongoClient(place.context.system.environments['dr']!.endpoints['documents']!.uri, {
    auth: { username: place.source.credentials!.username, password: place.source.credentials!.password },
    authSource: 'admin',
  });
  t.after(async () => await target.close());

  let runs = 0;
  const taken = [
    ...await eachTakenAway(target, 'holdfastCommand', (action) => action === 'replSetConfigure', async () => await refusalOf(promoteTarget(context, { target: place.target }))),
    ...await eachTakenAway(source, 'holdfastCommand', (action) => ['insert', 'update'].includes(action), async () => await refusalOf(proveArchive(context, { ...ref, run: `run-${(runs += 1)}`, withinMs: 1 }))),
    ...await eachTakenAway(source, 'holdfastCommand', (action) => action === 'replSetStateChange', async () => await refusalOf(localFence.fence(context, 'run-1'))),
    'shutdown',
  ];
  assert.deepEqual(taken.sort(), actionsOf(sourceRoles[1]!).sort());

  // Last, since it ends the server: without the right a signal does it, and the evidence says so.
  const withoutShutdown = (createRoleCommand(sourceRoles[1]!)['privileges'] as { actions: string[] }[]).filter(({ actions }) => !actions.includes('shutdown'));
  await source.db('admin').command({ updateRole: 'holdfastCommand', privileges: withoutShutdown });
  await localFence.fence(context, 'run-1');
  const retired = await localFence.retire(context, 'run-1');
  assert.equal(retired.outcome, 'proved');
  assert.match(retired.evidence[0]!, /may not shut it down \(the role holdfastCommand is missing\)/);
});

test('docs/rights.js and docs/rights.md say what the code says, and the script makes the roles and brings them up to date', { timeout: 60_000 }, async (t) => {
  const script = readFileSync(join(docs, 'rights.js'), 'utf8');
  assert.equal(script, renderRightsScript(), 'run `npm run rights`');
  assert.equal(readFileSync(join(docs, 'rights.md'), 'utf8'), renderRightsPage(), 'run `npm run rights`');

  const place = await enginePlace(t, { mongod: { auth: true } });
  const admin = (await place.source.connect()).db('admin');
  const definitions = async (): Promise<unknown> => ((await admin.command({ rolesInfo: 1, showPrivileges: true }))['roles'] as Document[]).map(({ role, privileges }) => ({ role, privileges })).sort((a, b) => (a.role < b.role ? -1 : 1));
  const made = await definitions();
  for (const state of ['old', 'absent'] as const) {
    for (const { name } of allRoles) await admin.command(state === 'old' ? { updateRole: name, privileges: [] } : { dropRole: name });
    for (const command of commandsOf(script, state === 'old')) await admin.command(command);
    assert.deepEqual(await definitions(), made, state);
  }
});

/** What the script would run, where its roles are there already or not. */
function commandsOf(script: string, known: boolean): Document[] {
  const commands: Document[] = [];
  const runCommand = (command: Document): Document => {
    if ('rolesInfo' in command) return { roles: known ? [{}] : [] };
    commands.push(JSON.parse(JSON.stringify(command)) as Document);
    return { ok: 1 };
  };
  runInNewContext(script, { db: { getSiblingDB: () => ({ runCommand }) } });
  return commands;
}
