import type { Problem, Readiness, SourceReadiness } from './readiness.ts';
import { formatDuration } from './units.ts';
import { describeScope } from './verification.ts';

/** The answer in lines: the verdict first, what is wrong, then what would be had. For a terminal, and for the details in the UI. */
export function describeReadiness(of: Readiness): { heading: string; problems: string[]; lines: string[] } {
  return {
    heading: `${of.system}: ${of.verdict.toUpperCase()}   if disaster struck now: ${inShort(of)}`,
    problems: [...of.problems.map(describeProblem), ...(of.problemCount > of.problems.length ? [`… and ${of.problemCount - of.problems.length} more`] : [])],
    lines: [
      ...of.sources.flatMap(describeSource),
      `forecast RTO: ${of.forecastMs === null ? 'not known' : `${formatDuration(of.forecastMs)} of ${formatDuration(of.rtoObjectiveMs)} (${of.forecastBasis ?? 'no basis'})`}`,
      `last drill: ${of.lastDrill === null ? 'none' : `${of.lastDrill.result} at ${of.lastDrill.at}${of.lastDrill.rtoMs === null ? '' : `, RTO ${formatDuration(of.lastDrill.rtoMs)}`}${of.lastDrill.why === null ? '' : `: ${of.lastDrill.why}`}`}`,
      `looked at ${of.at}`,
    ],
  };
}

/** `service back in 41m of 1h00m, 4s of writes lost`: what an operator wants to know. */
export function inShort({ sources, forecastMs, rpoMs, rtoObjectiveMs, rpoObjectiveMs }: Readiness): string {
  if (sources.length === 0) return 'nobody knows';
  if (sources.some(({ newest }) => newest === null)) return 'not all of it could be recovered';
  const back = forecastMs === null ? 'how long it would take is not known' : `service back in ${formatDuration(forecastMs)} of ${formatDuration(rtoObjectiveMs)}`;
  return `${back}, ${rpoMs === null ? 'what would be lost is not known' : `${formatDuration(rpoMs)} of writes lost, of ${formatDuration(rpoObjectiveMs)} at most`}`;
}

export const describeProblem = ({ makes, what, since, hint }: Problem): string => `${makes}: ${what}; since ${since}${hint === null ? '' : `; ${hint}`}`;

function describeSource({ source, newest, oldestAt, windows, rpoMs, base, openGaps, gaps, verified, keys }: SourceReadiness): string[] {
  if (!newest) return [`${source}: no good recovery point`];
  const age = base ? `, base ${base.backup} of ${base.at} (${formatDuration(base.ageMs)} ago)` : '';
  return [
    `${source}: newest recovery point ${newest.toAt}, loss now ${rpoMs === null ? 'not known' : formatDuration(rpoMs)}`,
    `${source}: any moment from ${newest.fromAt} to ${newest.toAt}${age}; ${windows} bases, the oldest moment ${oldestAt ?? '-'}; ${gaps} gaps${openGaps.length > 0 ? `, ${openGaps.length} of them open` : ''}`,
    ...describeKeys(source, keys),
    `${source}: last verified ${verified === null ? 'not of late' : `${verified.at}: ${describeScope[verified.scope]}`}`,
  ];
}

function describeKeys(source: string, keys: SourceReadiness['keys']): string[] {
  if (!keys || (keys.checked === null && keys.offline.length === 0)) return [];
  const offline = keys.offline.map(({ recipient, provedAt }) => `${recipient} ${provedAt === null ? 'never proved' : `proved ${provedAt}`}`);
  return [`${source}: ${[...(keys.checked ? [`keys looked at ${keys.checked.at}: ${keys.checked.ok ? 'every one opens' : `${keys.checked.problemCount} problems`}`] : []), ...offline].join('; ')}`];
}
