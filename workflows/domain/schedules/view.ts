/** A schedule of a system, as people ask for it. Times are UTC ISO. */
export interface ScheduleView {
  id: string;
  when: string;
  starts: string;
  /** why nothing starts; null: it is not paused */
  paused: string | null;
  /** the next three; of one that is paused those at which it would */
  next: string[];
  last: LastStart | null;
  /** starts that came while the one before still ran */
  skippedOverlap: number;
  /** starts that were missed for longer than the catch-up window */
  missed: number;
}

export interface LastStart {
  dueAt: string;
  workflowId: string;
  /** as Temporal calls it: COMPLETED, FAILED, RUNNING */
  status: string;
  /** why it failed or was skipped */
  why: string | null;
}
