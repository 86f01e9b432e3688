import { hasLapsed } from './elevation.ts';
import { findPeople, viewPeople, type People, type ProofKind } from './people.ts';
import { mayWith, permissions, type Act } from './permissions.ts';
import type { RunState } from './run-state.ts';
import type { System } from './system.ts';

/** Who may do what in a system, for whoever reviews access: from the system file alone, and from the run that goes on. */
export interface AccessReport {
  system: string;
  at: string;
  /** false: anybody may do anything, and every name is only claimed */
  named: boolean;
  people: { id: string; name: string; roles: string[]; proofs: ProofKind[]; may: Act[]; mayElevated: Act[]; gates: string[] }[];
  permissions: { act: Act; about: string; roles: readonly string[]; elevated: readonly string[] }[];
  gates: { gate: string; quorum: number; people: string[]; roles: string[]; notRequester: boolean; proof: string }[];
  /** rights that the run lends to whoever asked for it: until then, and no longer than the run; `ended`: it goes on, and they are over */
  elevations: { person: string; approvedBy: string[]; at: string; reason: string; until: string; ended: boolean }[];
  /** rights to answer a gate that people handed on, in that run */
  delegations: { gate: string; from: string; to: string; until: string; proof: string }[];
  /** why the elevations are not known; null: they are */
  unread: string | null;
}

/** The newest of the run. @see workflows/runbook/elevation.ts */
function elevationsOf(run: RunState | null, at: string): AccessReport['elevations'] {
  if (!run?.elevation) return [];
  const { step: _step, ...elevation } = run.elevation;
  return [{ ...elevation, ended: hasLapsed(run.elevation, at) }];
}

export function reportAccess({ file, run, unread, at }: { file: System; run: RunState | null; unread: string | null; at: string }): AccessReport {
  const people: People = viewPeople(file.people) ?? {};
  const acts = Object.keys(permissions) as Act[];
  const can = (roles: readonly string[], wanted: true | 'elevated'): Act[] => acts.filter((act) => mayWith(roles, act) === wanted);
  const idOf = findPeople(people);
  const answers = (id: string, roles: readonly string[]): string[] =>
    Object.entries(file.approvals)
      .filter(([, gate]) => gate.people.some((name) => idOf(name) === id) || (gate.roles ?? []).some((role) => roles.includes(role)))
      .map(([gate]) => gate);
  return {
    system: file.system,
    at,
    named: Object.keys(people).length > 0,
    people: Object.entries(people).map(([id, { name, roles, proofs }]) => ({ id, name, roles, proofs, may: can(roles, true), mayElevated: can(roles, 'elevated'), gates: answers(id, roles) })),
    permissions: acts.map((act) => ({ act, about: permissions[act].about, roles: permissions[act].who, elevated: permissions[act].elevated ?? [] })),
    gates: Object.entries(file.approvals).map(([gate, { quorum, people: named, roles = [], notRequester, proof = 'none' }]) => ({ gate, quorum, people: named, roles, notRequester, proof })),
    elevations: elevationsOf(run, at),
    delegations: (run?.gates ?? []).flatMap(({ gate, delegations = [] }) => delegations.filter(({ until }) => until > at).map(({ from, to, until, proof }) => ({ gate, from, to, until, proof }))),
    unread,
  };
}

export function describeAccess(report: AccessReport): string {
  if (!report.named) return `${report.system} names no people: anybody may do anything, and every name is only claimed`;
  const lines = [`access to ${report.system} at ${report.at}`];
  for (const { id, name, roles, proofs, may, mayElevated, gates } of report.people) {
    lines.push(`${id}  ${name}  ${roles.join(', ') || 'no role: only told'}  proof: ${proofs.join(', ') || 'none, only claimed'}`);
    lines.push(`  may ${may.join(', ') || 'nothing'}${mayElevated.length > 0 ? `; by elevation ${mayElevated.join(', ')}` : ''}`);
    if (gates.length > 0) lines.push(`  answers ${gates.join(', ')}`);
  }
  for (const { act, about, roles, elevated } of report.permissions) lines.push(`act ${act} (${about}): ${[...roles, ...elevated.map((role) => `${role} by elevation`)].join(', ')}`);
  for (const gate of report.gates) lines.push(`gate ${gate.gate}: ${gate.quorum} of ${[...gate.people, ...gate.roles.map((role) => `role ${role}`)].join(', ') || 'whoever may approve'}${gate.notRequester ? ', not who asked for the run' : ''}; proof: ${gate.proof}`);
  if (report.unread !== null) lines.push(`elevations: not known, ${report.unread}`);
  else if (report.elevations.length === 0) lines.push('elevations: none in force');
  for (const { person, approvedBy, at, until, reason, ended } of report.elevations) lines.push(`elevated ${person} since ${at} until ${until}${ended ? ', which is over: asks anew before any command' : ' or the end of the run'}, by ${approvedBy.join(', ')}: ${reason}`);
  for (const { gate, from, to, until, proof } of report.delegations) lines.push(`handed on: ${from}’s right at gate ${gate}, to ${to} until ${until} (${proof})`);
  return lines.join('\n');
}
