import { allHandlersFinished, condition, defineQuery, defineSignal, isCancellation, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { ActRecorder, describeUnrecorded } from './act-recorder.ts';
import { callControl } from './call.ts';
import { continueOnCurrent } from './continue-on-current.ts';
import { compareSettings, scheduleProblems, settingProblems } from './domain/further-problems.ts';
import { describeReadiness } from './domain/describe-readiness.ts';
import { HoldfastError } from './domain/errors.ts';
import { judgeReadiness, unknownReadiness } from './domain/judge-readiness.ts';
import { lockIds } from './domain/names.ts';
import { readinessBack, readinessBroken } from './domain/notify/other-notices.ts';
import { permit } from './domain/permissions.ts';
import { toReadinessView } from './domain/readiness-schema.ts';
import { parseAccept, readinessQuery, readinessSignals, type ReadinessAnswer, type ReadinessWatchState, type WatchReadinessInput } from './domain/readiness-watch.ts';
import type { ClockReading, Problem } from './domain/readiness.ts';
import type { SystemView } from './domain/system-view.ts';
import { hours, minutes } from './domain/units.ts';
import { describeFailure, surfacing } from './failure.ts';
import { Announcer } from './notify/announcer.ts';
import { nowAt } from './now-at.ts';
import { bytesOf, detailsBytes } from './runbook/show-details.ts';
import { mark } from './search-attributes.ts';
import { stopDecision } from './stop-decision.ts';

/** Checks by one run at most: what each saw of the store is in the history twice. */
const checksPerRun = 100;
/** What may be over a moment later is looked at again after this, and only then told. */
const lookAgainMs = minutes(1);
const mayPass: readonly Problem['kind'][] = ['rpo', 'reach', 'check', 'schedule'];
/** The store's settings change by hand, and looking at them is some requests each time. */
const settingsEveryMs = hours(1);
/** Each schedule is a request of its own: those that are well are looked at so often, others with each check. */
const schedulesEveryMs = minutes(15);

const newState = (): ReadinessWatchState => {
  const { everyMs, remindEveryMs } = toReadinessView(undefined);
  return { since: nowAt(), checks: 0, readiness: null, seen: {}, everyMs, remindEveryMs, suspected: [], accepting: [], stopping: false };
};

/**
 * Looks again and again whether a system could be recovered now, under the id `ready/<system>`, started by `holdfast apply`. The query `readiness` answers what the last
 * check found. What is wrong pages once, again when that changes or has gone on for `readiness.remindEvery`, and it is told when it is over.
 *
 * | killed | then |
 * |---|---|
 * | in a check | another worker checks anew: it changes nothing |
 * | between a check and its message | the replay stands where it stood, and the message goes out |
 * | a message was sent, its answer lost | it is sent again under its id |
 *
 * No failure ends it: that the system file is gone, or that nothing can be looked at, is what it is there to tell.
 */
export async function watchReadiness(input: WatchReadinessInput): Promise<ReadinessAnswer> {
  const state = input?.state ?? newState();
  const told = { look: false };
  const recorder = new ActRecorder(input?.system ?? '', (what) => void (state.untold = `audit: ${what}`.slice(0, 500)));
  setHandler(defineSignal<[unknown?]>(readinessSignals.stop.name), (typed) => {
    if (input?.system && !state.stopping) recorder.record(stopDecision('the watch on readiness', typed));
    state.stopping = true;
  }, { description: readinessSignals.stop.description });
  setHandler(defineSignal(readinessSignals.look.name), () => void (told.look = true), { description: readinessSignals.look.description });
  setHandler(defineSignal<[unknown?]>(readinessSignals.accept.name), (typed) => {
    state.accepting = [...state.accepting, parseAccept(typed)].slice(-10);
    told.look = true;
  }, { description: readinessSignals.accept.description });
  setHandler(defineQuery<ReadinessAnswer>(readinessQuery), () => answerOf(state), { description: 'Whether the system could be recovered now, within its objectives: the answer of the last check.' });

  const next = await surfacing(async () => {
    const system = input?.system;
    if (!system || workflowInfo().workflowId !== lockIds.ready(system)) {
      throw new HoldfastError('BadInput', 'watchReadiness is started by `holdfast apply`, under the id ready/<system>', { hint: 'start applySystem with {"system": "demo"}' });
    }
    mark({ system, purpose: 'readiness', phase: phaseOf(state) });
    const announcer = new Announcer(system, (what) => void (state.untold = `notify: ${what}`.slice(0, 500)));
    for (let checks = 0; checks < checksPerRun && !workflowInfo().continueAsNewSuggested && !state.stopping; checks += 1) {
      const asked = told.look;
      told.look = false;
      await checkOnce(system, state, asked);
      page(state, announcer);
      mark({ phase: phaseOf(state) });
      show(system, state);
      await condition(() => state.stopping || told.look, state.suspected.length > 0 ? Math.min(lookAgainMs, state.everyMs) : state.everyMs, { summary: 'the next look whether it could be recovered' });
    }
    await condition(allHandlersFinished);
    await announcer.flush();
    if (!state.stopping) return true;
    describeUnrecorded(await recorder.settled(minutes(2))).forEach((what) => void (state.untold = `audit: ${what}`.slice(0, 500)));
    mark({ phase: 'done' });
    return false;
  });
  // Outside of what turns failures into the workflow's own: continuing as new is thrown too.
  if (next) await continueOnCurrent<typeof watchReadiness>({ system: input.system, state });
  return answerOf(state);
}

const answerOf = ({ readiness, since, checks, everyMs, paged, untold }: ReadinessWatchState): ReadinessAnswer => ({ readiness, since, checks, everyMs, paged: paged ?? null, untold: untold ?? null });
const phaseOf = ({ paged }: ReadinessWatchState): 'paging' | 'running' => (paged ? 'paging' : 'running');

/** Never throws but on cancel. */
async function checkOnce(system: string, state: ReadinessWatchState, asked: boolean): Promise<void> {
  state.checks += 1;
  try {
    const view = await callControl('loadSystem', { system }, `read systems/${system}.yaml`);
    state.notify = view.notify;
    const { everyMs, remindEveryMs } = view.readiness ?? toReadinessView(undefined);
    Object.assign(state, { everyMs, remindEveryMs });
    await readAcceptances(view, state);
    const accept = state.taking ?? [];
    const startedAt = nowAt();
    const isDue = asked || state.settings === undefined || Date.parse(startedAt) - Date.parse(state.settings.at) >= settingsEveryMs;
    const { facts, seen, settings, workerAt } = await callControl('checkReadiness', { system, seen: state.seen, knownSince: state.since, ...(accept.length > 0 ? { accept } : {}), ...(isDue ? { settings: true } : {}) }, 'could it be recovered now?');
    const clocks = [...facts.clocks, temporalClock(startedAt, workerAt, nowAt())];
    await lookAtSchedules(system, state, { at: startedAt, asked });
    state.seen = seen;
    state.taking = undefined;
    if (settings) state.settings = compareSettings(state.settings, settings, startedAt);
    state.readiness = judgeReadiness({ ...facts, clocks }, state.readiness?.problems, [...(state.schedules?.problems ?? []), ...settingProblems(state.settings, system)]);
  } catch (error) {
    if (isCancellation(error)) throw error;
    const { type, message } = describeFailure(error);
    const kind = type === 'UnknownSystem' || type === 'BadSystemFile' ? 'file' : 'check';
    const what = kind === 'file' ? `systems/${system}.yaml is gone or cannot be read` : 'the check failed';
    state.readiness = unknownReadiness(state.readiness, { system, at: nowAt(), kind, what: `${what}: ${type}: ${message}`.slice(0, 500) });
  }
}

/** Never throws but on cancel. What does not answer once may be a moment's matter: it is told when it is seen again. */
async function lookAtSchedules(system: string, state: ReadinessWatchState, { at, asked }: { at: string; asked: boolean }): Promise<void> {
  const { schedules } = state;
  if (!asked && schedules?.problems.length === 0 && Date.parse(at) - Date.parse(schedules.at) < schedulesEveryMs) return;
  try {
    state.schedules = { at, problems: scheduleProblems(await callControl('readFires', { system, at }, 'do its schedules still fire?')) };
  } catch (error) {
    if (isCancellation(error)) throw error;
    const { type, message } = describeFailure(error);
    state.schedules = { at, problems: scheduleProblems(null, `${type}: ${message}`.slice(0, 300)) };
  }
}

/** The worker's clock may lie anywhere between question and answer: an activity waits for a worker for as long as it takes. */
function temporalClock(askedAt: string, workerAt: string, answeredAt: string): ClockReading {
  const outside = workerAt < askedAt ? Date.parse(workerAt) - Date.parse(askedAt) : workerAt > answeredAt ? Date.parse(workerAt) - Date.parse(answeredAt) : 0;
  return { of: 'Temporal', aheadMs: outside };
}

/** Sources whose store is taken as it is now, as somebody has said; the audit has who. */
async function readAcceptances(view: SystemView, state: ReadinessWatchState): Promise<void> {
  const asked = state.accepting;
  state.accepting = [];
  for (const { source, by, reason } of asked) {
    const permission = permit(view.people, 'mark', by);
    const refused = permission.may === true ? undefined : permission.may === false ? permission.why : 'not by elevation';
    const about = refused ?? `takes the store of ${source ?? 'every source'} as it is: ${reason ?? 'no reason given'}`;
    const { workflowId, runId } = workflowInfo();
    await callControl('recordAct', { system: view.system, by: by ?? null, act: 'mark', outcome: refused === undefined ? 'permitted' : 'refused', about, workflow: 'watchReadiness', workflowId, runId }, `audit: ${by ?? 'nobody named'}, accept`).catch((error: unknown) => {
      if (isCancellation(error)) throw error;
    });
    state.accepted = `${nowAt()} ${by ?? 'nobody named'}: ${about}`.slice(0, 300);
    if (refused === undefined) state.taking = [...new Set([...(state.taking ?? []), ...(source === undefined ? Object.keys(view.sources) : [source])])];
  }
}

/** What may pass is told once it was seen twice; everything else at once. */
function page(state: ReadinessWatchState, announcer: Announcer): void {
  const { problems = [] } = state.readiness ?? {};
  const before = state.paged?.keys ?? [];
  const lasting = problems.filter(({ kind, key }) => !mayPass.includes(kind) || before.includes(key) || state.suspected.includes(key));
  state.suspected = problems.filter((problem) => !lasting.includes(problem)).map(({ key }) => key);
  const keys = lasting.map(({ key }) => key);
  const over = (state.paged?.what ?? []).filter(({ key }) => !keys.includes(key)).map(({ what }) => what);
  if (keys.length === 0) {
    if (state.paged) announcer.tell(state.notify, 'readiness', (origin) => readinessBack(origin, over));
    state.paged = undefined;
    return;
  }
  const changed = keys.some((key) => !before.includes(key)) || over.length > 0;
  const due = state.paged !== undefined && Date.now() - Date.parse(state.paged.at) >= state.remindEveryMs;
  if (!changed && !due) return;
  const broken = { verdict: lasting[0]!.makes, problems: lasting, problemCount: lasting.length };
  announcer.tell(state.notify, 'readiness', (origin) => readinessBroken(origin, broken, { over, again: !changed }));
  state.paged = { at: nowAt(), keys, what: lasting.map(({ key, what }) => ({ key, what: what.slice(0, 120) })) };
}

function show(system: string, state: ReadinessWatchState): void {
  setCurrentDetails(detailsOf(system, state));
}

/** At a glance, and less than 4 KB: problems give way first, then what would be had. */
function detailsOf(system: string, state: ReadinessWatchState): string {
  const { readiness, paged, untold, accepted } = state;
  if (!readiness) return `**${system}**: not looked at yet`;
  const { heading, problems, lines } = describeReadiness(readiness);
  const foot = [
    ...(paged ? [`people were told at ${paged.at}`] : []),
    ...(untold ? [`⚠ ${untold}`] : []),
    ...(accepted ? [`accepted: ${accepted}`] : []),
    'to check now: signal `look`; what is gone from the store is known: signal `accept`; to end it: signal `stop`',
  ];
  for (let shown = problems.length; ; shown -= 1) {
    const hidden = problems.length - shown;
    const rest = [...problems.slice(0, shown).map((one) => `⚠ ${one.slice(0, 400)}`), ...(hidden > 0 ? [`… and ${hidden} more: query \`readiness\``] : []), ...lines.map((line) => line.slice(0, 300)), ...foot];
    const text = `**${heading}**\n${rest.map((line) => `\n- ${line}`).join('')}`;
    if (shown <= 0 || bytesOf(text) <= detailsBytes) return text;
  }
}

