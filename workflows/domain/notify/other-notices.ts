import { divergedWrites, type DivergedReport } from '../diverged.ts';
import { formatDuration } from '../units.ts';
import type { Problem, Readiness } from '../readiness.ts';
import { describeScope, type VerifyScope } from '../verification.ts';
import { fitted, type Notice, type NoticePhase, type Severity } from './notice.ts';
import { alertKeys } from './alert-keys.ts';

/** Where a message comes from that no run of a runbook sends: `run` and `number` make its id. */
export interface Origin {
  system: string;
  run: string;
  number: number;
  /** UTC ISO */
  at: string;
}

interface Said {
  phase: NoticePhase;
  severity: Severity;
  title: string;
  lines: string[];
  answers?: string[];
  key: string;
  state: 'open' | 'closed';
  facts?: Notice['facts'];
}

const made = ({ system, run, number, at }: Origin, { phase, severity, title, lines, answers = [], key, state, facts = {} }: Said): Notice =>
  fitted({ id: `${run}/${number}-${phase}`, audience: 'internal', phase, severity, at, title: `${system}: ${title}`, lines, answers, thread: key, alert: { key, state }, facts: { system, ...facts } });

export const backupFailed = (origin: Origin, why: string, tookMs: number): Notice =>
  made(origin, {
    phase: 'backup-failed', severity: 'error', title: 'BACKUP FAILED', key: alertKeys.backup(origin.system), state: 'open', facts: { tookMs },
    lines: [why, 'There is no new recovery point; earlier ones are untouched.'],
    answers: [`to try again: \`holdfast backup ${origin.system}\``],
  });

/** @param page - key of its report in the store; left out: it could not be kept. */
export const backupDone = (origin: Origin, lines: string[], tookMs: number, page?: string): Notice => ({
  ...made(origin, { phase: 'backup-done', severity: 'info', title: 'backup done', key: alertKeys.backup(origin.system), state: 'closed', facts: { tookMs }, lines }),
  ...(page === undefined ? {} : { page }),
});

/** What a verification came to. `lines`: a source each. */
interface VerificationSaid {
  scope: VerifyScope;
  lines: string[];
}

/** @param as - the phase that its receivers have: one that is told of failures alone is told of the end of one. */
export const verificationWell = (origin: Origin, { scope, lines }: VerificationSaid, as: 'verified' | 'verification-failed'): Notice =>
  made(origin, { phase: as, severity: 'info', title: `verified: ${describeScope[scope]}`, key: alertKeys.verification(origin.system, scope), state: 'closed', facts: { scope }, lines });

/** @param next - what follows by itself. */
export const verificationFailed = (origin: Origin, { scope, lines }: VerificationSaid, next: string): Notice =>
  made(origin, {
    phase: 'verification-failed', severity: 'error', title: `VERIFICATION FAILED: ${describeScope[scope]}`, key: alertKeys.verification(origin.system, scope), state: 'open', facts: { scope },
    lines: [next, ...lines, ...(scope === 'keys' ? [] : ['What was read and is damaged is marked bad: nobody is given it who does not name it.'])],
    answers: [`what can be restored: \`holdfast points ${origin.system}\``],
  });

/** @param schedule - its id: `demo/verification` */
export const scheduleFailed = (origin: Origin, schedule: string, why: string): Notice =>
  made(origin, {
    phase: 'schedule-failed', severity: 'error', title: `SCHEDULE ${schedule} FAILED`, key: alertKeys.schedule(schedule), state: 'open', facts: { schedule },
    lines: [why],
    answers: [`when it starts again, and whether it is paused now: \`holdfast schedules ${origin.system}\``],
  });

export const scheduleWell = (origin: Origin, schedule: string): Notice =>
  made(origin, { phase: 'schedule-failed', severity: 'info', title: `schedule ${schedule} is well again`, key: alertKeys.schedule(schedule), state: 'closed', facts: { schedule }, lines: ['What it started ended well.'] });

/** @param schedule - its id: `demo/quarterly-drill` */
export const drillFailed = (origin: Origin, schedule: string, why: string): Notice =>
  made(origin, {
    phase: 'schedule-failed', severity: 'error', title: `DRILL ${schedule} FAILED`, key: alertKeys.schedule(schedule), state: 'open', facts: { schedule },
    lines: [why, 'A recovery may fail in the same way. Production was left alone, and what the drill had made was undone as far as it could be.'],
    answers: [`what this and earlier drills showed: \`holdfast drills ${origin.system}\``, `to try again: \`holdfast recover ${origin.system} --purpose drill\``],
  });

export const gapFound = (origin: Origin, source: string, gap: { from: string; to: string; why: string }): Notice =>
  made(origin, {
    phase: 'gap', severity: 'error', title: `GAP IN THE LOG of ${source}`, key: alertKeys.gap(origin.system, source), state: 'open', facts: { source, from: gap.from, to: gap.to },
    lines: [`lost for ever: from ${gap.from} to ${gap.to}: ${gap.why}`, 'No moment between them can be restored. A new base is being taken by itself.'],
    answers: [`what can be restored: \`holdfast points ${origin.system}\``],
  });

export const gapClosed = (origin: Origin, source: string): Notice =>
  made(origin, { phase: 'gap', severity: 'info', title: `a base was taken behind the gap in the log of ${source}`, key: alertKeys.gap(origin.system, source), state: 'closed', facts: { source }, lines: ['From its end on, every moment can be restored again.'] });

export const archiveLate = (origin: Origin, source: string, why: string): Notice =>
  made(origin, {
    phase: 'archive-late', severity: 'error', title: `THE ARCHIVE of ${source} IS LATE`, key: alertKeys.archive(origin.system, source), state: 'open', facts: { source },
    lines: [why, 'What is not archived would be lost with the source. Nothing is lost while the source keeps its log: the archive goes on where it was.'],
    answers: [`how far it is: \`holdfast archive status ${origin.system}\``],
  });

export const archiveCaughtUp = (origin: Origin, source: string, lagMs: number): Notice =>
  made(origin, { phase: 'archive-late', severity: 'info', title: `the archive of ${source} has caught up`, key: alertKeys.archive(origin.system, source), state: 'closed', facts: { source, lagMs }, lines: [`It is ${formatDuration(lagMs)} behind its source.`] });

/** @param over - what it was before, and is not any more, a line each. @param again - nothing is new: it goes on. */
export const readinessBroken = (origin: Origin, { verdict, problems, problemCount }: Pick<Readiness, 'verdict' | 'problems' | 'problemCount'>, { over, again }: { over: string[]; again: boolean }): Notice =>
  made(origin, {
    phase: 'readiness', severity: verdict === 'not ready' ? 'critical' : 'error', title: `${verdict === 'not ready' ? 'NOT READY' : 'AT RISK'}${again ? ' still' : ''}: ${problems[0]?.what ?? ''}`,
    key: alertKeys.readiness(origin.system), state: 'open', facts: { verdict, problems: problemCount },
    lines: [...problems.map(describeProblem), ...over.map((what) => `over: ${what}`)],
    answers: [`all of it: \`holdfast ready ${origin.system}\``, ...problems.slice(0, 3).flatMap(({ hint }) => (hint === null ? [] : [hint]))],
  });

export const readinessBack = (origin: Origin, over: string[]): Notice =>
  made(origin, { phase: 'readiness', severity: 'info', title: 'ready again', key: alertKeys.readiness(origin.system), state: 'closed', facts: { verdict: 'ready' }, lines: ['It could be recovered within its objectives.', ...over.map((what) => `over: ${what}`)] });

const describeProblem = ({ what, since, makes }: Problem): string => `${makes}: ${what}; since ${since}`;

export const oldPrimarySeen = (origin: Origin, source: string, seen: string): Notice =>
  made(origin, {
    phase: 'old-primary', severity: 'critical', title: `THE OLD PRIMARY of ${source} ANSWERS AGAIN`, key: alertKeys.oldPrimary(origin.system, source), state: 'open', facts: { source },
    lines: [seen, 'It is being fenced. What it took meanwhile is reported, never merged.'],
    answers: [`what it is now: \`holdfast watch status ${origin.system}\``],
  });

export const oldPrimaryFenced = (origin: Origin, source: string, held: boolean, what: string): Notice =>
  made(origin, {
    phase: 'old-primary', severity: held ? 'error' : 'critical', title: held ? `the old primary of ${source} is fenced again` : `THE OLD PRIMARY of ${source} COULD NOT BE FENCED`,
    key: alertKeys.oldPrimary(origin.system, source), state: 'open', facts: { source },
    lines: [what, held ? '' : 'Two primaries may be taking writes: take it off the network or switch it off by hand.'],
    answers: [`what it took: \`holdfast diverged ${origin.system}\``],
  });

const stillOpen = (held: boolean): string => (held ? '' : 'It is NOT fenced, and may take more: take it off the network or switch it off by hand.');

/** @param path - of its page, on the worker that wrote it */
export function oldPrimaryTook(origin: Origin, held: boolean, report: DivergedReport, path: string): Notice {
  const { source, inserts, updates, deletes, commandCount, namespaceCount, firstAt, lastAt, doesNotCover } = report;
  const tookNone = inserts + updates + deletes + commandCount === 0;
  const commands = commandCount > 0 ? `, ${commandCount} commands` : '';
  return made(origin, {
    phase: 'old-primary', severity: !held ? 'critical' : tookNone && doesNotCover.length === 0 ? 'info' : 'error',
    title: tookNone ? `${doesNotCover.length > 0 ? 'as far as can be seen ' : ''}the old primary of ${source} took nothing that the recovered data lacks` : `THE OLD PRIMARY of ${source} TOOK ${divergedWrites(report)}${commands}`,
    key: alertKeys.oldPrimary(origin.system, source), state: 'open', facts: { source, inserts, updates, deletes, commands: commandCount },
    lines: [
      tookNone ? '' : `In ${namespaceCount} collections, the first at ${firstAt}, the last at ${lastAt}. The recovered data does not hold them, and nothing merges them: a person decides what is carried over.`,
      stillOpen(held),
      ...doesNotCover.map((what) => `not covered: ${what}`),
      `report: ${path}`,
    ],
    answers: [`what it took: \`holdfast diverged ${origin.system}\``],
  });
}

/** @param asksAgain - whether the next look tries it again */
export const oldPrimaryUnread = (origin: Origin, source: string, held: boolean, why: string, asksAgain: boolean): Notice =>
  made(origin, {
    phase: 'old-primary', severity: held ? 'error' : 'critical', title: `WHAT THE OLD PRIMARY of ${source} TOOK IS NOT KNOWN`, key: alertKeys.oldPrimary(origin.system, source), state: 'open', facts: { source },
    lines: [why, stillOpen(held), asksAgain ? 'It is tried again at every look; there is a message once it is known.' : 'It is not tried again: look by hand, before anything of it is deleted.'],
    answers: [`what it is now: \`holdfast watch status ${origin.system}\``],
  });

/** Its time is up. @param safe - it cannot take writes by itself. */
export const oldPrimaryUnwatched = (origin: Origin, source: string, { safe, seen }: { safe: boolean; seen: string | null }): Notice =>
  made(origin, {
    phase: 'old-primary', severity: safe ? 'info' : 'error', title: safe ? `the watch on the old primary of ${source} has ended` : `NOBODY WATCHES THE OLD PRIMARY of ${source} ANY MORE`,
    key: alertKeys.oldPrimary(origin.system, source), state: safe ? 'closed' : 'open', facts: { source },
    lines: [`last seen: ${seen ?? 'never'}`, safe ? 'It is fenced.' : 'That it takes no writes is not proved, and if it comes back nobody fences it. Wipe it, or see to it that it cannot start.', 'How long it is watched: watchOldSideFor in the system file.'],
  });

/** Sent by a person who wants to see that messages arrive. */
export function testNotice(system: string, audience: Notice['audience'], service: string, id: string, at: string): Notice {
  const text = audience === 'external' ? 'Nothing has happened. Please ignore this message.' : 'Nothing has happened: somebody tries whether messages arrive.';
  return fitted({ id, audience, phase: 'test', severity: 'info', at, title: `TEST of ${audience === 'external' ? service : `${system}: notifications`}`, lines: [text], answers: [], thread: id, alert: null, facts: audience === 'external' ? { service } : { system } });
}
