import type { BackupScope, TimelineScope } from '../../workflows/domain/layout.ts';
import type { LogPosition } from '../../workflows/domain/log-position.ts';

/**
 * Encryption contexts: authenticated words beside the ciphertext that say what and where it is. A part that was copied
 * over another part, a slice of another timeline, a key of another backup: each decrypts only under its own words.
 * Part of the format: see docs/format.md. All values are strings.
 */

export interface PartPlace {
  unit: string;
  range: string;
  index: number;
}

export interface SlicePlace {
  from: LogPosition;
  to: LogPosition;
  epoch: number;
}

export const partContext = (of: BackupScope, part: PartPlace): Record<string, string> => ({
  holdfast: 'part',
  system: of.system,
  source: of.source,
  timeline: of.timeline,
  backup: of.backup,
  unit: part.unit,
  range: part.range,
  index: String(part.index),
});

export const sliceContext = (of: TimelineScope, slice: SlicePlace): Record<string, string> => ({
  holdfast: 'slice',
  system: of.system,
  source: of.source,
  timeline: of.timeline,
  from: slice.from,
  to: slice.to,
  epoch: String(slice.epoch),
});

/** Entries of an old primary's log that the recovered data does not hold; sealed under an archive key of the old timeline. */
export const divergedContext = (of: TimelineScope, entries: { run: string; from: LogPosition; to: LogPosition }): Record<string, string> => ({
  holdfast: 'diverged',
  system: of.system,
  source: of.source,
  timeline: of.timeline,
  run: entries.run,
  from: entries.from,
  to: entries.to,
});

/** What a backup's key is wrapped under. */
export const backupKeyContext = (of: BackupScope): Record<string, string> => ({
  holdfast: 'backup-key',
  system: of.system,
  source: of.source,
  timeline: of.timeline,
  backup: of.backup,
});

/** What an hourly key of slices is wrapped under. */
export const archiveKeyContext = (of: TimelineScope): Record<string, string> => ({
  holdfast: 'archive-key',
  system: of.system,
  source: of.source,
  timeline: of.timeline,
});
