import type { StepState } from '../domain/run-state.ts';
import { formatDuration } from '../domain/units.ts';
import type { PlannedStep, RunCommand, RunSnapshot, StepTrack } from './run-types.ts';

const warningsLength = 100;

const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** A copy of a snapshot while one event changes it, and the commands that come of it. Lives no longer than one event. */
export class Draft {
  readonly snapshot: RunSnapshot;
  readonly commands: RunCommand[] = [];
  readonly at: string;

  constructor(snapshot: RunSnapshot, at: string) {
    const { state, ...rest } = snapshot;
    const { journal, ...more } = state;
    // A line never changes once it is written. Thousands of messages may come with one task, and their lines leave the state only behind it: copied
    // for each message, they would take longer than a task may, and the run would stand still.
    this.snapshot = { ...copyOf(rest), state: { ...copyOf(more), journal: [...journal] } };
    this.at = at;
  }

  step(id: string): StepState | undefined {
    return this.snapshot.state.steps.find((step) => step.id === id);
  }

  track(id: string): StepTrack {
    return this.snapshot.tracks[id]!;
  }

  planned(id: string): PlannedStep {
    return this.snapshot.plan.find((step) => step.id === id)!;
  }

  note(about: string, what: string, by: string | null = null): void {
    const { state } = this.snapshot;
    state.journal.push({ at: this.at, about, what, by });
  }

  warn(about: string, what: string): void {
    const { state } = this.snapshot;
    this.note(about, what);
    const warning = about === 'run' ? what : `${about}: ${what}`;
    if (!state.warnings.includes(warning)) state.warnings = [...state.warnings, warning].slice(-warningsLength);
  }

  warnForecast(forecastMs: number, basis: string): void {
    const { rtoObjectiveMs } = this.snapshot.state;
    this.warn('run', `forecast ${formatDuration(forecastMs)}: ${formatDuration(forecastMs - rtoObjectiveMs)} past the objective of ${formatDuration(rtoObjectiveMs)} (${basis})`);
  }

  /** Closes the clock of the try that was running. */
  stopStep(step: StepState): void {
    const track = this.track(step.id);
    if (track.tryStartedAt !== null) step.elapsedMs += Math.max(0, Date.parse(this.at) - Date.parse(track.tryStartedAt));
    track.tryStartedAt = null;
    step.endedAt = this.at;
  }
}
