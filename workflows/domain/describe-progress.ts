import type { Progress, ProgressUnit } from './progress.ts';
import { formatBytes, formatDuration } from './units.ts';

const count = (n: number, unit: ProgressUnit): string => (unit === 'ms' ? formatDuration(n) : unit === 'bytes' ? formatBytes(Math.round(n)) : Math.round(n).toLocaleString('en-US'));

function amount({ done, of, unit }: Progress): string {
  const named = unit === 'bytes' || unit === 'ms' ? '' : ` ${unit}`;
  if (of === 0) return done === 0 ? '' : `${count(done, unit)}${named} so far`;
  return `${count(done, unit)} of ${count(of, unit)}${named}`;
}

/**
 * Progress as people read it, a fact each: `61.3%`, `8.4 GiB of 13.7 GiB`, `41m00s of 1h52m of log`, `120.0 MiB/s`, `6m00s left`, and of
 * work in phases `43.0% of all, 14m00s left`.
 * What is not known says so while there is something to know it of.
 */
export function describeProgress(progress: Progress): string[] {
  const { percent, perSecond, leftMs, log, unit, whole } = progress;
  return [
    percent === null ? '' : `${percent.toFixed(1)}%`,
    amount(progress),
    log ? `${formatDuration(log.doneSeconds * 1000)} of ${formatDuration(log.ofSeconds * 1000)} of log` : '',
    perSecond === null || unit === 'ms' ? '' : `${count(perSecond, unit)}/s`,
    leftMs !== null ? `${formatDuration(leftMs)} left` : percent !== null && percent < 100 ? 'time left not known yet' : '',
    whole ? `${whole.percent.toFixed(1)}% of all${whole.leftMs === null ? '' : `, ${formatDuration(whole.leftMs)} left`}` : '',
  ].filter((fact) => fact !== '');
}

/** Of a whole run, by its forecast: `61% of it has passed, 6m00s left`. A person who is waited for does not count until he has come. */
export function describeShare(passedMs: number, forecastMs: number): string {
  if (passedMs >= forecastMs) return 'its time has passed';
  return `${Math.floor((100 * passedMs) / forecastMs)}% of it has passed, ${formatDuration(forecastMs - passedMs)} left`;
}
