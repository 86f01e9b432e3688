import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, MongoServerError, MongoServerSelectionError, type ClientSession, type Collection } from 'mongodb';

export interface Change {
  change: 'insert' | 'update' | 'delete';
  key: string;
  rev: number;
}

export interface Outcome {
  /** refused: certainly nothing was written; unknown: it may have been */
  outcome: 'acknowledged' | 'refused' | 'unknown';
  why?: string;
  /** the database does not serve now */
  away?: boolean;
}

interface Note {
  _id: string;
  rev: number;
  text: string;
  writtenAt: Date;
}

const majority = { w: 'majority' as const };
const healthWithinMs = 1_000;
/** A write that conflicts with a transaction is tried again by hand, as an application does. */
const conflictCode = 112;
/** Codes with which a server says that it did not take the write because it is no primary. */
const notPrimaryCodes = new Set([189, 10107, 11602, 13435, 13436]);
/** It does not know our user (yet), or does not let it write: decided before any write. */
const notAllowedCodes = new Set([13, 18]);

/**
 * The application's own database. It may come late, go and come back: whoever calls is told at once, not made to wait.
 *
 * Writes only to the primary of its replica set. A standalone at the same address is a restore that is not finished,
 * and a write there would spoil it.
 */
export class AppDatabase {
  readonly #client: MongoClient;
  readonly #database: string;
  #isPrimary = false;

  constructor(options: { uri: string; replicaSet: string; database: string; username: string; password: string }) {
    this.#database = options.database;
    this.#client = new MongoClient(options.uri, {
      auth: { username: options.username, password: options.password },
      authSource: 'admin',
      // Directly: a replica set's client drops a server for good that it once saw as a standalone.
      directConnection: true,
      retryWrites: true,
      serverSelectionTimeoutMS: 500,
      connectTimeoutMS: 1_000,
      socketTimeoutMS: 5_000,
      heartbeatFrequencyMS: 500,
      maxPoolSize: 64,
      waitQueueTimeoutMS: 2_000,
    });
    this.#client.on('serverDescriptionChanged', ({ newDescription }) => {
      this.#isPrimary = newDescription.type === 'RSPrimary' && newDescription.setName === options.replicaSet;
    });
    void this.#connect();
  }

  async write(changes: readonly Change[]): Promise<Outcome> {
    if (!this.#isPrimary) return { outcome: 'refused', why: 'the database is away', away: true };
    for (let tries = 1; ; tries += 1) {
      try {
        const refusal = changes.length === 1 ? await this.#apply(changes[0]!) : await this.#transact(changes);
        return refusal === undefined ? { outcome: 'acknowledged' } : { outcome: 'refused', why: refusal };
      } catch (error) {
        if (error instanceof MongoServerError && error.code === conflictCode && tries < 10) continue;
        return outcomeOf(error);
      }
    }
  }

  /** undefined: the database does not answer; null: no such document. */
  async read(key: string): Promise<Note | null | undefined> {
    if (!this.#isPrimary) return undefined;
    return await this.#notes.findOne({ _id: key }, { readConcern: { level: 'majority' } }).catch(() => undefined);
  }

  /** Really writes and reads, as a client's request would. */
  async check(side: string): Promise<{ ok: boolean; why: string | null }> {
    if (!this.#isPrimary) return { ok: false, why: 'the database is away' };
    const health = this.#client.db(this.#database).collection<{ _id: string; at: Date }>('health');
    const at = new Date();
    const work = async (): Promise<boolean> => {
      await health.updateOne({ _id: side }, { $set: { at } }, { upsert: true, writeConcern: { ...majority, wtimeoutMS: healthWithinMs } });
      const read = await health.findOne({ _id: side }, { readConcern: { level: 'majority' }, maxTimeMS: healthWithinMs });
      return (read?.at.getTime() ?? 0) >= at.getTime();
    };
    try {
      const ok = await Promise.race([work(), sleep(healthWithinMs, undefined, { ref: false })]);
      return ok === true ? { ok, why: null } : { ok: false, why: ok === undefined ? `no answer within ${healthWithinMs} ms` : 'what was written was not read' };
    } catch (error) {
      return { ok: false, why: (error as Error).message };
    }
  }

  get #notes(): Collection<Note> {
    return this.#client.db(this.#database).collection<Note>('notes');
  }

  async #connect(): Promise<void> {
    while (true) {
      try {
        await this.#client.connect();
        // Its monitor goes on from here: it sees the server go and come.
        return;
      } catch {
        await sleep(200);
      }
    }
  }

  /** A reason when nothing was written. An update or a delete must find the document as its writer left it. */
  async #apply({ change, key, rev }: Change, session?: ClientSession): Promise<string | undefined> {
    const options = session ? { session } : { writeConcern: majority };
    const found = { _id: key, rev: rev - 1 };
    if (change === 'insert') {
      await this.#notes.insertOne(noteOf(key, rev), options);
      return undefined;
    }
    const changed =
      change === 'update'
        ? (await this.#notes.updateOne(found, { $set: { rev, text: textOf(key, rev), writtenAt: new Date() } }, options)).matchedCount
        : (await this.#notes.deleteOne(found, options)).deletedCount;
    return changed === 1 ? undefined : `no document ${key} with rev ${rev - 1}`;
  }

  async #transact(changes: readonly Change[]): Promise<string | undefined> {
    return await this.#client.withSession(async (session) => {
      let refusal: string | undefined;
      // Not withTransaction: that tries for two minutes, and whoever waits behind nginx has gone by then.
      session.startTransaction({ writeConcern: majority });
      for (const change of changes) refusal ??= await this.#apply(change, session);
      if (refusal === undefined) await session.commitTransaction();
      else await session.abortTransaction();
      return refusal;
    });
  }
}

/** Only what the server itself refused before writing is `refused`; a broken connection may have carried the write. */
function outcomeOf(error: unknown): Outcome {
  const why = (error as Error).message;
  if (error instanceof MongoServerSelectionError) return { outcome: 'refused', why, away: true };
  if (!(error instanceof MongoServerError)) return { outcome: 'unknown', why };
  if (error.code === 11000) return { outcome: 'refused', why };
  if (notAllowedCodes.has(Number(error.code))) return { outcome: 'refused', why, away: true };
  if (notPrimaryCodes.has(Number(error.code)) && !error.hasErrorLabel('RetryableWriteError')) return { outcome: 'refused', why, away: true };
  return { outcome: error.code === conflictCode ? 'refused' : 'unknown', why };
}

const noteOf = (key: string, rev: number): Note => ({ _id: key, rev, text: textOf(key, rev), writtenAt: new Date() });
/** About the size of a short note, so that a day's log weighs what a real one does. */
const textOf = (key: string, rev: number): string => `note ${key}, revision ${rev}. `.repeat(8);
