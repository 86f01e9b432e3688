import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient, Timestamp } from 'mongodb';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import { positionBefore, positionOf, timestampOf } from './bson-position.ts';
import { adminOf } from './connect.ts';

/** Majors that the tests run against. Another one may log differently, and a log that is misread restores wrongly. */
const knownMajors = new Set([6]);

export interface ServerFacts {
  version: string;
  featureVersion: string;
  /** the replica set's own id, 24 hex digits: tells this source from another at the same address */
  identity: string;
  replicaSet: string;
}

/**
 * What the server is.
 * @throws Unsupported - a shard or router, a server without a log, or a major that was never tested (HOLDFAST_FORCE_SERVER=1 goes on).
 */
export async function readServerFacts(client: MongoClient): Promise<ServerFacts> {
  const admin = adminOf(client);
  // A fenced source has no primary: a command asks for one unless it is told that any member may answer.
  const anyMember = { readPreference: client.readPreference };
  const hello = await admin.command({ hello: 1 }, anyMember);
  if (hello['msg'] === 'isdbgrid') throw sharded('this is a router (mongos)');
  if (typeof hello['setName'] !== 'string') {
    throw new HoldfastError('Unsupported', 'the source is a standalone server: it has no log to archive', {
      hint: 'start it with --replSet and initiate a replica set of one member',
    });
  }
  const { version } = await admin.command({ buildInfo: 1 }, anyMember) as { version: string };
  const major = Number(version.split('.')[0]);
  if (!knownMajors.has(major) && process.env['HOLDFAST_FORCE_SERVER'] !== '1') {
    throw new HoldfastError('Unsupported', `MongoDB ${version} is experimental: only major ${[...knownMajors].join(', ')} is tested`, {
      hint: 'set HOLDFAST_FORCE_SERVER=1 to go on, and drill the restore',
    });
  }
  const isShard = await admin.collection('system.version').findOne({ _id: 'shardIdentity' as never });
  if (isShard) throw sharded('this is a shard');
  const { config } = await admin.command({ replSetGetConfig: 1 }, anyMember) as { config: Document };
  const feature = await admin.command({ getParameter: 1, featureCompatibilityVersion: 1 }, anyMember);
  return {
    version,
    featureVersion: String((feature['featureCompatibilityVersion'] as Document)['version']),
    identity: String((config['settings'] as Document)['replicaSetId']),
    replicaSet: hello['setName'],
  };
}

/** The newest position that a majority of the members has, and that no election takes back; and the primary's newest. */
export async function readPositions(client: MongoClient): Promise<{ majority: LogPosition; newest: LogPosition }> {
  const hello = await adminOf(client).command({ hello: 1 });
  const lastWrite = hello['lastWrite'] as Record<'majorityOpTime' | 'opTime', { ts: Timestamp }>;
  return { majority: positionOf(lastWrite.majorityOpTime.ts), newest: positionOf(lastWrite.opTime.ts) };
}

/**
 * A majority-committed position that nothing seen so far lies after: waits until the majority has what the primary has now.
 * @throws SourceUnavailable - the majority does not get there: members are down or far behind.
 */
export async function readSettledPosition(client: MongoClient, signal: AbortSignal): Promise<LogPosition> {
  const { newest, majority: first } = await readPositions(client);
  const untilMs = performance.now() + settleWithinMs;
  for (let majority = first; ; { majority } = await readPositions(client)) {
    if (majority >= newest) return majority;
    if (performance.now() > untilMs) {
      throw new HoldfastError('SourceUnavailable', `the majority of the replica set is at ${majority}, the primary at ${newest}, for ${settleWithinMs / 1000} s`, {
        hint: 'look at the secondaries: rs.status()',
      });
    }
    await sleep(20, undefined, { signal });
  }
}

const settleWithinMs = seconds(30);

/**
 * Where the log is needed from, exclusive: now, or before the first entry of the oldest transaction that is still open,
 * since its commit comes later and its operations lie before.
 */
export async function readLogFrom(client: MongoClient): Promise<LogPosition> {
  // The position first: a transaction that opens after it begins after it, too.
  const { majority: now } = await readPositions(client);
  const open = await client.db('config').collection<{ startOpTime?: { ts: Timestamp } }>('transactions', { readPreference: 'primary' })
    .find({ state: { $in: ['inProgress', 'prepared'] }, startOpTime: { $exists: true } })
    .sort({ 'startOpTime.ts': 1 }).limit(1).toArray();
  const starts = [open[0]?.startOpTime?.ts, await chainStart(client, now)].filter((start) => start !== undefined);
  return starts.map((start) => positionBefore(positionOf(start))).reduce((first, start) => (start < first ? start : first), now);
}

interface LogEntry {
  ts: Timestamp;
  o: { partialTxn?: boolean };
  prevOpTime?: { ts: Timestamp };
}

/**
 * The first entry of the transaction that `position` lies inside, where it does: a large transaction is a chain of
 * entries, which a majority may have in part.
 */
async function chainStart(client: MongoClient, position: LogPosition): Promise<Timestamp | undefined> {
  const log = client.db('local').collection<LogEntry>('oplog.rs', { readPreference: 'primary' });
  const found = await log.findOne({ ts: timestampOf(position) });
  if (!found?.o.partialTxn) return undefined;
  let first: LogEntry = found;
  while (first.prevOpTime && !first.prevOpTime.ts.isZero()) {
    const previous = await log.findOne({ ts: first.prevOpTime.ts });
    if (!previous) break;
    first = previous;
  }
  return first.ts;
}

const sharded = (why: string): HoldfastError =>
  new HoldfastError('Unsupported', `sharded clusters cannot be backed up: ${why}`, { hint: 'back up each shard as a source of its own only if you never need one instant over all of them' });
