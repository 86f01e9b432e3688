import type { FoundDeployment } from '../domain/deployment.ts';
import type { RecoveryPoint } from '../domain/recovery-point.ts';
import type { Commanded, Directed, SourceRef } from './refs.ts';

/** What touches production beside the data: the application, the old primary, the traffic. */
export interface ProductionActivities {
  /** Which version ran where the source lived at a recovery point, and what runs at its target now. Only looks. */
  proposeDeployment(input: { system: string; point: PointMoment; environment: string }): Promise<FoundDeployment>;

  /**
   * Runs the deployer's program, sees by `current` (where there is one) that the version runs, then records it. Twice: deploys and records once more.
   * @throws ToolFailed, ToolMissing - the program. ValidationFailed - it ended well, and another version runs. Unsupported - people deploy.
   */
  deployVersion(input: Commanded & { system: string; id: string; version: string; environment: string; by: string | null; why: string }): Promise<{ summary: string }>;

  /** Runs one of the system file's commands by its name. Twice: runs it again. @throws ToolFailed, ToolMissing, BadSystemFile. */
  runCommand(input: Commanded & { system: string; command: string; undo?: boolean | undefined; environment: string; run: string; purpose: string }): Promise<{ summary: string }>;

  /** Takes the old primary's power to write. Safe to repeat: fencing a fenced primary proves it again. */
  fencePrimary(input: SourceRef & Commanded & Directed & { run: string }): Promise<FenceResult>;

  /**
   * After the drain: shuts the fenced primary down and marks its directory, so that it cannot be started as it was.
   * Its data and log stay on disk. Safe to repeat. Best called once nothing needs the old log any more.
   * @throws FenceFailed - another run fenced it, or it is not fenced yet.
   */
  retirePrimary(input: SourceRef & Commanded & Directed & { run: string }): Promise<FenceResult>;

  /**
   * Undo of fencePrimary and retirePrimary, only before the switch: the old primary may be elected and write again.
   * Only what this run fenced; a server whose process was gone stays gone, only its configuration comes back.
   */
  unfencePrimary(input: SourceRef & Commanded & Directed & { run: string }): Promise<{ summary: string }>;

  /**
   * Knocks at the old primary, and changes nothing. `over`: the source lives there again, or the system file tells of
   * another place, so nothing there may be fenced.
   * @param timeline - the one that was left behind; null: none yet, a run that has fenced nothing asks.
   */
  probeOldPrimary(input: SourceRef & Directed & { environment: string; timeline: string | null }): Promise<OldPrimaryProbe>;

  /** Lets `percent` of requests through to `environment`; 0 answers maintenance to all. Safe to repeat. */
  admitTraffic(input: Commanded & { system: string; environment: string; percent: number }): Promise<TrafficState>;

  /** Which side traffic goes to now, as the switch itself says. */
  readTraffic(input: { system: string }): Promise<TrafficState>;

  /** Asks the environment's health address until it was healthy for `watchMs` on end. @throws ValidationFailed when it is not. */
  watchHealth(input: { system: string; environment: string; watchMs: number; withinMs: number }): Promise<HealthResult>;
}

/** The moment of a recovery point, and the timeline that says where its source lived then. */
export type PointMoment = Pick<RecoveryPoint, 'source' | 'timeline' | 'reachesAt'>;

export interface FenceResult {
  /** proved: a write was refused or the platform confirms it is off; isolated: every path we control is cut; unproved */
  outcome: 'proved' | 'isolated' | 'unproved';
  /** whether the old primary's log can still be read, so that the tail can be drained */
  logReachable: boolean;
  /** what was done and seen, a sentence each */
  evidence: string[];
  fencedAt: string;
}

export interface OldPrimaryProbe {
  /** open: something listens; refused: nothing does; silent: no answer at all */
  heard: 'open' | 'refused' | 'silent';
  /** it said that it takes writes; null: it did not speak */
  takesWrites: boolean | null;
  /** for people */
  seen: string;
  /** why there is nothing to watch any more; null: there is */
  over: string | null;
  at: string;
}

export interface TrafficState {
  environment: string | null;
  percent: number;
  changedAt: string;
}

export interface HealthResult {
  healthyForMs: number;
  checks: number;
  /** when the new side first acknowledged a write made through the switch; null when the application does not say */
  firstAcceptedWriteAt: string | null;
}
