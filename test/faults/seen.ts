import type { FaultId, PhaseId } from './matrix.ts';

const ofStore = ['store-killed', 'store-stopped', 'store-500', 'store-503', 'store-slow', 'connection-cut'] as const;
const ofProcesses = ['worker-killed', 'worker-stopped', 'data-plane-killed', 'data-plane-stopped', 'temporal-killed', 'temporal-stopped'] as const;

/**
 * Cells that `npm run test:faults` has shown green, by phase: a new one joins when it was seen to hold, so that the sample in
 * `npm test` tells of the product and not of a cell that nobody has watched.
 */
export const seen: Record<PhaseId, readonly FaultId[]> = {
  backup: [...ofProcesses, ...ofStore, 'mongod-killed', 'mongod-stopped', 'election', 'two-control-planes', 'zombie', 'full-disk', 'clock-wrong'],
  archive: [...ofProcesses, ...ofStore, 'mongod-killed', 'mongod-stopped', 'election', 'two-control-planes', 'clock-wrong', 'oplog-rolls-over'],
  seal: [...ofProcesses, ...ofStore, 'two-control-planes', 'clock-wrong'],
  restore: ['data-plane-killed', 'data-plane-stopped', 'mongod-stopped', 'worker-stopped', 'mongod-killed', 'temporal-killed', 'store-500', 'full-disk'],
  replay: ['store-503', 'store-slow', 'connection-cut', 'data-plane-killed', 'mongod-killed', 'mongod-stopped'],
  'index-build': ['worker-killed'],
  convert: ['worker-stopped', 'temporal-killed'],
  fence: ['worker-killed'],
  drain: ['data-plane-killed'],
  switch: ['worker-killed'],
};
