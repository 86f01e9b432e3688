import { copyName, keptName } from '../../workflows/domain/beside.ts';
import { describePartial } from '../../workflows/domain/chosen-namespaces.ts';
import { leftBehind, leftOut } from '../../workflows/domain/build-report.ts';
import { copiesIn } from '../../workflows/domain/recovery-point.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { isSuperseded } from '../../workflows/domain/run-state.ts';
import { formatDuration } from '../../workflows/domain/units.ts';

export interface Outcome {
  tone: 'good' | 'warn' | 'bad';
  headline: string;
  sentence: string;
}

const objectives = (report: RunReport): string => {
  const { rto, rpo } = report;
  const service = rto.achievedMs === null ? 'Service did not come back in this run.' : `Service was back ${formatDuration(rto.achievedMs)} after the incident (objective ${formatDuration(rto.objectiveMs)}).`;
  const data = rpo.achievedMs === null ? 'How much data is lost is not known.' : `The recovered data ends ${formatDuration(rpo.achievedMs)} before the incident (objective ${formatDuration(rpo.objectiveMs)}).`;
  return `${service} ${data}`;
};

/** What happened, in words for somebody who has just been woken. */
export function describeOutcome(report: RunReport): Outcome {
  if (report.outcome === 'goes on') {
    const left = report.state.steps.filter(({ state }) => state !== 'done' && state !== 'skipped').map(({ id }) => id);
    return { tone: 'warn', headline: `The ${report.state.purpose} of ${report.title} goes on`, sentence: `This was written before its end, and is written again then. Not ended yet: ${left.join(', ')}. ${objectives(report)}` };
  }
  if (report.state.purpose === 'drill') return describeDrill(report);
  if (report.state.only) return describePart(report, report.state.only);
  const title = report.title;
  const without = leftOut(report.state, report.validation);
  if (report.state.copies === 'beside' && report.outcome.startsWith('done')) {
    const headline = `${title} was restored beside what lives${without.length > 0 ? `, but not by the whole runbook (${without.join('; ')})` : ''}`;
    return { tone: without.length > 0 ? 'bad' : 'good', headline, sentence: 'What lives was not touched: this run moved no traffic and fenced nothing.' };
  }
  const behind = leftBehind(report.state);
  const now = report.outcome !== 'done' && report.state.servedAt === null ? 'was restored, and traffic was not moved' : without.length > 0 ? 'serves again' : 'is recovered';
  const missed = report.rto.met === false || report.rpo.met === false;
  switch (report.outcome) {
    case 'done':
    case 'done, partial':
      return {
        tone: missed ? 'warn' : 'good',
        headline: missed ? `${title} is recovered, but an objective was missed` : `${title} is recovered`,
        sentence: objectives(report),
      };
    case 'done, with steps skipped':
      if (behind.length > 0 && without.length === 1) {
        return {
          tone: 'warn',
          headline: `${title} is recovered${missed ? ', but an objective was missed' : ''}; ${behind.length} ${behind.length === 1 ? 'thing' : 'things'} left: ${behind.join(', ')}`,
          sentence: `${objectives(report)} What is left came after that, and the recovery does not stand on it.`,
        };
      }
      return {
        tone: report.state.servedAt === null || report.validation.some((result) => !result.ok && result.effect === 'gate') ? 'bad' : 'warn',
        headline: `${title} ${now}, but not by the whole runbook (${without.join('; ')})`,
        sentence: `${objectives(report)} What was left out proves nothing.`,
      };
    case 'done, fence unproved':
      return {
        tone: 'warn',
        headline: `${title} ${now}, but the old primary may still take writes${without.map((what) => `; ${what}`).join('')}`,
        sentence: `${objectives(report)} It is not proved that the old primary is unable to write: make sure of it first.`,
      };
    case 'aborted':
      if (isSuperseded(report.state)) {
        return {
          tone: 'bad',
          headline: `The recovery of ${title} was ended: another control plane has the command`,
          sentence: `What this run had done is left to it, but for steps that are shown as undone below. ${objectives(report)}`,
        };
      }
      return { tone: notUndone(report).length > 0 ? 'bad' : 'warn', headline: `The recovery of ${title} was aborted`, sentence: `What the run had done was undone${notUndone(report).length > 0 ? `, but for ${notUndone(report).join(', ')}: what these did is still there` : ', as the steps below say'}. ${objectives(report)}` };
    case 'failed':
      return { tone: 'bad', headline: `The recovery of ${title} failed`, sentence: `Traffic may be where it was before the run; see the steps below. ${objectives(report)}` };
  }
}

/** Steps that somebody left as they are when the run was aborted, and those that they stand on. */
const notUndone = ({ outcome, state }: RunReport): string[] => (outcome === 'aborted' ? state.steps.filter(({ undo }) => undo).map(({ id }) => id) : []);

/** A partial restore is for taking data out: the system is as it was. */
function describePart({ outcome, state, title, validation }: RunReport, only: readonly string[]): Outcome {
  const { copies } = state;
  const sentence = copies ? `This run moved no traffic and fenced nothing. ${describePartial(only)}.` : `Production was left alone: this run moved no traffic and fenced nothing. ${describePartial(only)}.`;
  if (outcome === 'aborted') return { tone: 'warn', headline: `The partial restore of ${title} was aborted`, sentence };
  const without = leftOut(state, validation);
  if (!outcome.startsWith('done')) return { tone: 'bad', headline: `The partial restore of ${title} failed`, sentence };
  if (without.length > 0) return { tone: 'bad', headline: `A part of ${title} was restored, but not by the whole runbook (${without.join('; ')})`, sentence };
  if (copies === 'rows') return { tone: 'good', headline: `Rows of ${title} were put back into what lives`, sentence: `${sentence} What was there before is kept, as the step says.` };
  if (copies === 'swap') return { tone: 'good', headline: `A part of ${title} was restored, and took the place of what was there`, sentence: `${sentence} What was there is kept under another name.` };
  if (copies) return { tone: 'good', headline: `A part of ${title} was restored beside what lives`, sentence: `${sentence} Living collections were not touched.` };
  return { tone: 'good', headline: `A part of ${title} was restored, to take data out of`, sentence };
}

/** A drill proves that the data could be recovered, and moves nothing. */
function describeDrill(report: RunReport): Outcome {
  const { title, rto, rpo, state } = report;
  const tookMs = Math.max(0, Date.parse(report.finishedAt) - Date.parse(state.startedAt));
  const data = rpo.achievedMs === null ? 'How much data would be lost is not known.' : `The restored data ends ${formatDuration(rpo.achievedMs)} before the drill’s incident (objective ${formatDuration(rpo.objectiveMs)}).`;
  const service = rto.achievedMs === null ? 'Service would not have come back.' : `Service would be back ${formatDuration(rto.achievedMs)} after the incident (objective ${formatDuration(rto.objectiveMs)}).`;
  const sentence = `${state.only ? `It took ${formatDuration(tookMs)}.` : service} ${data} Production was left alone.`;
  // One that nobody watched ends itself where a step fails: that is no decision of anybody.
  const failed = state.unattended ? state.steps.find(({ error, state: is }) => error !== null && is !== 'done') : undefined;
  if (report.outcome === 'aborted' && failed) return { tone: 'bad', headline: `The drill of ${title} failed at step ${failed.id}: ${failed.error!.type}`, sentence: `${failed.error!.message}. A recovery may fail in the same way. ${sentence}` };
  if (report.outcome === 'aborted') return { tone: 'warn', headline: `The drill of ${title} was aborted`, sentence: `${sentence}${notUndone(report).length > 0 ? ` Not undone: ${notUndone(report).join(', ')}.` : ''}` };
  const without = leftOut(state, report.validation);
  if (report.outcome !== 'done' && report.outcome !== 'done, partial') return { tone: 'bad', headline: `The drill of ${title} failed${without.length > 0 ? `: ${without.join('; ')}` : ''}`, sentence };
  const missed = rpo.met === false || rto.met === false;
  if (state.only) return { tone: 'good', headline: `The drill of a part of ${title} passed`, sentence: `${sentence} ${describePartial(state.only)}.` };
  return { tone: missed ? 'warn' : 'good', headline: `The drill of ${title} passed${missed ? ', but an objective was missed' : ''}`, sentence };
}

function nextOfCopies({ state: { copies, run = '', steps }, points }: RunReport): string[] {
  if (copies === 'rows') return [`Look whether the application is well with what was put back. Drop what was kept of before when nobody wants it any more: ${steps.find(({ uses }) => uses === 'restore-rows')?.summary ?? 'the step names it'}.`];
  const whole = points.flatMap((point) => point.copies ?? []);
  if (whole.length > 0) return copies === 'swap' ? [`Look whether the application is well with what was restored. Drop what was replaced when nobody wants it any more: database ${whole.map((name) => keptName(name, run)).join(', ')}.`] : [`Take out of the copies what you need, then drop them: database ${whole.map((name) => copyName(name, run)).join(', ')}.`];
  const names = points.flatMap(copiesIn);
  const shell = (ns: string): string => `db.getSiblingDB(${JSON.stringify(ns.slice(0, ns.indexOf('.')))}).getCollection(${JSON.stringify(ns.slice(ns.indexOf('.') + 1))})`;
  const drop = (of: (ns: string, run: string) => string): string => names.slice(0, 5).map((ns) => `${shell(of(ns, run))}.drop()`).join('; ');
  return copies === 'swap'
    ? [`Look whether the application is well with what was restored; it may hold what it read before in caches of its own.`, `Drop what was replaced when nobody wants it any more: ${drop(keptName)}.`, 'Take a base: the next recovery replays what was copied otherwise.']
    : [`Take out of the copies what you need, then drop them: ${drop(copyName)}.`];
}

/** What a person has to do now, the most urgent first. */
export function listNextSteps(report: RunReport): string[] {
  if (report.outcome === 'goes on') return [`See what it waits for: holdfast status ${report.system}`];
  const next: string[] = [];
  const stuck = report.state.steps.filter((step) => step.state === 'stuck').map((step) => step.id);
  if (stuck.length > 0) next.push(`Undo by hand what could not be undone: ${stuck.join(', ')}.`);
  const left = notUndone(report).filter((id) => !stuck.includes(id));
  if (left.length > 0 && !isSuperseded(report.state)) next.push(`Look at what was left as it is, and undo by hand what nobody needs: ${left.join(', ')}.`);
  const places = Object.entries(report.cleanup ?? {}).filter(([, { removed }]) => !removed);
  if (places.length > 0) next.push(`Remove by hand what the drill restored and that is still there: ${places.map(([source, { summary }]) => `${source} (${summary})`).join('; ')}.`);
  const without = leftOut(report.state, report.validation);
  const isDrill = report.state.purpose === 'drill';
  if (report.outcome === 'done, fence unproved') next.push('Power the old primary off, or cut its network: it may still take writes that cannot be merged.');
  if (report.outcome.startsWith('done')) {
    if (without.length > 0) next.push(`Make up for what the run went on without: ${without.join('; ')}.`);
    if (report.state.copies) return [...next, ...nextOfCopies(report)];
    if (report.state.only && !isDrill) return [...next, 'Take out what you need (mongodump, mongoexport, a query), then approve the gate that waits: the target is stopped and moved aside.'];
    if (isDrill) return next.length > 0 ? next : [report.cleanup === undefined ? 'Nothing: production was left alone, and what the drill restored is removed next.' : 'Nothing: production was left alone, and what the drill restored is removed.'];
    next.push('Where a source is a new replica set, add members to it: service runs on one member, so another loss is another recovery.');
    next.push('Restart clients that were writing during the switch: a client that retries across it may write twice.');
    if (report.state.inPlace) next.push('Keep the directory that was moved aside (its step names it) until nobody wants it any more: what was discarded is there, and in the store at the safety point.');
    else next.push('Keep the old primary’s disk: log that was never archived can only be read there.');
    if (!report.state.homeward && !report.state.inPlace) next.push('Plan the way home (failback) at a quiet time.');
  } else if (isSuperseded(report.state)) {
    next.push(`Find out who has the command of ${report.system}, and go on there: nothing more can be done from here, and nobody else knows what this run left.`);
  } else {
    const failed = report.state.steps.find((step) => step.state === 'failed');
    if (failed) next.push(`Look at step ${failed.id}: ${failed.error ? failed.error.message : 'it failed'}.`);
    const only = report.state.only?.map((one) => ` --only '${one}'`).join('') ?? '';
    next.push(`Start again when the cause is gone: holdfast recover ${report.system}${isDrill ? ' --purpose drill' : ''}${(report.state.homeward ?? report.state.inPlace) && report.state.runbook ? ` --runbook ${report.state.runbook}` : ''}${report.state.copies ? ` --mode ${report.state.copies}` : ''}${only}`);
  }
  return next;
}
