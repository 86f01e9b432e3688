import type { ErrorType } from './errors.ts';
import { formatLogPosition } from './log-position.ts';
import type { KeysReadiness, Problem, ProblemKind, Readiness, ReadinessFacts, SourceReadiness, Verdict } from './readiness.ts';
import type { Finding } from './recovery-plan.ts';
import { formatDuration, minutes } from './units.ts';

/** Servers of a company are within seconds of each other, and a store's clock is known to five minutes: more than this is a clock that is wrong. */
const clockLimitMs = minutes(10);

const shownProblems = 40;

/** What is wrong, before it is dated by the check before. */
export type FoundProblem = Omit<Problem, 'since' | 'hint'> & { since?: string | undefined; hint?: string | null };
type Found = FoundProblem;

/**
 * Judges what was gathered. Pure.
 *
 * @param before - problems of the check before: one that goes on keeps its beginning.
 * @param further - problems that only whoever judges knows of.
 */
export function judgeReadiness(facts: ReadinessFacts, before: readonly Problem[] = [], further: readonly Found[] = []): Readiness {
  const { findings: _findings, drillsOverdue: _drills, keysOverdue: _keys, unread: _unread, ...told } = facts;
  const found = [...facts.sources.flatMap((source) => problemsOf(source, facts)), ...systemProblems(facts), ...findingProblems(facts), ...further];
  const problems = dated(found, before, facts.at);
  const rpos = facts.sources.map(({ rpoMs }) => rpoMs);
  return {
    format: 1,
    ...told,
    verdict: verdictOf(problems),
    rpoMs: rpos.length === 0 || rpos.includes(null) ? null : Math.max(...rpos.map((ms) => ms!)),
    problems: problems.slice(0, shownProblems),
    problemCount: problems.length,
  };
}

/** The answer of a check that came to nothing: nobody knows, so it is not ready. What was known before stays beside it. */
export function unknownReadiness(before: Readiness | null, { system, at, kind, what, hint = null }: { system: string; at: string; kind: 'file' | 'check'; what: string; hint?: string | null }): Readiness {
  const problems = dated([{ kind, source: null, key: kind, what, hint, makes: 'not ready' }], before?.problems ?? [], at);
  const empty: Readiness = { format: 1, system, title: system, verdict: 'not ready', at, rtoObjectiveMs: 0, rpoObjectiveMs: 0, forecastMs: null, forecastBasis: null, rpoMs: null, sources: [], lastDrill: null, clocks: [], problems, problemCount: 1 };
  if (!before) return empty;
  const others = before.problems.filter(({ key }) => key !== kind && key !== (kind === 'file' ? 'check' : 'file'));
  return { ...before, verdict: 'not ready', problems: [...problems, ...others].slice(0, shownProblems), problemCount: problems.length + others.length };
}

const worst: Record<Problem['makes'], number> = { 'not ready': 0, 'at risk': 1 };
const verdictOf = (problems: readonly Problem[]): Verdict => problems[0]?.makes ?? 'ready';

/** The worst first; of two with the same key the first. */
function dated(found: readonly Found[], before: readonly Problem[], at: string): Problem[] {
  const once = new Map(found.map((problem) => [problem.key, problem] as const).reverse());
  const problems = [...once.values()].reverse().map(({ hint = null, since, ...problem }) => ({ ...problem, hint, since: before.find(({ key }) => key === problem.key)?.since ?? since ?? at }));
  return problems.sort((a, b) => worst[a.makes] - worst[b.makes]);
}

function problemsOf(of: SourceReadiness, { at, rpoObjectiveMs }: ReadinessFacts): Found[] {
  const { source, newest, rpoMs, rpoNote, base, baseDueAt, openGaps, disbelieved, lost } = of;
  const problem = (kind: ProblemKind, makes: Problem['makes'], what: string, more: Partial<Found> = {}): Found => ({ kind, source, key: `${kind}/${source}`, what: `${source}: ${what}`, makes, ...more });
  const problems: Found[] = [];
  if (!newest) problems.push(problem('point', 'not ready', 'no good recovery point: nothing could be recovered', { hint: 'holdfast backup' }));
  if (rpoMs === null) problems.push(problem('rpo', 'at risk', `nobody knows what would be lost: ${rpoNote ?? 'the source does not answer'}`));
  else if (rpoMs > rpoObjectiveMs) problems.push(problem('rpo', 'at risk', `${formatDuration(rpoMs)} of writes would be lost, past the objective of ${formatDuration(rpoObjectiveMs)}${rpoNote ? `: ${rpoNote}` : ''}`, { since: new Date(Date.parse(at) - rpoMs).toISOString() }));
  for (const gap of openGaps.slice(-3)) {
    problems.push(problem('gap', 'at risk', `log is lost from ${formatLogPosition(gap.from)} to ${formatLogPosition(gap.to)} (${gap.why}), and no base was taken behind it`, { key: `gap/${source}/${gap.timeline}/${gap.to}`, hint: 'holdfast backup' }));
  }
  if (base && baseDueAt !== null && base.at < baseDueAt) {
    problems.push(problem('base', 'at risk', `the newest base is ${formatDuration(base.ageMs)} old (${base.at}), and by its schedule one was due at ${baseDueAt}`, { since: baseDueAt, hint: 'holdfast schedules' }));
  }
  if (of.keys) problems.push(...keyProblems(source, of.keys, problem));
  if (lost.length > 0) problems.push(problem('bucket', 'at risk', `THE STORE WAS CHANGED, and not by Holdfast: ${lost.slice(0, 3).join('; ')}${lost.length > 3 ? `; and ${lost.length - 3} more` : ''}`, { hint: 'look who did it; signal accept to ready/<system> once it is known' }));
  else if (disbelieved.length > 0) problems.push(problem('bucket', 'at risk', `not believed: ${disbelieved.slice(0, 3).map(({ key, why }) => `${key}: ${why}`).join('; ')}`, { key: `disbelieved/${source}`, hint: 'holdfast verify' }));
  return problems;
}

type Make = (kind: ProblemKind, makes: Problem['makes'], what: string, more?: Partial<Found>) => Found;

/** A key that nothing opens is a base that nobody recovers; one recipient less is a way less. */
function keyProblems(source: string, { checked, dueAt, offline }: KeysReadiness, problem: Make): Found[] {
  const found: Found[] = [];
  const add = (name: string, makes: Problem['makes'], what: string, more: Partial<Found>): void => void found.push(problem('key', makes, what.slice(0, 500), { key: `key/${source}/${name}`, ...more }));
  if (checked && !checked.ok) {
    const said = `${checked.problems.map(({ key, problem: why }) => `${key}: ${why}`).join('; ')}${checked.problemCount > checked.problems.length ? `; and ${checked.problemCount - checked.problems.length} more` : ''}`;
    if (checked.lost > 0) add('check', 'not ready', `NOTHING OPENS ${checked.lost} KEYS of what is kept: ${said}`, { since: checked.at, hint: 'holdfast key check' });
    else add('check', 'at risk', `not every key is as it should be: ${said}`, { since: checked.at, hint: 'holdfast key check' });
  }
  if (dueAt !== null && (checked === null || checked.at < dueAt)) add('due', 'at risk', `${checked === null ? 'nobody has looked yet whether its keys open' : `nobody has looked whether its keys open since ${checked.at}`}, and by the schedule that was due at ${dueAt}`, { since: dueAt, hint: 'holdfast key check' });
  for (const { recipient, provedAt, overdueSince } of offline) {
    if (provedAt === null) add(`offline/${recipient}`, 'at risk', `the offline key ${recipient} was never proved: nobody knows whether it opens a backup`, { hint: 'holdfast key prove-recovery' });
    else if (overdueSince !== null) add(`offline/${recipient}`, 'at risk', `the offline key ${recipient} was last proved at ${provedAt}, and is to be again`, { since: overdueSince, hint: 'holdfast key prove-recovery' });
  }
  return found;
}

function systemProblems({ forecastMs, forecastBasis, rtoObjectiveMs, lastDrill, drillsOverdue, keysOverdue = [], clocks, unread }: ReadinessFacts): Found[] {
  const problem = (kind: ProblemKind, key: string, what: string, more: Partial<Found> = {}): Found => ({ kind, source: null, key, what, makes: 'at risk', ...more });
  const late = forecastMs !== null && forecastMs > rtoObjectiveMs;
  return [
    ...(late ? [problem('rto', 'rto', `service would be back after ${formatDuration(forecastMs)}, past the objective of ${formatDuration(rtoObjectiveMs)} (${forecastBasis ?? 'no basis'})`)] : []),
    ...(lastDrill?.result === 'failed' ? [problem('drill', 'drill', `the last drill failed: ${lastDrill.why ?? 'see its report'} (run ${lastDrill.run})`, { since: lastDrill.at })] : []),
    ...(lastDrill?.result === 'missed' ? [problem('drill', 'drill', `the last drill was past an objective (run ${lastDrill.run})`, { since: lastDrill.at })] : []),
    ...drillsOverdue.map(({ schedule, dueAt }) => problem('drill', `drill/${schedule}`, `no drill of ${schedule} since it was due at ${dueAt}`, { since: dueAt })),
    ...keysOverdue.map(({ recipient, since, dueAt }) => problem('key', `key/rotate/${recipient}`, `${recipient} wraps all that is new since ${since}, and was to be replaced at ${dueAt}`, { since: dueAt, hint: 'a new key with a new name, the old one under key.retiring, then holdfast key rotate (docs/keys.md)' })),
    ...clocks.filter(({ aheadMs }) => Math.abs(aheadMs) > clockLimitMs).map(({ of, aheadMs }) => problem('clock', `clock/${of}`, `the worker's clock is ${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${of}`, { hint: 'set the clock of the worker’s machine (NTP)' })),
    ...unread.map(({ what, why }) => problem('check', `unread/${what}`, `${what} could not be looked at: ${why}`, { makes: 'not ready' })),
  ];
}

const kindOf: Partial<Record<ErrorType, ProblemKind>> = {
  ToolMissing: 'tool', BadSystemFile: 'tool', NotPermitted: 'permission', TargetUnavailable: 'reach', StoreUnavailable: 'reach', SourceUnavailable: 'reach',
  NoRecoveryPoint: 'point', Tampered: 'bucket', ObjectMissing: 'bucket', WrongKey: 'key', ChainBroken: 'point', LogGap: 'gap', KeyRefused: 'key', KeyUnavailable: 'reach',
};

/** How far the archive is, and what is not believed, is judged by the sources' own figures; what is not written yet is no problem of today. How a server is set up is one, whatever its type. */
const judgedElsewhere: readonly ErrorType[] = ['LogGap', 'SourceUnavailable', 'Unsupported', 'Tampered'];

function findingProblems({ findings }: ReadinessFacts): Found[] {
  return findings
    .filter(({ effect, type, about }) => effect === 'fails' || about === 'server' || !judgedElsewhere.includes(type))
    .map(({ effect, type, message, hint, about }: Finding): Found => ({
      kind: about === 'people' ? 'people' : (kindOf[type] ?? 'tool'),
      source: null,
      // Figures change from check to check, and it is the same problem.
      key: `plan/${type}/${message.replaceAll(/\d+/g, '#')}`.slice(0, 200),
      what: message.slice(0, 500),
      hint,
      makes: effect === 'fails' ? 'not ready' : 'at risk',
    }));
}
