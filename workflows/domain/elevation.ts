import { hours } from './units.ts';

/** The gate of an elevation, and the step that opens it. */
export const elevationGate = 'elevation';

export const defaultElevationMs = hours(8);

/** A right that a run lends to whoever asked for it: until then, or until the run ends. */
export interface Elevation {
  person: string;
  /** the step that asked for it; named to ask anew */
  step: string;
  /** names, and what proved them */
  approvedBy: string[];
  at: string;
  /** what the approvers were told: who asks, for what, and why */
  reason: string;
  until: string;
}

/** Nothing that this person commands the run is obeyed any more, until they are elevated anew. */
export const hasLapsed = (elevation: Elevation | undefined, at: string): elevation is Elevation => elevation !== undefined && elevation.until <= at;
