import type { ArchiveHeartbeat } from '../contract.ts';
import { formatBytes, formatDuration } from './units.ts';

/** An archive's heartbeat, as the worker sends it: what the job says, and the rate that was made of it. */
export type ArchiveHeartbeatSeen = ArchiveHeartbeat & { perSecond: number | null };

/** Behind by less than this an archive that writes keeps up: a slice that is open, and one that is on its way. */
const keepsUpMs = 10_000;

/** An archive has no end, so no percent: what it has done since its round began, how fast, and how long until it has caught up. */
export function describeArchiving({ phase, entries, bytes, slices, lagMs, caughtUpInMs, perSecond }: ArchiveHeartbeatSeen): string[] {
  const toCatchUp = caughtUpInMs === null ? 'not catching up' : `caught up in ${formatDuration(caughtUpInMs)}`;
  const late = `${formatDuration(lagMs)} of log behind`;
  const behind = phase !== 'archiving' ? [late] : lagMs < keepsUpMs ? ['keeps up'] : [late, toCatchUp];
  return [phase, `${entries.toLocaleString('en-US')} entries, ${formatBytes(bytes)} in ${slices} slices`, ...(perSecond === null ? [] : [`${Math.round(perSecond).toLocaleString('en-US')} entries/s`]), ...behind];
}
