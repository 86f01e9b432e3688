import type { ErrorType } from './errors.ts';
import { approvalsAt, type GateState, type RunState, type StepState } from './run-state.ts';

/**
 * Who is waited for and what to send, word by word: the same in the run's details and in every message about it, so that nobody has to
 * translate one into the other at night. Markdown code marks stand around what is to be typed.
 */

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** Who may answer a gate. */
export function whoAnswers(gate: GateState): string {
  const people = gate.people.length > 0 ? gate.people.join(', ') : 'anybody';
  const handed = (gate.delegations ?? []).map(({ from, to, until }) => `${to} for ${from} until ${until.slice(11, 19)}Z`);
  const except = gate.notBy && gate.notBy.length > 0 ? `, but not ${gate.notBy.join(', ')}` : '';
  return cut([people, ...handed].join(', ') + except, 200);
}

/** `1 of 2, by dana, erik` */
export function approvalsOf(gate: GateState): string {
  const approvals = approvalsAt(gate);
  const isComplete = approvals >= gate.quorum;
  const lapse = gate.lapsesAt === undefined || approvals === 0 || isComplete ? '' : `, lapses at ${gate.lapsesAt.slice(11, 19)}Z`;
  const wait = gate.notBefore === undefined ? '' : `; begins ${isComplete ? '' : 'no sooner than '}at ${gate.notBefore.slice(0, 19)}Z`;
  return `${approvals} of ${gate.quorum}${lapse}, by ${whoAnswers(gate)}${wait}`;
}

/** The ways to answer an open gate: by signal in the UI, and at a terminal. Where nobody is asked: the ways to say no. */
export function answersToGate({ system, gateOf }: Pick<RunState, 'system' | 'gateOf'>, { gate, proof, quorum }: Pick<GateState, 'gate' | 'proof' | 'quorum'>): string[] {
  const atTerminal = (verb: string): string => `holdfast ${verb} ${system}${gateOf === undefined ? '' : ` --workflow ${gateOf}`} --gate ${gate} --by YOUR-NAME`;
  if (quorum === 0) return [`signal \`reject\` with \`{"gate": "${gate}", "by": "YOUR NAME", "reason": "…"}\``, `or \`${atTerminal('reject')}\``];
  return [
    `signal \`approve\` (or \`reject\`) with \`{"gate": "${gate}", "by": "YOUR NAME"${proof === 'totp' || proof === 'any' ? ', "code": "123456"' : ''}}\`${proof === 'signature' ? ', which takes a signature' : ''}`,
    `or \`${atTerminal('approve')}${proof === undefined ? '' : proof === 'signature' ? ' --sign KEYFILE' : ' --code 123456'}\``,
  ];
}

/** The ways to confirm the next open item of a checklist. */
export function answersToList(system: string, { id, items }: Pick<StepState, 'id' | 'items'>): string[] {
  const item = items?.find(({ by }) => by === null)?.id;
  if (item === undefined) return [];
  return [`signal \`confirm\` with \`{"step": "${id}", "item": "${item}", "by": "YOUR NAME"}\``, `or \`holdfast confirm ${system} --step ${id} --item ${item} --by YOUR-NAME\``];
}

/** The ways to answer a failed step; `isUndo`: a failed undo, which can only be tried again or left as it is. */
export const answersToFailure = (state: Pick<RunState, 'system' | 'steps' | 'target'>, step: string, isUndo: boolean): string[] => [
  ...(isUndo ? [] : answersToDamage(state, step)),
  `signal \`retry\` \`{"step": "${step}"}\`, \`skip\` \`{"step": "${step}", "reason": "…"}\`${isUndo ? '' : ' or `abort`'}`,
  `or \`holdfast retry ${state.system} --step ${step}\``,
];

const damage: readonly string[] = ['Tampered', 'ObjectMissing', 'ChainBroken'] satisfies ErrorType[];

/**
 * Damage that the check before the target was touched had no time to read, and that another try would meet again: of a base the same moment by the one before, of the log a moment before it. Where no older
 * base reaches the moment, the step that looks for it refuses, and offers the nearest.
 */
export function answersToDamage({ system, steps, target }: Pick<RunState, 'system' | 'steps' | 'target'>, id: string): string[] {
  const failed = steps.find((step) => step.id === id);
  const isChosen = steps.some(({ uses, state }) => uses === 'find-recovery-point' && state === 'done');
  const isSwitched = steps.some(({ uses, attempt, state }) => uses === 'switch' && attempt > 0 && state !== 'skipped' && state !== 'pending');
  if (!failed?.error || !damage.includes(failed.error.type) || failed.uses === 'find-recovery-point' || !isChosen || isSwitched || target?.point !== undefined) return [];
  const way = failed.error.type === 'ChainBroken' || failed.error.message.includes('/slices/')
    ? `a moment before the damage, which \`holdfast verify ${system}\` names, on a clean target: \`holdfast choose ${system} --target-time TIME --reason …\``
    : `the same moment by the base before, on a clean target: \`holdfast choose ${system} --older --reason …\`, or update \`choose\` with \`{"older": true, "by": "YOUR NAME", "reason": "…"}\``;
  return [`the target holds a part of what is damaged, and no traffic was moved; ${way}`];
}

