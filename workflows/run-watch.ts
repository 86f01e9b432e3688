import { allHandlersFinished, condition, defineQuery, defineSignal, log, patched, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { ActRecorder, describeUnrecorded } from './act-recorder.ts';
import { callControl, callsAt, type Call } from './call.ts';
import { continueOnCurrent } from './continue-on-current.ts';
import type { FenceResult, OldPrimaryProbe } from './contract.ts';
import { divergedWrites } from './domain/diverged.ts';
import { HoldfastError } from './domain/errors.ts';
import { queryNames } from './domain/messages.ts';
import type { Notice } from './domain/notify/notice.ts';
import { oldPrimaryFenced, oldPrimarySeen, oldPrimaryTook, oldPrimaryUnread, oldPrimaryUnwatched, type Origin } from './domain/notify/other-notices.ts';
import { hours, minutes, seconds } from './domain/units.ts';
import { watchSignals, type WatchInput, type WatchState } from './domain/watch.ts';
import { describeFailure, surfacing } from './failure.ts';
import { Announcer } from './notify/announcer.ts';
import { nowAt } from './now-at.ts';
import { mark } from './search-attributes.ts';
import { stopDecision } from './stop-decision.ts';

/** Knocks by one run at most: a history must stay small. */
const probesPerRun = 300;
const firstEveryMs = seconds(5);
/** in the first day, and after it */
const longestEveryMs = { early: seconds(60), late: minutes(5) };

const newState = ({ system, source, run, environment, startedAt, endsAt, fence }: WatchInput): WatchState => ({
  system, source, run, environment, startedAt, endsAt,
  // Fenced with proof it may still answer, and takes nothing.
  oldSide: fence === 'proved' ? 'fenced' : 'unknown', probes: 0, lastProbeAt: null, lastSeen: fence === null ? 'the run did not fence it' : `the run’s fence: ${fence}`,
  fence: null, foundAt: null, diverged: null, trouble: null, findings: [], over: null,
});

/**
 * Watches the old primary after a switch, under the id `watch/<system>/<source>`, for days and outside of any run. Whenever it
 * answers again it is fenced at once, by the recovery's own fence; nothing else decides. People are paged, what it took
 * meanwhile is written down, and they are told of that too, and that nobody watches it any more. Nothing is merged.
 *
 * Killed anywhere: each knock, fence and report may be done twice, and the next one finds what the last one left.
 * No failure ends it: an old primary that nobody watches is what it is there against.
 */
export async function runWatch(input: WatchInput): Promise<WatchState> {
  const state = input?.state ?? newState(input ?? ({} as WatchInput));
  const told = { stop: false, look: false };
  const recorder = new ActRecorder(input?.system ?? '', (what) => void note(state, `audit: ${what}`));
  setHandler(defineSignal<[unknown?]>(watchSignals.stop.name), (typed) => {
    // A run that takes the old primary's place tells it until it is gone.
    if (input?.source && !told.stop) recorder.record(stopDecision(`the watch on the old primary of ${input.source}`, typed));
    told.stop = true;
  }, { description: watchSignals.stop.description });
  setHandler(defineSignal(watchSignals.look.name), () => void (told.look = true), { description: watchSignals.look.description });
  setHandler(defineQuery<WatchState>(queryNames.state), () => state, { description: 'Whether the old primary was seen, what became of it, and the report of diverged writes.' });

  const next = await surfacing(async () => {
    if (!input?.system || !input.source || !input.limit) throw new HoldfastError('BadInput', 'runWatch is started by a recovery, which knows what it left behind.');
    mark({ system: input.system, purpose: 'watch', phase: state.foundAt === null ? 'running' : 'paging' });
    const announcer = new Announcer(input.system, (what) => void note(state, `notify: ${what}`));
    const tell: Tell = (write) => announcer.tell(input.notify, 'old-primary', write);
    let everyMs = firstEveryMs;
    for (let probes = 0; probes < probesPerRun && !workflowInfo().continueAsNewSuggested; probes += 1) {
      const changed = await lookOnce(input, state, tell);
      if (state.over !== null) break;
      show(state);
      everyMs = changed ? firstEveryMs : Math.min(everyMs * 2, longestOf(input));
      const leftMs = Date.parse(input.endsAt) - Date.now();
      if (leftMs > 0) await condition(() => told.stop || told.look, Math.min(everyMs, leftMs), { summary: 'the next knock at the old primary' });
      if (told.stop) state.over = 'told to stop';
      else if (Date.now() >= Date.parse(input.endsAt)) {
        state.over = `watched until ${input.endsAt}, as the system file says`;
        if (input.notify && patched('watch-tells-its-end')) tell((origin) => oldPrimaryUnwatched(origin, input.source, { safe: isSafe(input, state), seen: state.lastSeen }));
      }
      told.look = false;
      if (state.over !== null) break;
    }
    await condition(allHandlersFinished);
    await announcer.flush();
    // Said while the last messages went out: the next run would not have heard it.
    if (told.stop) state.over ??= 'told to stop';
    if (state.over === null) return true;
    describeUnrecorded(await recorder.settled(minutes(2))).forEach((what) => void note(state, `audit: ${what}`));
    show(state);
    mark({ phase: 'done' });
    return false;
  });
  // Outside of what turns failures into the workflow's own: continuing as new is thrown too.
  if (next) await continueOnCurrent<typeof runWatch>({ ...input, state });
  return state;
}

/** Fenced with proof, and since then it has not been met taking writes. One that was met, fenced and fell silent may come back as what it was. */
const isSafe = ({ fence }: WatchInput, { oldSide, foundAt }: WatchState): boolean => oldSide === 'fenced' || (fence === 'proved' && foundAt === null);

type Tell = (write: (origin: Origin) => Notice) => void;

const longestOf = ({ startedAt }: WatchInput): number => (Date.now() - Date.parse(startedAt) < hours(24) ? longestEveryMs.early : longestEveryMs.late);

/** @returns whether something changed: then the next look comes soon. Never throws but on cancel. */
async function lookOnce(input: WatchInput, state: WatchState, tell: Tell): Promise<boolean> {
  const { system, source, environment, timeline, towards } = input;
  let probe: OldPrimaryProbe;
  try {
    probe = await callControl('probeOldPrimary', { system, source, environment, timeline, towards }, `knock at the old primary of ${source}`);
  } catch (error) {
    return note(state, failing(error, 'it could not be looked for'));
  }
  state.probes += 1;
  state.lastProbeAt = probe.at;
  state.lastSeen = probe.seen;
  if (probe.over !== null) {
    state.over = probe.over;
    return true;
  }
  const before = state.oldSide;
  if (probe.heard !== 'open') {
    state.oldSide = 'silent';
    return before === 'silent' || state.foundAt === null ? false : note(state, `it is silent again: ${probe.seen}`);
  }
  // Stepped down by our fence, it answers and takes nothing: it is left alone, its log may still be wanted.
  if (before === 'fenced' && probe.takesWrites !== true && state.trouble === null) return false;
  const isNew = before === 'silent' || before === 'unknown' || (before === 'fenced' && probe.takesWrites === true);
  if (isNew) page(state, probe, tell);
  const hadFence = state.fence !== null;
  // What does not come to pass is tried at every look: only what is new is told.
  const isNews = (): boolean => isNew || state.oldSide !== before;
  const fence = await fenceAgain(input, state, (write) => void (isNews() && tell(write)));
  if (fence) await reportDiverged(input, state, fence, { isNews: isNews() || !hadFence, tell });
  return state.oldSide !== before;
}

/** @returns what it came to; undefined: it could not be tried, or another has the command. */
async function fenceAgain({ system, source, run, epoch, towards }: WatchInput, state: WatchState, tell: Tell): Promise<FenceResult | undefined> {
  try {
    state.fence = await callControl('fencePrimary', { system, source, run, epoch, towards }, `fence the old primary of ${source} again`);
  } catch (error) {
    if (describeFailure(error).type === 'EpochSuperseded') {
      state.over = 'another control plane has the command of the system: what becomes of its old primary is decided there';
      return undefined;
    }
    const said = failing(error, 'IT COULD NOT BE FENCED');
    state.oldSide = 'unfenced';
    tell((origin) => oldPrimaryFenced(origin, source, false, said));
    note(state, said);
    return undefined;
  }
  state.oldSide = state.fence.outcome === 'unproved' ? 'unfenced' : 'fenced';
  const said = `fence ${state.fence.outcome}: ${state.fence.evidence.join('; ')}`;
  tell((origin) => oldPrimaryFenced(origin, source, state.oldSide === 'fenced', said));
  note(state, said);
  return state.fence;
}

/** What it took while nobody saw. A report that fails is tried again at the next look. */
async function reportDiverged({ system, source, run, environment, timeline, limit, towards, notify }: WatchInput, state: WatchState, { logReachable }: FenceResult, { isNews, tell }: { isNews: boolean; tell: Tell }): Promise<void> {
  const wasTrouble = state.trouble !== null;
  const held = state.oldSide === 'fenced';
  const say: Tell = (write) => void (notify && patched('watch-tells-what-it-took') && tell(write));
  try {
    const call: Call = callsAt((await callControl('loadSystem', { system }, `read systems/${system}.yaml`)).site);
    const report = await call('readDivergedWrites', { system, source, run, environment, timeline, limit, logReachable, towards }, `read what the old primary of ${source} took`);
    const { paths } = await call('writeDivergedReport', { report }, 'write the report of diverged writes');
    const { from, to, entries, inserts, updates, deletes, firstAt, lastAt, writtenAt } = report;
    state.diverged = { from, to, entries, inserts, updates, deletes, firstAt, lastAt, incomplete: report.doesNotCover.length, html: paths.html, writtenAt };
    state.trouble = null;
    note(state, `diverged writes: ${divergedWrites(report)}; ${paths.html}`);
    if (inserts + updates + deletes > 0) log.error(`${system}/${source}: the old primary took writes that the recovered data does not hold, and nothing merges them`, { ...state.diverged });
    if (isNews || wasTrouble) say((origin) => oldPrimaryTook(origin, held, report, paths.html));
  } catch (error) {
    const said = failing(error, 'its diverged writes could not be read');
    // Of an engine that cannot, asking again helps nothing: people are told once, and where to look.
    const asksAgain = describeFailure(error).type !== 'Unsupported';
    state.trouble = asksAgain ? said : null;
    note(state, said);
    if (isNews || (asksAgain && !wasTrouble)) say((origin) => oldPrimaryUnread(origin, source, held, said, asksAgain));
  }
}

/** Loud: in the log, in the lists of the UI, in the details. */
function page(state: WatchState, probe: OldPrimaryProbe, tell: Tell): void {
  tell((origin) => oldPrimarySeen(origin, state.source, probe.seen));
  state.foundAt ??= probe.at;
  log.error(`${state.system}/${state.source}: THE OLD PRIMARY ANSWERS AGAIN (${probe.seen}); it is fenced now`, { ...probe });
  note(state, `THE OLD PRIMARY ANSWERS AGAIN: ${probe.seen}`);
  mark({ phase: 'paging' });
  show(state);
}

function failing(error: unknown, what: string): string {
  const { type, message } = describeFailure(error);
  if (type === 'Aborted') throw error;
  return `${what}: ${type}: ${message}`.slice(0, 500);
}

function note(state: WatchState, what: string): true {
  if (state.findings.at(-1)?.what !== what) state.findings = [...state.findings, { at: nowAt(), what: what.slice(0, 600) }].slice(-50);
  return true;
}

function show(state: WatchState): void {
  const diverged = state.diverged ? [`- diverged writes: ${divergedWrites(state.diverged)}; report ${state.diverged.html}`] : [];
  setCurrentDetails([
    `**watch on the old primary of ${state.system}/${state.source}** (${state.environment})${state.over === null ? '' : `: over, ${state.over}`}\n`,
    `- ${state.foundAt === null ? '' : `⚠ **it answered again at ${state.foundAt}**; `}now ${state.oldSide}: ${state.lastSeen} (${state.lastProbeAt ?? 'not asked yet'}, look ${state.probes})`,
    ...diverged,
    ...(state.trouble ? [`- ⚠ ${state.trouble}`] : []),
    ...state.findings.slice(-8).map(({ at, what }) => `- ${at}: ${what.slice(0, 250)}`),
    `- until ${state.endsAt}; to look now: signal \`look\`; to end it: signal \`stop\``,
  ].join('\n'));
}
