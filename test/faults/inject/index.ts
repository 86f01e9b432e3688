import type { Strike } from '../cell.ts';
import type { FaultId } from '../matrix.ts';
import { killDataPlane, killMongod, killStore, killTemporal, killWorker, stopDataPlane, stopMongod, stopStore, stopTemporal, stopWorker } from './processes.ts';
import { answer500, answer503, cut, slow } from './store-answers.ts';

/** How each fault is done; one that is not here is not built yet, and its cells say so. */
export const strike: Partial<Record<FaultId, Strike>> = {
  'worker-killed': killWorker,
  'worker-stopped': stopWorker,
  'data-plane-killed': killDataPlane,
  'data-plane-stopped': stopDataPlane,
  'mongod-killed': killMongod,
  'mongod-stopped': stopMongod,
  'store-killed': killStore,
  'store-stopped': stopStore,
  'store-500': answer500,
  'store-503': answer503,
  'store-slow': slow,
  'connection-cut': cut,
  'temporal-killed': killTemporal,
  'temporal-stopped': stopTemporal,
};
