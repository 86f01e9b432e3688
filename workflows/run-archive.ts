import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { allHandlersFinished, CancellationScope, condition, defineQuery, defineSignal, isCancellation, setCurrentDetails, setHandler, sleep, startChild, workflowInfo } from '@temporalio/workflow';
import { ActRecorder, describeUnrecorded } from './act-recorder.ts';
import { callControl, callsAt } from './call.ts';
import { trySignal } from './children.ts';
import { continueOnCurrent } from './continue-on-current.ts';
import { taskQueues, type ArchiveOutcome } from './contract.ts';
import { HoldfastError } from './domain/errors.ts';
import { formatLogPosition, type LogPosition } from './domain/log-position.ts';
import { archiveSignals, queryNames } from './domain/messages.ts';
import type { NotifyView } from './domain/notify/notice.ts';
import { gapClosed, gapFound } from './domain/notify/other-notices.ts';
import type { SystemView } from './domain/system-view.ts';
import { formatDuration, hours, minutes, seconds } from './domain/units.ts';
import { describeFailure, failure, surfacing } from './failure.ts';
import { Announcer } from './notify/announcer.ts';
import { LagWatch, type Late } from './notify/lag-watch.ts';
import { mark } from './search-attributes.ts';
import { stopDecision } from './stop-decision.ts';

export interface RunArchiveInput {
  system: string;
  source: string;
  /** what the run before this one ended with: its history is gone */
  last?: ArchiveOutcome | undefined;
  lastTookMs?: number | undefined;
  trouble?: Trouble | undefined;
  baseWanted?: BaseWanted | undefined;
  /** who is told what, as of the last round */
  notify?: NotifyView | undefined;
  /** people were told that it is late, and not yet that it has caught up */
  late?: Late | undefined;
}

/** Why no round has ended well of late. Times are UTC ISO. */
export interface Trouble {
  what: string;
  since: string;
  lastAt: string;
}

/** A gap up to `at` was found, and no base has been taken behind it yet. */
export interface BaseWanted {
  at: LogPosition;
  why: string;
  /** UTC ISO */
  since: string;
  /** why the last one that was asked for came to nothing */
  failed: string | null;
}

/** What the query `state` of an archive answers. How far it is right now stands in the heartbeat of its activity, and in the bucket. */
export interface ArchiveState {
  system: string;
  source: string;
  stopping: boolean;
  rounds: number;
  last: ArchiveOutcome | null;
  /** how long that round was; left out: not known */
  lastTookMs?: number | undefined;
  /** how far it was behind its source when it was last looked at, which is where people are told of its lateness; left out: not in this run */
  looked?: { at: string; lagMs: number } | undefined;
  trouble: Trouble | null;
  baseWanted: BaseWanted | null;
  /** why somebody could not be told of a gap, or the audit not of who stopped it, the newest; left out: all were */
  untold?: string | undefined;
  /** people were told that it is late; left out: it is not, or nobody is to be told */
  late?: Late | undefined;
}

/** Rounds that one run does at most: elections and gaps end a round early, and its history must stay small. */
const roundsPerRun = 20;
/**
 * A round that does not end (its source, its store or its workers are away) is looked at every five minutes, eleven events each time: in 16 days that would be the 51,200 at which
 * Temporal ends a workflow, and nobody would start the archive again. Then the round is ended, and the next run begins with another.
 */
const eventsPerRun = 1_500;
const afterFailureMs = seconds(30);
const baseAskedEveryMs = minutes(5);

/**
 * Archives the log of one source, under the id `archive/<system>/<source>`: hour after hour, until the signal `stop` or a cancel.
 * A gap ends a range that can be restored: a new base is asked for at once, and again until there is one.
 * A round that fails is no end of it, whatever the failure: nobody would start the archive again when its cause is gone.
 *
 * @throws EpochSuperseded - another control plane has the command, or the source is another one now: this archive must not go on.
 */
export async function runArchive(input: RunArchiveInput): Promise<ArchiveState> {
  const state: ArchiveState = { system: input?.system, source: input?.source, stopping: false, rounds: 0, last: input?.last ?? null, trouble: input?.trouble ?? null, baseWanted: input?.baseWanted ?? null, ...(input?.late ? { late: input.late } : {}), ...(input?.lastTookMs === undefined ? {} : { lastTookMs: input.lastTookMs }) };
  let round: CancellationScope | undefined;
  let moved = false;
  let notify: NotifyView | undefined;
  const isLong = (): boolean => workflowInfo().historyLength > eventsPerRun;
  const recorder = new ActRecorder(state.system, (what) => void (state.untold = `audit: ${what}`));
  setHandler(defineSignal<[unknown?]>(archiveSignals.stop.name), (typed) => {
    if (input?.source && !state.stopping) recorder.record(stopDecision(`the archive of ${input.source}`, typed));
    state.stopping = true;
    round?.cancel();
  }, { description: archiveSignals.stop.description });
  setHandler(defineSignal(archiveSignals.moved.name), () => {
    moved = true;
    round?.cancel();
  }, { description: archiveSignals.moved.description });
  setHandler(defineQuery<ArchiveState>(queryNames.state), () => state, { description: 'How the last round ended, and whether the archive is stopping.' });

  const next = await surfacing(async () => {
    if (!input?.system || !input.source) {
      throw new HoldfastError('BadInput', 'runArchive is started by archiveLog.', { hint: 'start archiveLog with {"system": "demo", "source": "documents"}' });
    }
    mark({ system: input.system, purpose: 'archive', phase: 'running' });
    const announcer = new Announcer(state.system, (what) => void (state.untold = `notify: ${what}`.slice(0, 500)));
    notify = input.notify;
    const seekBase = baseSeeker(state, () => announcer.tell(notify, 'gap', (origin) => gapClosed(origin, state.source)));
    seekBase();
    const lagWatch = new LagWatch({
      system: input.system,
      source: input.source,
      announcer,
      late: state.late ?? null,
      onChange: (late) => {
        state.late = late ?? undefined;
        show(state);
      },
      onLook: (lagMs) => {
        state.looked = { at: new Date().toISOString(), lagMs };
        show(state);
      },
    });
    void condition(isLong).then(() => round?.cancel(), () => undefined);
    while (!state.stopping && state.rounds < roundsPerRun && !isLong()) {
      state.rounds += 1;
      moved = false;
      round = new CancellationScope();
      show(state);
      const sinceMs = Date.now();
      const outcome = await oneRound(state, round, () => state.stopping || moved || isLong(), (view) => {
        notify = view.notify;
        lagWatch.see(view);
      });
      if (outcome) Object.assign(state, { last: outcome, lastTookMs: Date.now() - sinceMs });
      if (outcome?.why === 'superseded') throw superseded(input);
      if (outcome?.why === 'gap') {
        const known = state.baseWanted;
        state.baseWanted = wantBase(known, outcome);
        const { gap } = outcome;
        if (gap && state.baseWanted !== known) announcer.tell(notify, 'gap', (origin) => gapFound(origin, state.source, gap));
        seekBase();
      }
      if (outcome?.why === 'handover') break;
    }
    lagWatch.stop();
    await condition(allHandlersFinished);
    await announcer.flush();
    if (!state.stopping) return true;
    describeUnrecorded(await recorder.settled(minutes(2))).forEach((what) => void (state.untold = `audit: ${what}`));
    show(state);
    mark({ phase: 'done' });
    return false;
  });
  // Outside of what turns failures into the workflow's own: continuing as new is thrown too.
  if (next) await continueOnCurrent<typeof runArchive>({
    system: input.system,
    source: input.source,
    last: state.last ?? undefined,
    lastTookMs: state.lastTookMs,
    trouble: state.trouble ?? undefined,
    baseWanted: state.baseWanted ?? undefined,
    notify,
    late: state.late,
  });
  return state;
}

/** One activity of up to an hour. Undefined: it was told to end early, and has ended; or it failed, and the next one is due. */
async function oneRound(state: ArchiveState, scope: CancellationScope, toldToEnd: () => boolean, seen: (view: SystemView) => void): Promise<ArchiveOutcome | undefined> {
  try {
    return await scope.run(async () => {
      try {
        const outcome = await archiveForAnHour(state, seen);
        state.trouble = null;
        return outcome;
      } catch (error) {
        const { type, message } = describeFailure(error);
        if (isCancellation(error) || type === 'EpochSuperseded') throw error;
        const lastAt = new Date().toISOString();
        state.trouble = { what: `${type}: ${message}`.slice(0, 500), since: state.trouble?.since ?? lastAt, lastAt };
        show(state);
        await sleep(afterFailureMs, { summary: `waits after ${type}, then goes on` });
        return undefined;
      }
    });
  } catch (error) {
    // A cancel of the workflow itself is passed on; one of the round alone was a signal.
    if (isCancellation(error) && toldToEnd() && !CancellationScope.current().consideredCancelled) return undefined;
    throw error;
  }
}

async function archiveForAnHour({ system, source }: ArchiveState, seen: (view: SystemView) => void): Promise<ArchiveOutcome> {
  const view = await callControl('loadSystem', { system }, `read systems/${system}.yaml`);
  seen(view);
  const call = callsAt(view.site, view.rpoObjectiveMs);
  const { epoch } = await call('claimEpoch', { system, why: 'archive', takeOver: false }, `hold the command of ${system}`);
  const outcome = await call('archiveLog', { system, source, epoch, forMs: hours(1) }, `archive the log of ${source} for an hour`);
  // A source without a primary, or one that flaps, ends round after round at once.
  if (outcome.why === 'election' && outcome.entries === 0) await sleep(seconds(2), { summary: `${source} has no steady primary` });
  return outcome;
}

const superseded = ({ system, source }: RunArchiveInput): Error =>
  failure('EpochSuperseded', `The archive of ${system}/${source} ends: another control plane, or a newer timeline, has taken over its log.`, {
    hint: 'if this control plane is to have it, recover or start archiveLog again here',
  });

/** Log that is lost cannot be restored over; only a base after it makes new points. A gap asks once, however often it is reported. */
function wantBase(wanted: BaseWanted | null, { gap, archivedTo }: ArchiveOutcome): BaseWanted {
  const at = gap?.to ?? archivedTo;
  const why = `after a gap in the log up to ${formatLogPosition(at)}${gap ? `: ${gap.why}` : ''}`.slice(0, 500);
  if (wanted?.at === at) return wanted;
  return { at, why, since: wanted?.since ?? new Date().toISOString(), failed: null };
}

/**
 * Asks for the base that is wanted until it is there, beside the rounds. Called again while it does so: nothing more.
 * Cancelling the archive leaves the base alone, and a run that follows takes the asking up from its input.
 */
function baseSeeker(state: ArchiveState, onTaken: () => void): () => void {
  let seeks = false;
  const seek = async (): Promise<void> => {
    while (state.baseWanted) {
      const wanted = state.baseWanted;
      const answer = await askForBase(state, wanted);
      if (answer === 'taken') {
        // A gap that was found in the meantime needs one of its own.
        if (state.baseWanted.at === wanted.at) state.baseWanted = null;
        if (!state.baseWanted) onTaken();
        show(state);
        continue;
      }
      if (answer !== 'goes on') wanted.failed = answer.failed;
      show(state);
      await sleep(baseAskedEveryMs, { summary: `a base after the gap of ${state.source} is wanted` });
    }
  };
  return () => {
    if (seeks || !state.baseWanted) return;
    seeks = true;
    void CancellationScope.nonCancellable(seek).finally(() => (seeks = false));
  };
}

/** `goes on`: an earlier run of this archive asked, so the answer does not come to us. Never throws. */
async function askForBase({ system, source }: ArchiveState, { at, why }: BaseWanted): Promise<'taken' | 'goes on' | { failed: string }> {
  const workflowId = `backup-after-gap/${system}/${source}/${at}`;
  const start = async (): Promise<'taken' | 'refused' | { failed: string }> => {
    try {
      const child = await startChild('backUpSystem', {
        workflowId,
        args: [{ system, source, why, requestedBy: `archive/${system}/${source}`, ifRunning: 'wait' }],
        taskQueue: taskQueues.control,
        parentClosePolicy: 'ABANDON',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        staticSummary: `new base of ${system}/${source} after a gap`,
      });
      await child.result();
      return 'taken';
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return 'refused';
      const { type, message } = describeFailure(error);
      return { failed: `${type}: ${message}`.slice(0, 500) };
    }
  };
  const first = await start();
  if (first !== 'refused') return first;
  // The id is refused while one runs, and for good once one has succeeded. A signal that nobody handles tells them apart.
  if (await trySignal(workflowId, 'still-wanted')) return 'goes on';
  const second = await start();
  return second === 'refused' ? 'taken' : second;
}

/** Where a slice is not read entry by entry, it counts as one. */
function describeRound({ entries, slices }: ArchiveOutcome, tookMs: number | undefined): string {
  if (tookMs === undefined) return '';
  const rate = tookMs > 0 && entries > slices ? `, ${Math.round((entries / tookMs) * 1000).toLocaleString('en-US')} entries/s` : '';
  return `; ${slices.toLocaleString('en-US')} slices in ${formatDuration(tookMs)}${rate}`;
}

function show(state: ArchiveState): void {
  const last = state.last ? `- last round ended by ${state.last.why} at ${formatLogPosition(state.last.archivedTo)}, timeline ${state.last.timeline}${describeRound(state.last, state.lastTookMs)}` : '- no round has ended yet';
  const looked = state.looked ? `\n- ${formatDuration(state.looked.lagMs)} behind its source, seen at ${state.looked.at}` : '';
  const gap = state.last?.gap ? `\n- ⚠ gap from ${formatLogPosition(state.last.gap.from)} to ${formatLogPosition(state.last.gap.to)}: ${state.last.gap.why}` : '';
  const trouble = state.trouble ? `\n- ⚠ rounds fail since ${state.trouble.since}, last at ${state.trouble.lastAt}, and are tried again: ${state.trouble.what}` : '';
  const wanted = state.baseWanted;
  const base = wanted ? `\n- ⚠ a base after the gap is wanted since ${wanted.since}${wanted.failed ? `; the last one failed: ${wanted.failed}` : ''}` : '';
  const untold = state.untold ? `\n- ⚠ ${state.untold}` : '';
  const late = state.late ? `\n- ⚠ LATE since ${state.late.since}: ${state.late.why}` : '';
  setCurrentDetails(
    `**archive ${state.system}/${state.source}**${state.stopping ? ' stopping' : ''}\n\n${last}${looked}${late}${gap}${trouble}${base}${untold}\n- how far it is: the heartbeat of its activity, or \`holdfast archive status ${state.system}\`\n- to end it: signal \`stop\`; run ${workflowInfo().runId}`,
  );
}
