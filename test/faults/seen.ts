import type { FaultId, PhaseId } from './matrix.ts';

const ofStore = ['store-killed', 'store-stopped', 'store-500', 'store-503', 'store-slow', 'connection-cut'] as const;
const ofProcesses = ['worker-killed', 'worker-stopped', 'data-plane-killed', 'data-plane-stopped', 'temporal-killed', 'temporal-stopped'] as const;

/**
 * Cells that `npm run test:faults` has shown green three times, by phase, of those that take a minute at most on a machine that does nothing
 * else: the sample in `npm test` tells of the product, not of a cell that nobody has watched, and nobody waits for it.
 */
export const seen: Record<PhaseId, readonly FaultId[]> = {
  backup: [...ofProcesses, ...ofStore, 'mongod-killed', 'mongod-stopped', 'two-control-planes', 'full-disk', 'clock-wrong'],
  archive: [...ofProcesses, ...ofStore, 'mongod-killed', 'mongod-stopped', 'two-control-planes', 'clock-wrong'],
  seal: [...ofProcesses, ...ofStore, 'two-control-planes', 'clock-wrong'],
  restore: [...ofProcesses, ...ofStore, 'mongod-killed', 'mongod-stopped', 'clock-wrong'],
  replay: [...ofProcesses, 'mongod-killed', 'mongod-stopped', 'store-killed', 'store-500', 'store-503', 'store-slow', 'connection-cut', 'clock-wrong'],
  'index-build': [...ofProcesses, 'mongod-killed', 'clock-wrong'],
  convert: ['worker-killed', 'worker-stopped', 'temporal-killed', 'temporal-stopped', 'mongod-killed', 'clock-wrong'],
  fence: ['worker-killed', 'temporal-killed', 'mongod-stopped', 'clock-wrong'],
  drain: ['worker-killed', 'data-plane-killed', 'data-plane-stopped', 'temporal-killed', 'mongod-killed', 'mongod-stopped', 'store-stopped', 'store-503', 'connection-cut', 'clock-wrong'],
  switch: ['worker-killed', 'worker-stopped', 'temporal-killed', 'temporal-stopped', 'clock-wrong'],
};
