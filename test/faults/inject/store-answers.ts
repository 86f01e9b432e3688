import { requireOneTry, sees, type Strike } from '../cell.ts';
import type { StoreRequest, Trouble } from '../../harness/store-proxy.ts';
import { readsAtWork } from '../read-status.ts';
import { until } from '../../harness/until.ts';
import { isDone, isGet, isPut } from '../phases/requests.ts';

/** Bodies travel with these. */
const ofData = (of: StoreRequest): boolean => (isPut(of) || isGet(of)) && of.key !== '';

/** Every request is refused until a person has been told. */
const refusing = (status: number): Strike => async (bench, middle) => {
  bench.stack.store.trouble(() => ({ kind: 'answer', status }));
  middle.release();
  const seen = await sees(bench, middle, /StoreUnavailable|waiting for the store/).finally(() => bench.stack.store.trouble(undefined));
  return { seen };
};

export const answer500 = refusing(500);
export const answer503 = refusing(503);

const slowMs = 4_000;

/** Each answer takes as long as a bad link makes it take; that is no failure, and the work goes on. */
export const slow: Strike = async (bench, middle) => {
  const troubled: StoreRequest[] = [];
  bench.stack.store.trouble((of) => troubleOnce(troubled, of, { kind: 'slow', overMs: slowMs }, 3));
  middle.release();
  try {
    await readsAtWork(bench, middle);
    await until('an object that came slowly is whole', () => troubled.some(isDone));
  } finally {
    bench.stack.store.trouble(undefined);
  }
  return { seen: `nothing fails: ${await requireOneTry(bench, middle)}` };
};

/** Half of a body, and the connection is gone. The next request finds a store that works. */
export const cut: Strike = async (bench, middle) => {
  const troubled: StoreRequest[] = [];
  bench.stack.store.trouble((of) => troubleOnce(troubled, of, { kind: 'cut' }, 2));
  await readsAtWork(bench, middle);
  middle.release();
  await until('two bodies were cut', () => troubled.length === 2).finally(() => bench.stack.store.trouble(undefined));
  return { seen: `mended by another request: ${await requireOneTry(bench, middle)}` };
};

function troubleOnce(troubled: StoreRequest[], of: StoreRequest, trouble: Trouble, times: number): Trouble | undefined {
  if (!ofData(of) || troubled.length >= times) return undefined;
  troubled.push(of);
  return trouble;
}
