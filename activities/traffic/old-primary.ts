import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, MongoServerError } from 'mongodb';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { mongoTransport } from '../engines/mongodb/transport.ts';
import { askAwake } from '../tool/awake.ts';
import { answerWithinMs, knock } from '../tool/knock.ts';
import { asWeakTransport } from '../transport/require-tls.ts';
import type { FenceContext } from './fence.ts';

/** Codes with which a server refuses a write because it is not a primary. */
const notPrimaryCodes = new Set([189, 10107, 11602, 13435, 13436]);
export const stepDownForSeconds = 30 * 86_400;

export interface OldPrimary {
  host: string;
  port: number;
  /** undefined: no answer */
  hello: { isWritablePrimary: boolean; setName: string | undefined; votingMembers: number } | undefined;
}

/** The one server at the source's address, spoken to directly: whatever a replica set says of who is primary is not asked. */
export async function withOldPrimary<T>(context: FenceContext, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const { host, port } = oldAddress(context);
  const { credentials } = oldEndpoint(context);
  const { connector, options } = await oldTransport(context);
  const client = new MongoClient(`mongodb://${host}:${port}/`, {
    appName: 'holdfast fence',
    directConnection: true,
    retryWrites: false,
    serverSelectionTimeoutMS: answerWithinMs,
    connectTimeoutMS: answerWithinMs,
    socketTimeoutMS: 60_000,
    ...(credentials ? { auth: { username: credentials.username, password: await context.secret(credentials.password) }, authSource: credentials.authSource } : {}),
    ...options,
  });
  try {
    return await use(await client.connect());
  } catch (error) {
    throw asWeakTransport(error, connector) ?? error;
  } finally {
    await client.close();
  }
}

const oldTransport = async (context: FenceContext): ReturnType<typeof mongoTransport> =>
  await mongoTransport(`endpoint ${context.sourceName} of ${context.source.environment}`, context.address(oldEndpoint(context).uri), oldEndpoint(context));

const oldEndpoint = (context: FenceContext) => context.system.environments[context.source.environment]!.endpoints[context.sourceName]!;

export function oldAddress(context: FenceContext): { host: string; port: number } {
  const [first] = new MongoClient(context.address(oldEndpoint(context).uri)).options.hosts;
  if (first?.host === undefined) {
    // mongodb+srv names no host before it is looked up; a default would fence whatever runs here.
    throw new HoldfastError('FenceFailed', `the address of source ${context.sourceName} in ${context.source.environment} names no host:port to fence`, {
      hint: 'write it as mongodb://host:port[,host:port…]/ in the system file',
    });
  }
  return { host: first.host, port: first.port ?? 27017 };
}

/** Members that could elect another primary when this one steps down: as many as the address names, at least one. */
export const namedMembers = (context: FenceContext): number => new MongoClient(context.address(oldEndpoint(context).uri)).options.hosts.length;

/**
 * What the old primary says of itself, without credentials, so that a wrong password does not look like a dead server. One that is
 * silent may be killed for it, and its log with it: a worker that hung while it asked asks again.
 */
export async function askOldPrimary(context: FenceContext): Promise<OldPrimary> {
  const { host, port } = oldAddress(context);
  const hello = await askAwake(async () => {
    context.signal.throwIfAborted();
    return await sayHello(context);
  });
  return { host, port, hello };
}

async function sayHello(context: FenceContext): Promise<OldPrimary['hello']> {
  const { host, port } = oldAddress(context);
  const { connector, options } = await oldTransport(context);
  const client = new MongoClient(`mongodb://${host}:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: answerWithinMs,
    connectTimeoutMS: answerWithinMs,
    socketTimeoutMS: answerWithinMs,
    ...options,
  });
  try {
    if ((await knock(host, port)) === 'refused') return undefined;
    const answer = await client.db('admin').command({ hello: 1 });
    const members = [...((answer['hosts'] as string[] | undefined) ?? [])];
    return {
      isWritablePrimary: answer['isWritablePrimary'] === true,
      setName: answer['setName'] as string | undefined,
      votingMembers: Math.max(members.length, namedMembers(context)),
    };
  } catch (error) {
    // It lives, and is not to be taken for dead because it speaks an older TLS.
    const weak = asWeakTransport(error, connector);
    if (weak) throw weak;
    return undefined;
  } finally {
    await client.close();
  }
}

/** Makes it a secondary that does not stand for election, at once and whether or not another member has caught up. */
export async function stepDown(client: MongoClient): Promise<void> {
  await client.db('admin').command({ replSetStepDown: stepDownForSeconds, secondaryCatchUpPeriodSecs: 0, force: true });
}

type Written = { outcome: 'refused' | 'taken' | 'unknown'; said: string };

/** How long a write that was answered with neither is tried again: a connection that was cut, or a server between two states, says nothing of it. */
const tellsWithinMs = 5_000;

/**
 * Really writes, to see it refused. A worker that hung while it tried tries again.
 * Each try has a client of its own: one that was told "not primary" keeps that as its server's state, and fails its next commands by it without asking.
 * @returns refused: not a primary; taken: it wrote (one document a run, which stays); unknown: for so long, refused for another reason.
 */
export async function tryWrite(context: FenceContext, run: string): Promise<Written> {
  let last: Written | undefined;
  const told = await askAwake(async () => {
    const endsAt = performance.now() + tellsWithinMs;
    do {
      last = await tryWriteOnce(context, run);
      if (last.outcome !== 'unknown') return last;
      await sleep(250);
    } while (performance.now() < endsAt);
    return undefined;
  });
  return told ?? last!;
}

async function tryWriteOnce(context: FenceContext, run: string): Promise<Written> {
  try {
    await withOldPrimary(context, async (client) => {
      // The database that the archive's canary goes to as well: one right of the user serves both.
      const collection = client.db('holdfast_canary').collection<{ _id: string }>('fence');
      await collection.updateOne({ _id: run }, { $set: { at: new Date() } }, { upsert: true, writeConcern: { w: 1 } });
    });
    return { outcome: 'taken', said: 'it took a write' };
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const said = error instanceof Error ? error.message : String(error);
    const isRefused = error instanceof MongoServerError && notPrimaryCodes.has(Number(error.code));
    return { outcome: isRefused ? 'refused' : 'unknown', said };
  }
}
