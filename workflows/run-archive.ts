import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { allHandlersFinished, CancellationScope, condition, continueAsNew, defineQuery, defineSignal, isCancellation, setCurrentDetails, setHandler, sleep, startChild, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import { taskQueues, type ArchiveOutcome } from './contract.ts';
import { HoldfastError } from './domain/errors.ts';
import { formatLogPosition } from './domain/log-position.ts';
import { archiveSignals, queryNames } from './domain/messages.ts';
import { hours, seconds } from './domain/units.ts';
import { failure, surfacing } from './failure.ts';
import { mark } from './search-attributes.ts';

export interface RunArchiveInput {
  system: string;
  source: string;
  /** what the run before this one ended with: its history is gone */
  last?: ArchiveOutcome | undefined;
}

/** What the query `state` of an archive answers. How far it is right now stands in the heartbeat of its activity, and in the bucket. */
export interface ArchiveState {
  system: string;
  source: string;
  stopping: boolean;
  rounds: number;
  last: ArchiveOutcome | null;
}

/** Rounds that one run does at most: elections and gaps end a round early, and its history must stay small. */
const roundsPerRun = 20;

/**
 * Archives the log of one source, under the id `archive/<system>/<source>`: hour after hour, until the signal `stop` or a cancel.
 * A gap ends a range that can be restored: a new base is asked for at once.
 *
 * @throws EpochSuperseded - another control plane has the command, or the source is another one now: this archive must not go on.
 */
export async function runArchive(input: RunArchiveInput): Promise<ArchiveState> {
  const state: ArchiveState = { system: input?.system, source: input?.source, stopping: false, rounds: 0, last: input?.last ?? null };
  let round: CancellationScope | undefined;
  let moved = false;
  setHandler(defineSignal(archiveSignals.stop.name), () => {
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
    while (!state.stopping && state.rounds < roundsPerRun) {
      state.rounds += 1;
      moved = false;
      round = new CancellationScope();
      show(state);
      const outcome = await oneRound(input, round, () => state.stopping || moved);
      if (outcome) state.last = outcome;
      if (outcome?.why === 'superseded') throw superseded(input);
      if (outcome?.why === 'gap') await askForBase(input, outcome);
      if (outcome?.why === 'handover') break;
    }
    await condition(allHandlersFinished);
    if (!state.stopping) return true;
    show(state);
    mark({ phase: 'done' });
    return false;
  });
  // Outside of what turns failures into the workflow's own: continuing as new is thrown too.
  if (next) await continueAsNew<typeof runArchive>({ system: input.system, source: input.source, last: state.last ?? undefined });
  return state;
}

/** One activity of up to an hour. Undefined: it was told to end early, and has ended. */
async function oneRound({ system, source }: RunArchiveInput, scope: CancellationScope, toldToEnd: () => boolean): Promise<ArchiveOutcome | undefined> {
  try {
    return await scope.run(async () => {
      const view = await callControl('loadSystem', { system }, `read systems/${system}.yaml`);
      const call = callsAt(view.site);
      const { epoch } = await call('claimEpoch', { system, why: 'archive', takeOver: false }, `hold the command of ${system}`);
      const outcome = await call('archiveLog', { system, source, epoch, forMs: hours(1) }, `archive the log of ${source} for an hour`);
      // A source without a primary, or one that flaps, ends round after round at once.
      if (outcome.why === 'election' && outcome.entries === 0) await sleep(seconds(2), { summary: `${source} has no steady primary` });
      return outcome;
    });
  } catch (error) {
    // A cancel of the workflow itself is passed on; one of the round alone was a signal.
    if (isCancellation(error) && toldToEnd() && !CancellationScope.current().consideredCancelled) return undefined;
    throw error;
  }
}

const superseded = ({ system, source }: RunArchiveInput): Error =>
  failure('EpochSuperseded', `The archive of ${system}/${source} ends: another control plane, or a newer timeline, has taken over its log.`, {
    hint: 'if this control plane is to have it, recover or start archiveLog again here',
  });

/** Log that is lost cannot be restored over; only a base after it makes new points. A gap asks once, however often it is reported. */
async function askForBase({ system, source }: RunArchiveInput, { gap, archivedTo }: ArchiveOutcome): Promise<void> {
  const at = gap?.to ?? archivedTo;
  const why = `after a gap in the log up to ${formatLogPosition(at)}${gap ? `: ${gap.why}` : ''}`.slice(0, 500);
  try {
    await startChild('backUpSystem', {
      workflowId: `backup-after-gap/${system}/${source}/${at}`,
      args: [{ system, source, why, requestedBy: `archive/${system}/${source}`, ifRunning: 'wait' }],
      taskQueue: taskQueues.control,
      parentClosePolicy: 'ABANDON',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      staticSummary: `new base of ${system}/${source} after a gap`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

function show(state: ArchiveState): void {
  const last = state.last ? `- last round ended by ${state.last.why} at ${formatLogPosition(state.last.archivedTo)}, timeline ${state.last.timeline}` : '- no round has ended yet';
  const gap = state.last?.gap ? `\n- ⚠ gap from ${formatLogPosition(state.last.gap.from)} to ${formatLogPosition(state.last.gap.to)}: ${state.last.gap.why}` : '';
  setCurrentDetails(
    `**archive ${state.system}/${state.source}**${state.stopping ? ' stopping' : ''}\n\n${last}${gap}\n- how far it is: the heartbeat of its activity, or \`holdfast archive status ${state.system}\`\n- to end it: signal \`stop\`; run ${workflowInfo().runId}`,
  );
}
