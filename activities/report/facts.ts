import type { PageFact } from '../../workflows/domain/report-page.ts';
import type { RunReport, WritesReport } from '../../workflows/domain/report.ts';
import type { GateState, JournalEntry, StepState } from '../../workflows/domain/run-state.ts';
import { formatDuration } from '../../workflows/domain/units.ts';

/** What page and Markdown say alike. */

/** `2026-11-21 03:00:05.123 UTC`, for people. */
export const formatTime = (at: string | null): string => (at === null ? '' : `${at.replace('T', ' ').replace(/Z$/, '')} UTC`);
export const formatCount = (n: number): string => n.toLocaleString('en-US');

type Fact = PageFact;

const reached = (ms: number | null): string => (ms === null ? 'not reached' : formatDuration(ms));
const verdict = (met: boolean | null): string => (met === null ? '' : met ? ', met' : ', missed');

/** Time, loss, validation and the old primary, in this order; of a partial restore what came back, since it has no time or data of the system to lose. */
export function listFacts(report: RunReport): Fact[] {
  const { rto, rpo, state, fence } = report;
  if (state.only) return partialFacts(report, state.only);
  const fences = Object.values(fence);
  const tookMs = Date.parse(report.finishedAt) - Date.parse(state.startedAt);
  const rpoNote = `objective ${formatDuration(rpo.objectiveMs)}${verdict(rpo.met)}; incident minus the last entry applied`;
  if (state.purpose === 'drill') {
    return [
      { title: 'Time to recover (RTO)', value: reached(rto.achievedMs), note: `objective ${formatDuration(rto.objectiveMs)}${verdict(rto.met)}; up to where the switch would be; people ${formatDuration(rto.humanMs)}, ${formatDuration(tookMs)} in all`, met: rto.met },
      { title: 'Data that would be lost (RPO)', value: reached(rpo.achievedMs), note: rpoNote, met: rpo.met },
      validationFact(report),
      placeFact(report),
    ];
  }
  return [
    { title: 'Time to recover (RTO)', value: reached(rto.achievedMs), note: `objective ${formatDuration(rto.objectiveMs)}${verdict(rto.met)}; machine ${formatDuration(rto.machineMs)}, people ${formatDuration(rto.humanMs)}`, met: rto.met },
    { title: 'Data lost (RPO)', value: reached(rpo.achievedMs), note: rpoNote, met: rpo.met },
    validationFact(report),
    state.copies
      ? { title: 'What lived', value: state.steps.some(({ uses, state: is }) => uses === 'swap' && is === 'done') ? 'replaced, and kept' : 'as it was', note: 'it stays where it is: there is no old primary', met: null }
      : fences.length === 0
      ? { title: 'Old primary', value: 'not fenced', note: 'it may still take writes', met: null }
      : { title: 'Old primary', value: fences.map(({ outcome }) => outcome).join(', '), note: 'what the fence could show', met: fences.every(({ outcome }) => outcome !== 'unproved') },
  ];
}

/** What became of the place that a drill restored to. */
function placeFact({ cleanup }: RunReport): Fact {
  const note = 'production was left alone';
  if (cleanup === undefined) return { title: 'What was restored', value: 'is removed next', note, met: null };
  const left = Object.entries(cleanup).filter(([, { removed }]) => !removed).map(([source]) => source);
  return { title: 'What was restored', value: left.length === 0 ? 'removed' : 'still there', note: left.length === 0 ? note : `${left.join(', ')}; ${note}`, met: left.length === 0 };
}

function partialFacts(report: RunReport, only: readonly string[]): Fact[] {
  const part = report.points.flatMap((point) => point.only ?? []);
  const of = (key: 'collections' | 'documents'): number => part.reduce((sum, one) => sum + one[key], 0);
  return [
    { title: report.state.copies === 'rows' ? 'Rows put back' : 'Partial restore', value: only.join(', '), note: report.state.copies === 'rows' ? 'nothing else was written' : 'nothing else was restored', met: null },
    ...(report.state.copies === 'rows' ? [] : [{ title: 'Collections', value: part.length === 0 ? 'none' : formatCount(of('collections')), note: `${formatCount(of('documents'))} documents of them in the base; the log brings the rest`, met: null }]),
    { title: 'Time', value: formatDuration(Date.parse(report.finishedAt) - Date.parse(report.state.startedAt)), note: 'no traffic was moved', met: null },
    validationFact(report),
  ];
}

function validationFact({ validation }: RunReport): Fact {
  const failed = validation.filter((result) => !result.ok).length;
  const gates = validation.filter((result) => result.effect === 'gate').length;
  const value = validation.length === 0 ? 'not run' : failed === 0 ? 'passed' : `${failed} failed`;
  return { title: 'Validation', value, note: `${validation.length} run, ${gates} of them must pass`, met: validation.length === 0 ? null : failed === 0 };
}

export const fenceMeaning = {
  proved: 'It is proved that it takes no writes.',
  isolated: 'Every path that we control is cut; that it takes no writes on another path is not proved.',
  unproved: 'It is not proved that it takes no writes. Two primaries may be taking writes that cannot be merged.',
} as const;

export const describeLog = (logReachable: boolean): string =>
  logReachable ? 'Its log could still be read, so the last writes could be drained.' : 'Its log could not be read any more: what was not archived is lost.';

export const aboutNames = 'Names are claimed where it says so: whoever sent the approval gave the name, and nothing proved it. “totp” and “signature” were checked against the person’s secret or key.';

/** What there is to say where there is no fence; undefined: the fences speak. */
export function noFence({ state, fence }: RunReport): string | undefined {
  if (state.purpose === 'drill') return 'A drill leaves the primary alone.';
  if (state.only) return 'A partial restore leaves the primary alone.';
  if (state.copies) return 'What lives stays where it is: there is no old primary.';
  return Object.keys(fence).length === 0 ? 'The old primary was not fenced in this run.' : undefined;
}

export const isOver = (step: StepState): boolean => step.budgetMs !== null && step.elapsedMs > step.budgetMs;

/** Failed tries and undos, what was cancelled, and every act of a person, in the order in which they happened. */
export const listTurns = ({ state }: RunReport): JournalEntry[] =>
  state.journal.filter(({ by, what }) => by !== null || /^(try \d+ failed|its undo failed|cancelled:|failed|.*: an older base is taken)/.test(what));

export const noTurns = 'Nothing failed, and nobody had to decide anything.';

export const aboutWrites = 'Clients kept a ledger of every acknowledged write; it was compared with the recovered data, write by write.';

export function listWrites(of: WritesReport): [string, string][] {
  const age = (ms: number | null): string => (ms === null ? 'none' : `${formatDuration(ms)} before the incident`);
  return [
    ['acknowledged before the incident', formatCount(of.acknowledged)],
    ['of these lost', formatCount(of.lost)],
    ['newest lost', age(of.newestLostAgeMs)],
    ['oldest lost', age(of.oldestLostAgeMs)],
    ['outcome unknown to the client', formatCount(of.unknown)],
    ['acknowledged by the new side', formatCount(of.acknowledgedAfterSwitch)],
    ['old primary, started again', of.oldPrimary],
  ];
}

/** What people said at a gate, a line each; of one that nobody was asked at, that. */
export const listDecisions = ({ status, decisions }: GateState): string[] =>
  status === 'approved' && decisions.length === 0 ? ['approved beforehand, by the system file: nobody was asked'] : decisions.map(describeDecision);

/** Runbooks that were given up, and how far their steps were then. */
export const listGivenUp = ({ state }: RunReport): { title: string; rows: string[][] }[] =>
  (state.escalations ?? []).map(({ from, to, by, why, at, steps }) => ({
    title: `${from}, given up for ${to} by ${by}, ${formatTime(at)}: ${why}`,
    rows: steps.map(({ id, state: is, elapsedMs, summary, error }) => [id, is, formatDuration(elapsedMs), error ? `${error.type}: ${error.message}` : (summary ?? '')]),
  }));

const describeDecision = ({ by, decision, proof, onBehalfOf, at, reason }: GateState['decisions'][number]): string =>
  `${decision} by ${by} (${proof})${onBehalfOf === undefined ? '' : ` for ${onBehalfOf}`}, ${formatTime(at)}${reason === null ? '' : `: ${reason}`}`;
