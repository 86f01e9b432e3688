import { describeError } from './errors.ts';
import { expandRunbook, mainRunbook, runbookNames, type Runbooks } from './expand-runbook.ts';
import { peopleWith, personOf, viewPeople, type PeopleConfig } from './people.ts';
import { isHomeward } from './homeward.ts';
import { findCycle, type Runbook } from './runbook.ts';
import { isStepType, stepSettings } from './step-settings.ts';

type Complain = (path: (string | number)[], message: string) => void;

interface Gate {
  quorum: number;
  people: readonly string[];
  roles?: readonly string[] | undefined;
  notRequester: boolean;
}

interface Checked extends Runbooks {
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
    checkExpanded(system, name, (message) => complain([...where, 'steps'], message));
  }
  const cycle = findCycle(names.map((name) => ({ id: name, needs: escalatesTo(name === mainRunbook ? system.runbook : system.runbooks![name]!) })));
  if (cycle) complain(['runbooks'], `runbooks escalate to each other in a circle, and no run would end: ${cycle.join(' → ')}`);
}

/** A gate that too few people are left to open, once one of them has asked for the run, would wait for ever. */
function checkApprovers({ approvals, people: config }: Checked, complain: Complain): void {
  const people = viewPeople(config ?? {});
  for (const [gate, { quorum, people: named, roles = [], notRequester }] of Object.entries(approvals)) {
    if (named.length + roles.length === 0) continue;
    const having = people ? peopleWith(people, roles) : [];
    const answering = new Set([...named, ...having].map((name) => (people && personOf(people, name)) ?? name.trim().toLowerCase())).size;
    if (answering < quorum || !notRequester || answering - 1 >= quorum) continue;
    complain(['approvals', gate, 'people'], `${answering} may answer, and whoever asks for the run may not: too few are left for a quorum of ${quorum} when one of them asks. Name another, or set notRequester: false`);
  }
}

const escalatesTo = (runbook: Runbook): string[] => runbook.steps.flatMap(({ onFailure }) => (typeof onFailure === 'object' && 'escalate' in onFailure ? [onFailure.escalate] : []));

function checkNames(system: Checked, runbook: Runbook, complain: Complain): void {
  const known = (record: Readonly<Record<string, unknown>>): string => Object.keys(record).join(', ') || 'none';
  runbook.steps.forEach((step, index) => {
    checkSettings(step, (path, message) => complain(['steps', index, ...path], message));
    const gate = step.uses === 'approval' ? ((step.with as { gate?: string } | undefined)?.gate ?? step.id) : undefined;
    if (gate && !system.approvals[gate]) complain(['steps', index], `gate "${gate}" is not under approvals; known: ${known(system.approvals)}`);
    if (step.approval && !system.approvals[step.approval]) complain(['steps', index, 'approval'], `gate "${step.approval}" is not under approvals; known: ${known(system.approvals)}`);
    if (step.source && !Object.hasOwn(system.sources, step.source)) complain(['steps', index, 'source'], `unknown source "${step.source}"; known: ${known(system.sources)}`);
    for (const to of escalatesTo({ steps: [step] })) if (!runbookNames(system).includes(to)) complain(['steps', index, 'onFailure', 'escalate'], `there is no runbook "${to}"; known: ${runbookNames(system).join(', ')}`);
  });
}

/** A run has one direction from its start to its end. */
function checkDirection(system: Checked, name: string, complain: Complain): void {
  const homeward = isHomeward(system, name);
  if (homeward && name === mainRunbook) complain(['towards'], 'runbook is the way to the standby: put the way home under runbooks');
  if (homeward && !system.failback) complain(['towards'], 'home needs failback: where home is made anew, and how the standby is fenced');
  const runbook = name === mainRunbook ? system.runbook : system.runbooks![name]!;
  const other = escalatesTo(runbook).find((to) => runbookNames(system).includes(to) && isHomeward(system, to) !== homeward);
  if (other) complain([], `escalates to "${other}", which goes the other way: a run goes to the standby or home, and does not turn round`);
}

function checkSettings({ uses, with: settings }: Runbook['steps'][number], complain: Complain): void {
  if (uses === 'runbook') return;
  if (!isStepType(uses)) return complain(['uses'], `unknown step type; known: ${[...Object.keys(stepSettings), 'runbook'].join(', ')}`);
  const schema = stepSettings[uses];
  const parsed = schema.safeParse(settings ?? {});
  if (parsed.success) return;
  for (const issue of parsed.error.issues) {
    const path = ['with', ...issue.path.filter((step) => typeof step !== 'symbol')];
    if (issue.code !== 'unrecognized_keys') complain(path, `expected ${issue.message}`);
    else for (const key of issue.keys) complain([...path, key], `unknown field; a step that uses ${uses} takes ${Object.keys(schema.shape).join(', ') || 'no settings'}`);
  }
}

const longestId = 63;

function checkExpanded(system: Checked, name: string, complain: (message: string) => void): void {
  try {
    const ids = expandRunbook(system, name).map(({ id }) => id);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice) complain(`with its sub-runbooks and loops, step id "${twice}" is used twice`);
    const long = ids.find((id) => id.length > longestId);
    if (long) complain(`with its sub-runbooks and loops, step id "${long}" is longer than ${longestId} characters`);
  } catch (error) {
    complain(describeError(error).message);
  }
}
