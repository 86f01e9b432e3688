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
export const answersToFailure = (system: string, step: string, isUndo: boolean): string[] => [
  `signal \`retry\` \`{"step": "${step}"}\`, \`skip\` \`{"step": "${step}", "reason": "…"}\`${isUndo ? '' : ' or `abort`'}`,
  `or \`holdfast retry ${system} --step ${step}\``,
];
