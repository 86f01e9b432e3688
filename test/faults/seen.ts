import type { FaultId, PhaseId } from './matrix.ts';

const ofStore = ['store-killed', 'store-stopped', 'store-500', 'store-503', 'store-slow', 'connection-cut'] as const;
const ofProcesses = ['worker-killed', 'worker-stopped', 'data-plane-killed', 'data-plane-stopped', 'temporal-killed', 'temporal-stopped'] as const;

/**
 * Cells that `npm run test:faults` has shown green, by phase: a new one joins when it was seen to hold, so that the sample in
 * `npm test` tells of the product and not of a cell that nobody has watched.
 */
export const seen: Record<PhaseId, readonly FaultId[]> = {
  backup: [...ofProcesses, ...ofStore, 'mongod-killed', 'mongod-stopped', 'election', 'two-control-planes'],
  archive: [...ofProcesses, ...ofStore, 'mongod-killed', 'mongod-stopped', 'election', 'two-control-planes'],
  seal: [...ofProcesses, ...ofStore, 'two-control-planes'],
  restore: ['data-plane-killed', 'mongod-stopped', 'worker-stopped', 'mongod-killed', 'temporal-killed'],
  replay: ['store-503', 'connection-cut'],
  'index-build': ['worker-killed'],
  convert: ['worker-stopped', 'temporal-killed'],
  fence: ['worker-killed'],
  drain: ['data-plane-killed'],
  switch: ['worker-killed'],
};
