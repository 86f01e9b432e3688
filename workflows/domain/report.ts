import type { FenceResult, ValidationResult } from '../contract.ts';
import type { ObjectRef } from './stored-object.ts';
import type { RecoveryPoint } from './recovery-point.ts';
import type { RunState } from './run-state.ts';

/** The report of a run: what the workflow returns, what the store keeps, what the page shows. */
export interface RunReport {
  format: 1;
  system: string;
  title: string;
  workflowId: string;
  runId: string;
  /** partial: chosen namespaces only, no traffic was moved; with steps skipped: people went on without some step, or the newest result of a validator that gates does not hold */
  outcome: 'done' | 'done, partial' | 'done, with steps skipped' | 'done, fence unproved' | 'aborted' | 'failed' | 'goes on';
  incidentAt: string;
  finishedAt: string;
  /** achieved: incident to service on the new side, of a drill to where the switch would be; machine + human = achieved (human: a gate or a paused run waited). */
  rto: { objectiveMs: number; achievedMs: number | null; machineMs: number; humanMs: number; met: boolean | null };
  /** achieved: incident minus the wall clock of the last entry really applied. */
  rpo: { objectiveMs: number; achievedMs: number | null; met: boolean | null };
  points: RecoveryPoint[];
  fence: Record<string, FenceResult>;
  /** what goes on after the report, by source; left out: written by an earlier version */
  watches?: Record<string, WatchPlace> | undefined;
  validation: ValidationResult[];
  state: RunState;
  warnings: string[];
  /** what became of the place that a drill restored to, by source; left out: no drill, or it was written before that was known */
  cleanup?: Record<string, { removed: boolean; summary: string }> | undefined;
  /** what a drill restored whole and compared with base and log, by source: the verifications that it counts as; left out: no drill */
  compared?: ComparedSource[] | undefined;
  /** only where a ledger of acknowledgements was kept outside the system, as the demo's writer does */
  writes?: WritesReport | undefined;
}

export interface ComparedSource {
  source: string;
  backup: string;
  manifest: ObjectRef;
  /** every collection equals what base and log say */
  ok: boolean;
  slices: number;
  /** as stored: base and log */
  bytes: number;
  problems: string[];
}

/** The workflow that looks after an old primary, for longer than any report can tell of. */
export interface WatchPlace {
  workflowId: string;
  /** UTC ISO */
  endsAt: string;
}

/** What became of acknowledged writes, by comparing a ledger kept outside the system with the recovered data. */
export interface WritesReport {
  /** acknowledged by the old primary, before the incident */
  acknowledged: number;
  /** of these, not found in the recovered data */
  lost: number;
  /** age at the incident of the newest lost one and of the oldest; null: none is lost */
  newestLostAgeMs: number | null;
  oldestLostAgeMs: number | null;
  /** sent, but neither acknowledged nor refused: may be there or not, and count as neither */
  unknown: number;
  /** acknowledged by the new side after the switch */
  acknowledgedAfterSwitch: number;
  /** what happened when the old primary was started again and written to */
  oldPrimary: string;
}
