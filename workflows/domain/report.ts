import type { FenceResult, ValidationResult } from '../contract.ts';
import type { RecoveryPoint } from './recovery-point.ts';
import type { RunState } from './run-state.ts';

/** The report of a run: what the workflow returns, what the store keeps, what the page shows. */
export interface RunReport {
  format: 1;
  system: string;
  title: string;
  workflowId: string;
  runId: string;
  outcome: 'done' | 'done, fence unproved' | 'aborted' | 'failed';
  incidentAt: string;
  finishedAt: string;
  /** achieved: incident to service on the new side; machine + human = achieved (human: a gate or a paused run waited). */
  rto: { objectiveMs: number; achievedMs: number | null; machineMs: number; humanMs: number; met: boolean | null };
  /** achieved: incident minus the wall clock of the last entry really applied. */
  rpo: { objectiveMs: number; achievedMs: number | null; met: boolean | null };
  points: RecoveryPoint[];
  fence: Record<string, FenceResult>;
  validation: ValidationResult[];
  state: RunState;
  warnings: string[];
}
