import type { Document, MongoClient } from 'mongodb';
import { seconds } from '../../../../workflows/domain/units.ts';
import { adminOf } from '../connect.ts';

/** A transaction that is open holds it up; the server ends those after a minute, and writers must not wait for that. */
const withinMs = seconds(20);

/**
 * Whether the server can let writers wait: one that asks nobody's name takes everybody for one who may write all the same.
 * @source MongoDB manual, setUserWriteBlockMode (6.0): who has bypassWriteBlockingMode is not held up.
 */
export async function holdsWriters(client: MongoClient): Promise<boolean> {
  const { authInfo } = await adminOf(client).command({ connectionStatus: 1 }) as { authInfo: { authenticatedUsers: unknown[] } };
  return authInfo.authenticatedUsers.length > 0;
}

/** As `serverStatus` says it: 1 is off, 2 is on. */
export async function writeBlockIsOn(client: MongoClient): Promise<boolean> {
  const { repl } = await adminOf(client).command({ serverStatus: 1 }) as { repl?: Document };
  return Number(repl?.['userWriteBlockMode'] ?? 1) === 2;
}

/** Every write of others is refused until it is taken off, on all members, whoever restarts: it is part of the data. Safe to repeat. */
export async function setWriteBlock(client: MongoClient, global: boolean): Promise<void> {
  await adminOf(client).command({ setUserWriteBlockMode: 1, global, maxTimeMS: withinMs });
}
