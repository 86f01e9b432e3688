import { setTimeout as sleep } from 'node:timers/promises';
import type { Owner } from './cleanup.ts';
import type { Postgres } from './postgres.ts';
import { until } from './until.ts';

export interface PostgresWriter {
  /** each row that the server said was committed, and when that was heard, by this machine's clock, as the server's */
  readonly acknowledged: readonly { id: number; atMs: number }[];
  /** Waits until so many more were acknowledged. */
  more(count: number): Promise<void>;
  /** What was on its way has been answered once this returns. */
  stop(): Promise<void>;
}

const betweenMs = 5;

/**
 * Writes one row after another into `acknowledged`, each a transaction of its own, until it is stopped: a server that is killed is written to again once it is back. Of a row that was not answered nothing is known.
 */
export async function startWriter(owner: Owner, source: Postgres): Promise<PostgresWriter> {
  await source.query('CREATE TABLE acknowledged (id int)');
  const acknowledged: { id: number; atMs: number }[] = [];
  let isOver = false;
  let next = 0;
  const writing = (async () => {
    while (!isOver) {
      const client = await source.connect().catch(() => undefined);
      try {
        while (client && !isOver) {
          const id = (next += 1);
          await client.query('INSERT INTO acknowledged VALUES ($1)', [id]);
          acknowledged.push({ id, atMs: Date.now() });
          await sleep(betweenMs);
        }
      } catch {
        // It was killed: asked again until it is back.
      }
      await client?.end().catch(() => undefined);
      if (!isOver) await sleep(50);
    }
  })();
  const stop = async (): Promise<void> => {
    isOver = true;
    await writing;
  };
  owner.after(stop);
  return {
    acknowledged,
    stop,
    more: async (count) => {
      const wanted = acknowledged.length + count;
      await until(`${count} more rows to be acknowledged`, () => acknowledged.length >= wanted, 60_000);
    },
  };
}
