import { formatLogPosition } from './log-position.ts';
import type { RunTarget } from './run-state.ts';

/** Which recovery point a run goes to, in words. */
export function describeTarget(target: RunTarget): string {
  const older = target.older ? `, by an older base (${target.older} given up)` : '';
  const on = target.timeline ? ` of timeline ${target.timeline}` : '';
  if (target.targetTime) return `${target.targetTime}${on}${older}`;
  if (target.targetPosition) return `before position ${formatLogPosition(target.targetPosition)}${on}${older}`;
  return target.point ? `base ${target.point}` : `the ${on ? `end${on}` : 'latest'}${older}`;
}
