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

/** What `holdfast status` says of the work. */
interface Said {
  text: string;
  /** the phase has ended */
  over: boolean;
  /** it is named as under way, or as ended well */
  atWork: boolean;
  activities: Pick<ActivityProgress, 'activity' | 'lastFailure'>[];
}

const phaseOf: Record<string, string> = { dumpGroup: 'dumping', sealBackup: 'sealing' };

/** Of a recovery the line of the step, of other work its own lines. Undefined: status does not show the work, or says of it what cannot be. */
function saidOf(view: StatusView, { workflowId, activity }: Middle): Said | undefined {
  const work = view.work.find((one) => one.workflowId === workflowId);
  if (work?.unanswered) return { text: formatWork(work), over: false, atWork: false, activities: work.unanswered.activities };
  if (work?.archive) return { text: formatWork(work), over: false, atWork: work.archive.heartbeat?.phase === 'archiving', activities: [{ activity, lastFailure: work.archive.lastFailure }] };
  if (work?.backup) {
    const phases = Object.values(work.backup.sources).map(({ phase }) => phase);
    const over = phases.every((phase) => phase !== phaseOf[activity] && (activity === 'dumpGroup' || phase === 'done'));
    return { text: formatWork(work), over, atWork: over || phases.every((phase) => phase === phaseOf[activity]), activities: work.backup.activities };
  }
  if (!view.state || workflowId !== view.workflowId) return undefined;
  if (view.workflowStatus !== 'RUNNING' || view.state.status === 'done') return undefined;
  const step = view.state.steps.find(({ uses, state }) => state !== 'pending' && activitiesOfStep(uses).includes(activity));
  const lines = formatStatus(view).split('\n').filter((line) => new RegExp(`^ *${step?.state} +${step?.id} `).test(line));
  if (!step || lines.length === 0) return undefined;
  const over = ['done', 'skipped'].includes(step.state);
  return { text: lines.join('\n'), over, atWork: step.state === 'running' || (step.state === 'done' && step.summary !== null), activities: view.activities };
}

/** A server may die of what struck it only when it writes, and the step have ended by then: the one that runs now meets it, and says so. */
function metByNextStep(view: StatusView, { workflowId }: Middle, { over }: Said, tells: (text: string) => boolean): string | undefined {
  if (!over || !view.state || workflowId !== view.workflowId || view.workflowStatus !== 'RUNNING') return undefined;
  const running = view.state.steps.filter(({ state }) => state === 'running');
  return formatStatus(view).split('\n').find((line) => tells(line) && running.some(({ id }) => line.includes(` ${id} `)));
}

/** Asked again for a while: between two answers the work may have gone a step further. @returns what was said, kept in `middle.read` too. */
async function ask(bench: Bench, middle: Middle, what: string, isRight: (said: Said | undefined, view: StatusView) => string | undefined | Promise<string | undefined>): Promise<void> {
  let last = 'nothing';
  const text = await until(`status to say ${what}`, async () => {
    const view = await readStatus(bench.stack.client, 'demo').catch((error: unknown) => {
      // The only work of the system has ended meanwhile.
      if (error instanceof HoldfastError && error.type === 'NotWaiting') return { system: 'demo', readAt: new Date().toISOString(), work: [] };
      throw error;
    });
    const said = saidOf(view, middle);
    last = said?.text ?? formatStatus(view);
    // What is under way has not ended.
    if (said?.over && said.activities.some((one) => one.activity === middle.activity)) return undefined;
    return await isRight(said, view);
  }, 30_000, 300).catch((error: unknown) => {
    throw new Error(`holdfast status does not say ${what}; it says: ${last}`, { cause: error });
  });
  middle.read = text.split('\n').map((line) => short(line.trim().replace(/\s{2,}/g, ' '))).join(' / ');
}

/**
 * What a person reads who asks now: `holdfast status`, which must say all that is `told`, and not that the work is done, unless the step's own summary tells it.
 * @param options.ends - what that summary says where the step ended by it.
 * @param options.healed - nothing lasts that could be told of: where the work has gone on to the end of its phase before anybody looks, that it ended well is right too.
 */
export async function readsStatus(bench: Bench, middle: Middle, told: readonly RegExp[], { healed = false, ends }: { healed?: boolean; ends?: RegExp } = {}): Promise<void> {
  const tells = (text: string): boolean => told.every((one) => one.test(text));
  await ask(bench, middle, `${told.join(' and ')}${healed ? ', or that it ended well' : ''}`, async (said, view) => {
    if (!said) return healed ? await goneWell(bench, middle) : undefined;
    const { text, over, atWork } = said;
    if (over && ends?.test(text)) return text;
    if (over && healed && atWork) return tells(text) ? text : `gone on before anybody looked: ${text}`;
    return !over && tells(text) ? text : metByNextStep(view, middle, said, tells);
  });
}

/** Other work than a recovery is shown while it runs, and no longer. */
export async function goneWell({ stack }: Bench, { workflowId, before }: Middle): Promise<string | undefined> {
  const { status, runId } = await stack.handle(workflowId).describe();
  return status.name === 'COMPLETED' && runId === before?.runId ? `gone on before anybody looked: ${workflowId} has ended well` : undefined;
}

/** What a person reads of work that nothing has happened to: that it goes on, or that its phase ended well, and no failure that was not told before the fault. */
export async function readsAtWork(bench: Bench, middle: Middle): Promise<void> {
  const isNew = (failure: string | null): boolean => failure !== null && !middle.before!.failures.includes(failure);
  await ask(bench, middle, `that ${middle.activity} is at work, and no failure`, (said) =>
    said?.atWork && !said.activities.some(({ activity, lastFailure }) => activity === middle.activity && isNew(lastFailure)) ? said.text : undefined);
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
