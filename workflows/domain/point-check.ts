import { formatLogPosition, type LogPosition } from './log-position.ts';
import { describeMark } from './point-mark.ts';
import type { RecoveryPoint } from './recovery-point.ts';
import { formatBytes, formatDuration } from './units.ts';

/** What was read of a recovery point before anything was touched. What was not read is authenticated when it is used. */
export interface PointCheck {
  tookMs: number;
  /** stored bytes that were read and authenticated: base and log */
  bytes: number;
  parts: { read: number; of: number };
  /** `to`: up to here the log was read; null: there was no time for any, or none is needed */
  log: { slices: number; to: LogPosition | null; whole: boolean };
  /** what was not believed and is not needed: the same moment is reached without it. At most ten of `passedOverCount` */
  passedOver: { key: string; why: string }[];
  passedOverCount: number;
}

export interface CheckedPoint extends RecoveryPoint {
  /** left out: chosen by an earlier version */
  checked?: PointCheck;
}

/** What was checked and what was not, in a sentence. */
export function describeCheck({ checked, base }: CheckedPoint): string {
  if (!checked) return '';
  const { parts, log } = checked;
  const left = [
    ...(parts.read < parts.of ? [`${parts.of - parts.read} of ${parts.of} parts (listed at their versions)`] : []),
    ...(log.whole ? [] : [log.to === null ? 'the log' : `the log after ${formatLogPosition(log.to)}`]),
  ];
  const read = `read and authenticated ${parts.read} parts and ${log.slices} slices (${formatBytes(checked.bytes)}) in ${formatDuration(checked.tookMs)}`;
  const rest = left.length === 0 ? ': all of it' : `; not ${left.join(', nor ')}: these are authenticated when they are used`;
  const damaged = checked.passedOver.map(({ key, why }) => `${key}: ${why}`).join('; ');
  const more = checked.passedOverCount > checked.passedOver.length ? `; and ${checked.passedOverCount - checked.passedOver.length} more` : '';
  const marked = base.mark ? `. Base ${base.backup} is ${describeMark(base.mark)}` : '';
  return `${read}${rest}${damaged ? `. Not believed, and not needed: ${damaged}${more}` : ''}${marked}`;
}
