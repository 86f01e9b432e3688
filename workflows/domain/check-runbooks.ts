import { describeError } from './errors.ts';
import { expandRunbook, mainRunbook, runbookNames, type FlatStep, type Runbooks } from './expand-runbook.ts';
import { peopleWith, findPeople, viewPeople, type PeopleConfig } from './people.ts';
import { copiesOf, isHomeward, isInPlace, sameWay } from './homeward.ts';
import type { CopyMode } from './restore-mode.ts';
import { findCycle, type Runbook } from './runbook.ts';
import { factsOf, isStepType, namesOf, stepLanguage, stepTypeNames, type Named } from './step-language.ts';
import { stepsBefore } from './steps-before.ts';

type Complain = (path: (string | number)[], message: string) => void;

interface Gate {
  quorum: number;
  people: readonly string[];
  roles?: readonly string[] | undefined;
  notRequester: boolean;
}

interface Checked extends Runbooks, Named {
  mask?: Readonly<Record<string, unknown>> | undefined;
  failback?: object | undefined;
  approvals: Readonly<Record<string, Gate>>;
  people?: PeopleConfig | undefined;
}

/** What is wrong between the runbooks of a system file, and between them and the rest of it. Each of them by itself is in order. */
export function checkRunbooks(system: Checked, complain: Complain): void {
  if (system.runbooks?.[mainRunbook]) complain(['runbooks', mainRunbook], `"${mainRunbook}" is what runbook is called: give it another name`);
  checkApprovers(system, complain);
  const names = runbookNames(system);
  for (const name of names) {
    const where = name === mainRunbook ? ['runbook'] : ['runbooks', name];
    const runbook = name === mainRunbook ? system.runbook : system.runbooks![name]!;
    checkDirection(system, name, (path, message) => complain([...where, ...path], message));
    checkNames(system, runbook, (path, message) => complain([...where, ...path], message));
    checkInPlace(system, name, (path, message) => complain([...where, ...path], message));
    checkCopies(system, name, (path, message) => complain([...where, ...path], message));
    checkMasking(system, name, (message) => complain([...where, 'steps'], message));
    checkExpanded(system, name, (message) => complain([...where, 'steps'], message));
  }
  const cycle = findCycle(names.map((name) => ({ id: name, needs: escalatesTo(name === mainRunbook ? system.runbook : system.runbooks![name]!) })));
  if (cycle) complain(['runbooks'], `runbooks escalate to each other in a circle, and no run would end: ${cycle.join(' → ')}`);
}

/** A gate that too few people are left to open, once one of them has asked for the run, would wait for ever. */
function checkApprovers({ approvals, people: config }: Checked, complain: Complain): void {
  const people = viewPeople(config ?? {});
  const idOf = people && findPeople(people);
  for (const [gate, { quorum, people: named, roles = [], notRequester }] of Object.entries(approvals)) {
    if (named.length + roles.length === 0) continue;
    const having = people ? peopleWith(people, roles) : [];
    const answering = new Set([...named, ...having].map((name) => idOf?.(name) ?? name.trim().toLowerCase())).size;
    if (answering < quorum || !notRequester || answering - 1 >= quorum) continue;
    complain(['approvals', gate, 'people'], `${answering} may answer, and whoever asks for the run may not: too few are left for a quorum of ${quorum} when one of them asks. Name another, or set notRequester: false`);
  }
}

const escalatesTo = (runbook: Runbook): string[] => runbook.steps.flatMap(({ onFailure }) => (typeof onFailure === 'object' && 'escalate' in onFailure ? [onFailure.escalate] : []));

function checkNames(system: Checked, runbook: Runbook, complain: Complain): void {
  runbook.steps.forEach((step, index) => {
    checkSettings(step, (path, message) => complain(['steps', index, ...path], message));
    checkFields(step, (path, message) => complain(['steps', index, ...path], message));
    const lacking = factsOf(step.uses).lacks?.(system, step);
    if (lacking) complain(['steps', index, ...(lacking.field ?? [])], lacking.why);
    if (step.undo?.command !== undefined && !Object.hasOwn(system.commands ?? {}, step.undo.command)) complain(['steps', index, 'undo', 'command'], `unknown command "${step.undo.command}"; known: ${namesOf(system.commands ?? {})}`);
    if (step.approval && !system.approvals[step.approval]) complain(['steps', index, 'approval'], `gate "${step.approval}" is not under approvals; known: ${namesOf(system.approvals)}`);
    if (step.source && !Object.hasOwn(system.sources, step.source)) complain(['steps', index, 'source'], `unknown source "${step.source}"; known: ${namesOf(system.sources)}`);
    for (const to of escalatesTo({ steps: [step] })) if (!runbookNames(system).includes(to)) complain(['steps', index, 'onFailure', 'escalate'], `there is no runbook "${to}"; known: ${runbookNames(system).join(', ')}`);
  });
}

/** A run has one direction from its start to its end. */
function checkDirection(system: Checked, name: string, complain: Complain): void {
  const homeward = isHomeward(system, name);
  if (homeward && name === mainRunbook) complain(['towards'], 'runbook is the way to the standby: put the way home under runbooks');
  if (homeward && !system.failback) complain(['towards'], 'home needs failback: where home is made anew, and how the standby is fenced');
  const runbook = name === mainRunbook ? system.runbook : system.runbooks![name]!;
  const other = escalatesTo(runbook).find((to) => runbookNames(system).includes(to) && !sameWay(system, to, name));
  if (other) complain([], `escalates to "${other}", which goes the other way: a run goes to the standby, home, in place, beside or by a swap, and does not turn round`);
}

/**
 * In place nothing may be moved aside before it is fenced, before all that it holds lies in the store and was read back, and before people have
 * said so. A runbook of another mode has no use for a safety point: it leaves what serves alone.
 */
function checkInPlace(system: Checked, name: string, complain: Complain): void {
  const runbook = name === mainRunbook ? system.runbook : system.runbooks![name]!;
  const inPlace = isInPlace(system, name);
  if (!inPlace) {
    const at = runbook.steps.findIndex(({ uses }) => uses === 'safety-point');
    if (at >= 0) complain(['steps', at, 'uses'], 'belongs to a runbook with mode: in-place');
    return;
  }
  if (name === mainRunbook) complain(['mode'], 'runbook is the way to the standby: put what restores in place under runbooks');
  if (runbook.towards) complain(['towards'], 'either towards or mode: in-place');
  if (!system.failback) complain(['mode'], 'in-place needs failback.provision: how the place that the source lives at is made anew');
  let steps: FlatStep[];
  try {
    steps = expandRunbook(system, name);
  } catch {
    // Said by checkExpanded.
    return;
  }
  for (const provision of steps.filter(({ uses }) => uses === 'provision')) {
    const before = stepsBefore(steps, provision);
    const lacks = ['find-recovery-point', 'fence', 'safety-point', 'approval'].filter((uses) => !before.some((step) => step.uses === uses));
    if (lacks.length > 0) complain(['steps'], `step "${provision.id}" replaces what serves, so it must need, by way of others, steps that use ${lacks.join(', ')}`);
    if ((provision.with as { left?: string } | undefined)?.left !== 'move-aside') complain(['steps'], `step "${provision.id}" replaces what serves: expected with: { left: move-aside }`);
  }
  for (const safe of steps.filter(({ uses }) => uses === 'safety-point')) {
    if (!stepsBefore(steps, safe).some(({ uses }) => uses === 'fence')) complain(['steps'], `step "${safe.id}" must need a step that uses fence: while it is written to, there is no end to archive to`);
  }
}

/** By mode: the steps that it has one of, and what each needs before it. */
const copySteps: Readonly<Record<CopyMode, Readonly<Record<string, readonly string[]>>>> = {
  beside: { 'copy-beside': ['declare', 'find-recovery-point', 'validate'] },
  swap: { 'copy-beside': ['declare', 'find-recovery-point', 'validate'], swap: ['copy-beside', 'approval'] },
  rows: { 'preview-rows': ['find-recovery-point', 'validate'], 'restore-rows': ['declare', 'preview-rows', 'approval'] },
};
const copyModes = Object.keys(copySteps) as CopyMode[];
const movesSource: readonly string[] = ['fence', 'drain', 'promote', 'switch'];
/** What a gate before a step shows, and from which step it has that. */
const shownFrom: Readonly<Record<string, readonly [from: string, what: string]>> = {
  swap: ['copy-beside', 'what would change places'],
  'restore-rows': ['preview-rows', 'which rows would be put back'],
};
/** These make, prove, compare or bring back what was restored. */
const needData: readonly string[] = ['restore', 'replay', 'build-indexes', 'validate', 'compare', 'preview-rows', 'restore-rows', 'copy-beside', 'swap', 'promote', 'switch'];

/**
 * What is copied into the living source was proved before, and what changes places was shown to people. Runbooks of another mode copy nothing: what they
 * bring goes on by itself.
 */
function checkCopies(system: Checked, name: string, complain: Complain): void {
  const runbook = name === mainRunbook ? system.runbook : system.runbooks![name]!;
  const mode = copiesOf(system, name);
  const allowed = mode ? Object.keys(copySteps[mode]) : [];
  runbook.steps.forEach(({ uses }, at) => {
    const modes = copyModes.filter((one) => Object.hasOwn(copySteps[one], uses));
    if (modes.length > 0 && !allowed.includes(uses)) complain(['steps', at, 'uses'], `belongs to a runbook with mode: ${modes.join(' or mode: ')}`);
    // The run's own server is gone at its end, and the living source stays where it is.
    if (mode && movesSource.includes(uses)) complain(['steps', at, 'uses'], `belongs to a runbook that moves a source: mode: ${mode} brings data into what lives, where it lives`);
  });
  if (!mode) return;
  if (runbook.towards) complain(['towards'], `either towards or mode: ${mode}`);
  let steps: FlatStep[];
  try {
    steps = expandRunbook(system, name);
  } catch {
    // Said by checkExpanded.
    return;
  }
  for (const [uses, wanted] of Object.entries(copySteps[mode])) {
    const those = steps.filter((step) => step.uses === uses);
    if (those.length !== 1) complain(['steps'], `mode: ${mode} needs one step that uses ${uses}, and there are ${those.length}`);
    for (const step of those) {
      const before = stepsBefore(steps, step);
      const lacks = wanted.filter((of) => !before.some((one) => one.uses === of));
      if (lacks.length > 0) complain(['steps'], `step "${step.id}" writes into what lives, so it must need, by way of others, steps that use ${lacks.join(', ')}`);
    }
  }
  for (const step of steps.filter(({ uses }) => uses in shownFrom)) {
    const [from, what] = shownFrom[step.uses]!;
    // The nearest first. Others may be there, to let somebody begin at all.
    const gates = stepsBefore(steps, step).filter(({ uses }) => uses === 'approval');
    if (gates.length > 0 && !gates.some((gate) => stepsBefore(steps, gate).some(({ uses }) => uses === from))) complain(['steps'], `step "${gates[0]!.id}" shows ${what}, so it must need a step that uses ${from}`);
  }
}

/**
 * Nothing leaves production unmasked: people are let in to a place when the run's report is written. And what was masked is not the data any more: nothing may go
 * on from it.
 */
function checkMasking(system: Checked, name: string, complain: (message: string) => void): void {
  let steps: FlatStep[];
  try {
    steps = expandRunbook(system, name);
  } catch {
    // Said by checkExpanded.
    return;
  }
  const opens = system.mask !== undefined && !isInPlace(system, name) && !isHomeward(system, name) && steps.some(({ uses }) => uses === 'restore');
  for (const { id, uses } of steps) {
    const before = stepsBefore(steps, steps.find((step) => step.id === id)!);
    const masked = before.find((step) => step.uses === 'mask');
    if (masked && needData.includes(uses)) complain(`step "${id}" (${uses}) works on the data as it was, and "${masked.id}" before it masks that`);
    if (uses === 'mask' && !before.some((step) => step.uses === 'restore')) complain(`step "${id}" must need a step that uses restore: before that there is nothing to mask`);
    if (uses === 'mask' && !system.mask) complain(`step "${id}" has no rules: say under mask what is masked`);
    if (uses === 'report' && opens && !masked) complain(`step "${id}" lets people in to what was restored, and nothing has masked it: let it need a step that uses mask (which passes itself over where the place is production’s)`);
  }
}

function checkSettings({ uses, with: settings }: Runbook['steps'][number], complain: Complain): void {
  if (uses === 'runbook') return;
  if (!isStepType(uses)) return complain(['uses'], `unknown step type; known: ${[...stepTypeNames, 'runbook'].join(', ')}`);
  const schema = stepLanguage[uses].settings;
  const parsed = schema.safeParse(settings ?? {});
  if (parsed.success) return;
  for (const issue of parsed.error.issues) {
    const path = ['with', ...issue.path.filter((step) => typeof step !== 'symbol')];
    if (issue.code !== 'unrecognized_keys') complain(path, `expected ${issue.message}`);
    else for (const key of issue.keys) complain([...path, key], `unknown field; a step that uses ${uses} takes ${Object.keys(schema.shape).join(', ') || 'no settings'}`);
  }
}

/** What only some step types may say. */
function checkFields({ uses, source, foreach, onFailure }: Runbook['steps'][number], complain: Complain): void {
  if (uses === 'runbook' || !isStepType(uses)) return;
  const { perSource: isPerSource, needed } = factsOf(uses);
  for (const [field, value] of Object.entries({ source, foreach })) if (value && !isPerSource) complain([field], `a step that uses ${uses} is of the whole system`);
  if (onFailure === 'continue' && needed) complain(['onFailure'], `a step that uses ${uses} cannot be gone on without: let it pause`);
}

const longestId = 63;

function checkExpanded(system: Checked, name: string, complain: (message: string) => void): void {
  try {
    const steps = expandRunbook(system, name);
    const ids = steps.map(({ id }) => id);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice) complain(`with its sub-runbooks and loops, step id "${twice}" is used twice`);
    const long = ids.find((id) => id.length > longestId);
    if (long) complain(`with its sub-runbooks and loops, step id "${long}" is longer than ${longestId} characters`);
    const own = new Set((name === mainRunbook ? system.runbook : system.runbooks![name]!).steps.map(({ id }) => id));
    const shut = steps.find(({ id, uses, with: settings }) => uses === 'approval' && !own.has(id) && settings?.['gate'] === undefined && !system.approvals[id]);
    if (shut) complain(`${shut.at} becomes step "${shut.id}" here, and there is no gate of that name under approvals: say with: { gate: … } there`);
  } catch (error) {
    complain(describeError(error).message);
  }
}
