import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { SwapInput, SwapResult, TargetRef } from '../../../../workflows/contract.ts';
import { keptName, type CopiedCollection, type SwapPair } from '../../../../workflows/domain/beside.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { limitOfTargetTime } from '../../../../workflows/domain/log-position.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { schemas } from '../catalogue.ts';
import { ask, sourcePlace, withClient, withOtherDatabase } from '../connect.ts';
import { endSessions } from '../end-sessions.ts';
import { oidOf } from './bring-database.ts';

const { escapeIdentifier: quoted } = pg;

/** Sessions are ended for so long; one that comes back again and again is somebody's who has to be stopped first. */
const endedWithinMs = seconds(20);

/** What changes places, by the databases' own numbers, with what people judge it by. Reads only. @throws TargetNotEmpty - a copy is gone. */
export async function planSwap(context: SourceContext, { target, copies }: { target: TargetRef; copies: readonly CopiedCollection[] }): Promise<{ pairs: SwapPair[] }> {
  const place = await sourcePlace(context);
  const oids = await withOtherDatabase(context, place, async (client) => {
    const found = new Map<string, string | null>();
    for (const { ns, as } of copies) for (const name of [ns, as]) found.set(name, await oidOf(client, name));
    return found;
  });
  const pairs: SwapPair[] = [];
  for (const { ns, as, documents } of copies) {
    const [living, restored] = [oids.get(ns) ?? null, oids.get(as) ?? null];
    if (restored === null) throw new HoldfastError('TargetNotEmpty', `database ${as} is gone: there is nothing to put in the place of ${ns}`, { hint: 'abort, and start again' });
    const livingDocuments = living === null ? null : await withClient(context, place, estimateRows, { database: ns });
    pairs.push({ ns, as, kept: keptName(ns, target.run), expiries: [], living, restored, livingDocuments, ...(living === null ? {} : { estimated: true as const }), restoredDocuments: documents });
  }
  return { pairs };
}

/** People wait for the gate that shows it, and to count a large database takes long. */
const estimateRows = async (client: pg.Client): Promise<number> =>
  Number(await ask<string>(client, `SELECT COALESCE(sum(GREATEST(c.reltuples::int8, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)), 0)::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND ${schemas}`));

/**
 * Puts the copy in the place of what lives, which is kept under a name of its own: both renames are one transaction of the server, so there is no moment at which the name is nobody's. A
 * database that somebody is in cannot be renamed: nobody is let in meanwhile, and whoever is in it is sent away.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before nobody is let in | nothing | begins |
 * | after that, before the renames are committed | nobody is let in to what lives | goes on |
 * | after them | nobody is let in to what took its place | lets people in |
 *
 * It is not given up in its middle, whoever asks: nobody could log in.
 *
 * @throws TargetNotEmpty - a name has another database than when people approved: nothing was replaced. SourceUnavailable - people may be kept out still: says how to let them in.
 */
export async function swapCollections(context: SourceContext, input: SwapInput): Promise<SwapResult> {
  return await whileNobodyIsIn(context, input, async (client) => {
    for (const { ns, as, kept, living, restored } of input.pairs) {
      const holds = await oidOf(client, ns);
      if (holds === restored) continue;
      if (holds !== living) throw new HoldfastError('TargetNotEmpty', `${ns} is another database than when people approved`, { hint: 'abort, and start again: nothing was replaced' });
      if ((await oidOf(client, as)) !== restored) throw new HoldfastError('TargetNotEmpty', `${as} is not what was copied any more`, { hint: 'abort, and start again: nothing was replaced' });
      await rename(client, [...(living === null ? [] : [{ oid: living, from: ns, to: kept }]), { oid: restored, from: as, to: ns }]);
    }
  });
}

/** Undo of `swapCollections`, from wherever that was stopped: what was kept has its name again, and the copy the run's. Safe to repeat. */
export async function swapBack(context: SourceContext, input: SwapInput): Promise<SwapResult> {
  return await whileNobodyIsIn(context, input, async (client) => {
    for (const { ns, as, kept, living, restored } of input.pairs.toReversed()) {
      const holds = await oidOf(client, ns);
      if (holds === living) continue;
      if (holds !== restored) throw new HoldfastError('TargetNotEmpty', `${ns} is neither what was restored nor what was there before: somebody made it since`, { hint: `rename it, then retry; what was there before is ${kept}` });
      if (living !== null && (await oidOf(client, kept)) !== living) throw new HoldfastError('TargetNotEmpty', `${kept} is not there: what ${ns} was before cannot be put back`, { hint: 'look where it is, rename it back by hand, then skip this undo with a reason' });
      await rename(client, [{ oid: restored, from: ns, to: as }, ...(living === null ? [] : [{ oid: living, from: kept, to: ns }])]);
    }
  });
}

interface Renamed {
  oid: string;
  from: string;
  to: string;
}

/** All names at once, or none. @throws SourceUnavailable - somebody does not leave: nothing was renamed. */
async function rename(client: pg.Client, renames: readonly Renamed[]): Promise<void> {
  const until = performance.now() + endedWithinMs;
  const oids = renames.map(({ oid }) => oid);
  for (const { oid, from } of renames) if (await isLetIn(client, oid)) await client.query(`ALTER DATABASE ${quoted(from)} WITH ALLOW_CONNECTIONS false`);
  for (;;) {
    const { mayNot } = await endSessions(client, oids);
    try {
      await client.query(['BEGIN', ...renames.map(({ from, to }) => `ALTER DATABASE ${quoted(from)} RENAME TO ${quoted(to)}`), 'COMMIT'].join('; '));
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      if (!(error instanceof pg.DatabaseError) || error.code !== '55006') throw error;
      const who = mayNot.length > 0 ? `sessions of ${mayNot.join(', ')}, which this user may not end` : (error.detail ?? 'somebody is in it');
      if (performance.now() > until) throw new HoldfastError('SourceUnavailable', `${renames.map(({ from }) => from).join(', ')}: not renamed, as it is in use: ${who}`, { hint: 'end what is connected, then retry; pg_signal_backend lets a user end what is no superuser’s' });
      await sleep(200);
    }
  }
}

const isLetIn = async (client: pg.Client, oid: string): Promise<boolean> => await ask<boolean>(client, 'SELECT datallowconn FROM pg_catalog.pg_database WHERE oid = $1::oid', [oid]);

async function whileNobodyIsIn(context: SourceContext, { target, pairs }: SwapInput, act: (client: pg.Client) => Promise<void>): Promise<SwapResult> {
  context.signal.throwIfAborted();
  const place = await sourcePlace(context);
  try {
    // Of no signal: who gives this up in its middle leaves nobody able to log in.
    return await withOtherDatabase({ signal: new AbortController().signal }, place, async (client) => {
      const startedMs = performance.now();
      const before = limitOfTargetTime(await ask<string>(client, `SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`));
      try {
        await act(client);
      } finally {
        await letIn(client, pairs.flatMap(({ living, restored }) => [living, restored]).filter((oid) => oid !== null));
      }
      return { before, strays: [], writersWaited: true, heldMs: Math.round(performance.now() - startedMs) };
    });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'SourceUnavailable') throw error;
    throw new HoldfastError('SourceUnavailable', `${error.message.replace(/ HINT: .*$/s, '')}: in the middle of the swap of run ${target.run}`, { hint: `people may be kept out: a retry or an abort lets them in, and so does ALTER DATABASE … WITH ALLOW_CONNECTIONS true${error.hint ? `; ${error.hint}` : ''}`, cause: error });
  }
}

async function letIn(client: pg.Client, oids: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_catalog.pg_database WHERE oid = ANY ($1::oid[]) AND NOT datallowconn', [oids]);
  for (const { datname } of rows) await client.query(`ALTER DATABASE ${quoted(datname)} WITH ALLOW_CONNECTIONS true`);
}
