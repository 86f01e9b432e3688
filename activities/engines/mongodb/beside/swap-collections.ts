import type { MongoClient } from 'mongodb';
import type { SwapInput, SwapResult, TargetRef } from '../../../../workflows/contract.ts';
import { keptName, strayName, type CopiedCollection, type SwapPair } from '../../../../workflows/domain/beside.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { fromPrimary, namedError, connectSource, withSource } from '../connect.ts';
import { splitNamespace } from '../namespaces.ts';
import { readPositions } from '../server-facts.ts';
import { whatIsThere } from './check-beside.ts';
import { holdsWriters, setWriteBlock, writeBlockIsOn } from './write-block.ts';

/** A transaction that is open on a collection holds its rename up, and everybody behind that. */
const renameWithinMs = seconds(20);
const straysAtMost = 5;

/**
 * What changes places, by UUID, with the counts that people judge it by. Reads only.
 * @throws TargetNotEmpty - a copy is gone. Unsupported - the name is a view's now, or somebody lets writers wait already.
 */
export async function planSwap(context: SourceContext, { target, copies }: { target: TargetRef; copies: readonly CopiedCollection[] }): Promise<{ pairs: SwapPair[] }> {
  return await withSource(context, async (client) => {
    if ((await holdsWriters(client)) && (await writeBlockIsOn(client))) throw new HoldfastError('Unsupported', 'somebody lets the source’s writers wait already (setUserWriteBlockMode): a swap would end that', { hint: 'wait until that is over, then retry' });
    const there = await whatIsThere(client, copies.flatMap(({ ns, as }) => [ns, as]));
    const pairs: SwapPair[] = [];
    for (const { ns, as, expiries } of copies) {
      const [now, copy] = [there.get(ns), there.get(as)];
      if (!copy?.uuid) throw new HoldfastError('TargetNotEmpty', `${as} is gone: there is nothing to put in the place of ${ns}`, { hint: 'abort, and start again' });
      if (now && !now.uuid) throw new HoldfastError('Unsupported', `${ns} is a ${now.type} now, and only a collection changes places`);
      const count = async (name: string): Promise<number> => await client.db(splitNamespace(name).database).collection(splitNamespace(name).collection).estimatedDocumentCount();
      pairs.push({ ns, as, kept: keptName(ns, target.run), expiries, living: now?.uuid ?? null, restored: copy.uuid, livingDocuments: now ? await count(ns) : null, restoredDocuments: await count(as) });
    }
    return { pairs };
  }, fromPrimary);
}

/**
 * Puts each copy in the place of what is there, which is kept under a name of its own. Writers wait meanwhile, by the server itself: the fence of a recovery
 * would take the power to rename with the power to write, and a closed front door would let everybody pass who does not come by it.
 *
 * One collection after the other, two renames each. What is where is told by UUIDs, so a second attempt goes on behind whatever it finds:
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before writers wait | nothing | begins |
 * | while they wait, before or after a collection's two renames | writers wait | goes on with the next |
 * | between the two | nothing has the name; writers wait | gives it to the copy |
 * | after the last, before writers may go on | writers wait | lets them |
 *
 * It is not given up in its middle, whoever asks: it would leave writers waiting. A server that asks nobody's name holds nobody up; what is written between two renames
 * then makes a collection of its own, which is kept too, and named.
 *
 * @throws TargetNotEmpty - a name has another collection than when people approved. SourceUnavailable - writers may be waiting still: says how to let them.
 */
export async function swapCollections(context: SourceContext, input: SwapInput): Promise<SwapResult> {
  return await whileWritersWait(context, input, async (client, where) => {
    const strays: string[] = [];
    for (const pair of input.pairs) strays.push(...(await putInPlace(client, input.target.run, pair, where)));
    return strays;
  });
}

/** Undo of `swapCollections`: what was kept has its name again, and the copy the run's. As safe to repeat, from wherever that was stopped. */
export async function swapBack(context: SourceContext, input: SwapInput): Promise<SwapResult> {
  return await whileWritersWait(context, input, async (client, where) => {
    for (const pair of input.pairs.toReversed()) {
      const now = where();
      const { ns, as, kept, living, restored } = pair;
      if ((await now(ns)) === restored) await rename(client, ns, as);
      if (living === null) continue;
      const holds = await now(ns);
      if (holds === living) continue;
      if (holds !== null) throw new HoldfastError('TargetNotEmpty', `${ns} is neither what was restored nor what was there before: somebody made it since`, { hint: `rename it, then retry; what was there before is ${kept}` });
      if ((await now(kept)) !== living) throw new HoldfastError('TargetNotEmpty', `${kept} is not there: what ${ns} was before cannot be put back`, { hint: 'look where it is, rename it back by hand, then skip this undo with a reason' });
      await rename(client, kept, ns);
    }
    return [];
  });
}

/** UUID of what has a name now; null: nothing has. */
type Where = () => (ns: string) => Promise<string | null>;

async function whileWritersWait(context: SourceContext, { target }: SwapInput, act: (client: MongoClient, where: Where) => Promise<string[]>): Promise<SwapResult> {
  context.signal.throwIfAborted();
  const client = await connectSource(context, fromPrimary);
  try {
    const writersWaited = await holdsWriters(client);
    const startedAtMs = performance.now();
    const where: Where = () => async (ns) => (await whatIsThere(client, [ns])).get(ns)?.uuid ?? null;
    let before;
    let strays: string[];
    try {
      if (writersWaited) await setWriteBlock(client, true);
      ({ newest: before } = await readPositions(client));
      strays = await act(client, where);
    } finally {
      if (writersWaited) await setWriteBlock(client, false);
    }
    return { before, strays, writersWaited, heldMs: Math.round(performance.now() - startedAtMs) };
  } catch (error) {
    const named = namedError(error, client, 'SourceUnavailable');
    if (named instanceof HoldfastError && named.type === 'SourceUnavailable') {
      throw new HoldfastError('SourceUnavailable', `${named.message}: in the middle of the swap of run ${target.run}`, { hint: 'writers may be waiting: a retry or an abort lets them go on, and so does db.adminCommand({ setUserWriteBlockMode: 1, global: false })', cause: error });
    }
    throw named;
  } finally {
    await client.close();
  }
}

/** @returns collections that somebody made between the two renames, and that were moved out of the way. */
async function putInPlace(client: MongoClient, run: string, { ns, as, kept, living, restored, expiries }: SwapPair, where: Where): Promise<string[]> {
  const now = where();
  const strays: string[] = [];
  let holds = await now(ns);
  if (holds !== restored) {
    if (holds !== null && holds === living) {
      await rename(client, ns, kept);
      holds = await now(ns);
    }
    try {
      if (living === null ? holds !== null : (await now(kept)) !== living) throw new HoldfastError('TargetNotEmpty', `${ns} is another collection than when people approved`, { hint: 'abort, and start again: nothing was replaced' });
      if ((await now(as)) !== restored) throw new HoldfastError('TargetNotEmpty', `${as} is not what was copied any more`, { hint: 'abort, and start again: nothing was replaced' });
      for (; holds !== null; holds = await now(ns)) {
        if (strays.length === straysAtMost) throw new HoldfastError('SourceUnavailable', `${ns} is made anew by others as fast as its name is free`, { hint: 'stop its writers, then retry' });
        const stray = `${strayName(ns, run)}${strays.length > 0 ? `-${strays.length}` : ''}`;
        await rename(client, ns, stray);
        strays.push(stray);
      }
      await rename(client, as, ns);
    } catch (error) {
      // Nobody may be let in to a name that nothing has: the first who writes would make it anew, empty.
      if (living !== null && (await now(kept)) === living && (await now(ns)) === null) await rename(client, kept, ns);
      throw error;
    }
  }
  for (const { index, afterSeconds } of expiries) {
    const { database, collection } = splitNamespace(ns);
    await client.db(database).command({ collMod: collection, ...(index === null ? { expireAfterSeconds: afterSeconds } : { index: { name: index, expireAfterSeconds: afterSeconds } }), maxTimeMS: renameWithinMs });
  }
  return strays;
}

async function rename(client: MongoClient, from: string, to: string): Promise<void> {
  await client.db('admin').command({ renameCollection: from, to, writeConcern: { w: 'majority', wtimeout: renameWithinMs }, maxTimeMS: renameWithinMs });
}
