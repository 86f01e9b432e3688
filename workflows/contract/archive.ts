import type { DivergedReport } from '../domain/diverged.ts';
import type { LogPosition } from '../domain/log-position.ts';
import type { Directed, SourceRef } from './refs.ts';

/** On `archive/<site>`: the log, and what stands for long. */
export interface ArchiveActivities {
  /**
   * Holds the snapshot that a base is read at, for an engine whose snapshot dies with its session: until it is cancelled, which is its only good
   * end. `planDump` of the same backup finds it at the server. Never tried again: another session's snapshot is of another moment.
   * @throws SnapshotLost - the session ended: what was read is of a moment that nobody reads any more. What keeps it from being opened.
   */
  holdSnapshot(input: SourceRef & { backup: string }): Promise<void>;

  /**
   * Tails the log into slices for up to `forMs`, then returns. Goes on from the bucket's last slice, whoever wrote it.
   * Heartbeats `ArchiveHeartbeat`. Returns early on a gap, so that the workflow can ask for a new base.
   */
  archiveLog(input: SourceRef & { epoch: number; forMs: number }): Promise<ArchiveOutcome>;

  /** After the fence: archives what the fenced primary still holds. `drained` false: its log cannot be read any more. */
  drainLog(input: SourceRef & { epoch: number; timeline: string }): Promise<{ drained: boolean; to: LogPosition | null; note: string }>;

  /**
   * Reads what the fenced old primary took from `limit` on: from the server where it can be read, else from its data
   * directory. The whole entries go to the store, encrypted. Changes nothing; twice: another version of the same objects.
   * @throws SourceUnavailable - neither can be read; says why.
   */
  readDivergedWrites(input: SourceRef & Directed & { run: string; environment: string; timeline: string; limit: LogPosition; logReachable: boolean }): Promise<DivergedReport>;

  /** Starts the log of a recovered source: a new timeline whose parent is the old one. Twice: adopts the one it made. */
  startTimeline(input: SourceRef & { epoch: number; run: string; parent: { timeline: string; limit: LogPosition }; environment: string }): Promise<{ timeline: string }>;

  /** Writes a canary to the source, and waits until a slice that holds it was read back from the store. */
  proveArchive(input: SourceRef & { run: string; withinMs: number }): Promise<{ proved: boolean; position: LogPosition; tookMs: number }>;
}

export interface ArchiveHeartbeat {
  phase: string;
  timeline: string;
  archivedTo: LogPosition;
  archivedToAt: string;
  lagMs: number;
  /** until it is up to date, by how fast it came nearer of late; null: it does not come nearer */
  caughtUpInMs: number | null;
  slices: number;
  /** stored */
  bytes: number;
  entries: number;
}

export interface ArchiveOutcome {
  why: 'handover' | 'gap' | 'election' | 'superseded';
  timeline: string;
  archivedTo: LogPosition;
  slices: number;
  entries: number;
  gap: { from: LogPosition; to: LogPosition; why: string } | null;
}
