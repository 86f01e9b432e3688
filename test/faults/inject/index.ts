import type { Strike } from '../cell.ts';
import type { FaultId } from '../matrix.ts';
import { jump } from './clock.ts';
import { supersede } from './control-planes.ts';
import { fillDisk } from './disk.ts';
import { elect } from './election.ts';
import { killDataPlane, killMongod, killStore, killTemporal, killWorker, stopDataPlane, stopMongod, stopStore, stopTemporal, stopWorker } from './processes.ts';
import { zombie } from './zombie.ts';
import { answer500, answer503, cut, slow } from './store-answers.ts';

/** How each fault is done; one that is not here is done by cells of its own (special/). */
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
  'full-disk': fillDisk,
  election: elect,
  'clock-wrong': jump,
  zombie,
  'two-control-planes': supersede,
};
