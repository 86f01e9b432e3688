import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lane, lanesFor, type Operation } from './lane.ts';
import type { LedgerLine } from './ledger.ts';
import { LedgerWriter } from './ledger-file.ts';
import { openSender } from './send-operation.ts';

/**
 * The demo's client: writes through the front door as fast as it is asked to, whatever happens behind it, and keeps the
 * ledger of what it was told. Its own process, so that neither the worker nor the demo can slow it down.
 *
 * `node scripts/demo/writer.ts --url URL --ledger FILE --rate N`; ends on SIGTERM, when what is under way is answered.
 */
const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    ledger: { type: 'string' },
    rate: { type: 'string', default: '600' },
  },
});

const slowestRetryMs = 1_000;

/** Hands out the moments at which operations may start: `rate` a second over all lanes. A stall of up to ten seconds is made up for. */
function pace(rate: number): () => Promise<void> {
  const everyMs = 1000 / rate;
  let nextMs = performance.now();
  return async () => {
    const nowMs = performance.now();
    nextMs = Math.max(nextMs + everyMs, nowMs - 10_000);
    if (nextMs - nowMs > 1) await sleep(nextMs - nowMs);
  };
}

async function runLane(lane: Lane, send: ReturnType<typeof openSender>, ledger: LedgerWriter, turn: () => Promise<void>, stop: AbortSignal): Promise<void> {
  const write = async (operation: Operation): Promise<LedgerLine['outcome']> => {
    const sentAt = new Date().toISOString();
    const { outcome, side } = await send(operation.changes);
    ledger.add({ ...operation, outcome, side, sentAt, at: new Date().toISOString() });
    lane.settle(operation, outcome === 'acknowledged');
    return outcome;
  };
  let retryMs = 50;
  while (!stop.aborted) {
    await turn();
    const outcome = await write(lane.next());
    if (outcome === 'acknowledged') retryMs = 50;
    else await sleep((retryMs = Math.min(retryMs * 2, slowestRetryMs)), undefined, { signal: stop }).catch(() => undefined);
  }
  await write(lane.last());
}

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());
const ledger = new LedgerWriter(values.ledger!);
const send = openSender(values.url!);
const rate = Number(values.rate);
const turn = pace(rate);
const prefix = Date.now().toString(36);
await Promise.all(Array.from({ length: lanesFor(rate) }, (_, lane) => runLane(new Lane(lane, prefix), send, ledger, turn, stopping.signal)));
ledger.close();
process.exit(0);
