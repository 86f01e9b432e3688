import assert from 'node:assert/strict';
import { join } from 'node:path';
import { runTool } from '../../activities/tool/run-tool.ts';
import type { ActivityProgress } from '../../scripts/status/read-activities.ts';
import { formatStatus, readStatus, type StatusView } from '../../scripts/status/read-status.ts';
import { formatWork } from '../../scripts/status/read-work.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { activitiesOfStep } from '../../workflows/domain/step-progress.ts';
import { until } from '../harness/until.ts';
import type { Bench } from './bench.ts';
import { short, type Middle } from './cell.ts';

/** What `holdfast status` says of the work, as text; `over`: that the phase has ended. */
interface Said {
  text: string;
  over: boolean;
  activities: ActivityProgress[];
}

const overOf = (activity: string, phase: string): boolean => (activity === 'dumpGroup' ? phase !== 'dumping' : phase === 'done');

/** Of a recovery the line of the step, of other work its own lines. Undefined: status does not show the work, or says of it what cannot be. */
function saidOf(view: StatusView, { workflowId, activity }: Middle): Said | undefined {
  const work = view.work.find((one) => one.workflowId === workflowId);
  if (work?.unanswered) return { text: formatWork(work), over: false, activities: work.unanswered.activities };
  if (work?.archive) return { text: formatWork(work), over: false, activities: [] };
  if (work?.backup) {
    const phases = Object.values(work.backup.sources).map(({ phase }) => phase);
    return { text: formatWork(work), over: phases.every((phase) => overOf(activity, phase)), activities: work.backup.activities };
  }
  if (!view.state || workflowId !== view.workflowId) return undefined;
  if (view.workflowStatus !== 'RUNNING' || view.state.status === 'done') return undefined;
  const step = view.state.steps.find(({ uses, state }) => state !== 'pending' && activitiesOfStep(uses).includes(activity));
  const lines = formatStatus(view).split('\n').filter((line) => line.includes(` ${step?.id} `));
  return step && lines.length > 0 ? { text: lines.join('\n'), over: ['done', 'skipped'].includes(step.state), activities: view.activities } : undefined;
}

/** A server may die of what struck it only when it writes, and the step have ended by then: the one that runs now meets it, and says so. */
function metByNextStep(view: StatusView, { shows, workflowId }: Middle, { over }: Said, told: RegExp): string | undefined {
  if (shows !== 'trying' || !over || !view.state || workflowId !== view.workflowId || view.workflowStatus !== 'RUNNING') return undefined;
  const running = view.state.steps.filter(({ state }) => state === 'running');
  const lines = formatStatus(view).split('\n').filter((line) => told.test(line) && running.some(({ id }) => line.includes(` ${id} `)));
  return lines.length > 0 ? lines.join('\n') : undefined;
}

/** Whether that is what the fault is declared to show. */
function isAsDeclared({ shows, activity, workflowId, step }: Middle, { text, over, activities }: Said, told: RegExp): boolean {
  // What is under way has not ended.
  if (over && activities.some((one) => one.activity === activity)) return false;
  const isArchive = activity === 'archiveLog';
  switch (shows) {
    case 'no worker':
      return told.test(text) && (isArchive || text.includes(`no worker answered for ${workflowId}`));
    case 'trying':
      // A step that took what it met for its end says it in its summary.
      return told.test(text) && (!over || step !== undefined);
    case 'tried':
      return told.test(text) || over || !activities.some((one) => one.activity === activity && one.lastFailure !== null);
    case 'at work':
      // A failure from before the fault stands there until the archive's round ends; the cell asserts that there is no new one.
      return isArchive || !/try \d+, (last|after)|last try/.test(text);
    default:
      return told.test(text);
  }
}

/**
 * What a person reads who asks now: `holdfast status`, which must name the phase, say what the fault is declared to show, and not that the work is
 * done while it is not. It is kept in `middle.read`. Asked again for a while: between two answers the work may have gone a step further.
 */
export async function readsStatus(bench: Bench, middle: Middle, told: RegExp): Promise<void> {
  let last = 'nothing';
  const text = await until(`status to be right for ${middle.shows}`, async () => {
    const view = await readStatus(bench.stack.client, 'demo');
    const said = saidOf(view, middle);
    last = said?.text ?? formatStatus(view);
    if (!said) return undefined;
    return isAsDeclared(middle, said, told) ? said.text : metByNextStep(view, middle, said, told);
  }, 30_000, 300).catch((error: unknown) => {
    throw new Error(`holdfast status does not say ${told} as one that is ${middle.shows}; it says: ${last}`, { cause: error });
  });
  middle.read = text.split('\n').map((line) => short(line.trim().replace(/\s{2,}/g, ' '))).join(' / ');
}

/** The work has been ended by name: status shows none of it any more, and nothing that is done. */
export async function readsNoWork(bench: Bench, middle: Middle): Promise<void> {
  await until('status to show the work no more', async () => {
    const view = await readStatus(bench.stack.client, 'demo').catch((error: unknown) => {
      assert.equal((error as HoldfastError).type, 'NotWaiting');
      return { work: [] };
    });
    return !view.work.some(({ workflowId }) => workflowId === middle.workflowId);
  }, 20_000);
  middle.read = `nothing of ${middle.workflowId}`;
}

/** Without Temporal nobody knows: the command says so by name, and nothing else. */
export async function readsNoTemporal({ stack }: Bench, middle: Middle): Promise<void> {
  const program = join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts');
  const said = await runTool('node', [program, 'status', 'demo', '--json'], { env: { HOLDFAST_HOME: stack.home } }).then(
    ({ stdout }) => stdout,
    (error: unknown) => String((error as HoldfastError).details['stdoutTail']),
  );
  const { error } = JSON.parse(said) as { error?: { type: string; message: string } };
  assert.equal(error?.type, 'TemporalUnavailable', said);
  middle.read = `${error.type}: ${short(error.message)}`;
}
