import { describeError } from '../../workflows/domain/errors.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import { findPeople, peopleWith, viewPeople, type ProofKind } from '../../workflows/domain/people.ts';
import { mayWith } from '../../workflows/domain/permissions.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';
import type { System } from '../../workflows/domain/system.ts';
import { resolveSecret } from '../secrets.ts';
import type { LoadedSystem } from '../system-files.ts';
import { finding } from './finding.ts';

type Gate = System['approvals'][string];

/**
 * Who could not prove who they are at a gate of the runbook that asks for it, or of a retention or a disposal, as secrets and keys lie here: found at the gate, it would be found
 * at night. The worker that checks a proof has its own files and environment.
 */
export async function checkApprovers({ system, directory }: LoadedSystem, runbook: string | undefined): Promise<Finding[]> {
  const unreadable = new Map<string, string>();
  const proves = async (id: string, kind: ProofKind): Promise<boolean> => {
    const person = system.people[id]!;
    const ref = kind === 'totp' ? person.totp : person.publicKey;
    if (ref === undefined) return false;
    try {
      const { signatureKeyOf, totpOf } = await import('../access/check-proof.ts');
      const read = kind === 'totp' ? totpOf : signatureKeyOf;
      read(await resolveSecret(ref, directory), `${kind === 'totp' ? 'totp' : 'publicKey'} of ${id} (${ref})`);
      return true;
    } catch (error) {
      unreadable.set(`${id}/${kind}`, describeError(error).message);
      return false;
    }
  };
  const known = new Map<string, Promise<boolean>>();
  const canProve = async (id: string, kind: ProofKind): Promise<boolean> => {
    const key = `${id}/${kind}`;
    const answer = known.get(key) ?? proves(id, kind);
    known.set(key, answer);
    return await answer;
  };
  const findings: Finding[] = [];
  for (const { name, gate, of } of gatesOf(system, runbook)) {
    const { proof = 'none', quorum } = gate;
    if (proof === 'none') continue;
    const kinds: ProofKind[] = proof === 'any' ? ['totp', 'signature'] : [proof];
    const proving = await Promise.all(answering(system, gate).map(async (id) => (await Promise.all(kinds.map((kind) => canProve(id, kind)))).some(Boolean)));
    const able = proving.filter(Boolean).length;
    // A recovery goes on without a retention.
    if (able < quorum) findings.push({ about: 'people', ...finding(of === 'runbook' ? 'fails' : 'warns', 'BadSystemFile', `gate "${name}"${of === 'runbook' ? '' : ` of every ${of}`} would stay shut: ${quorum} must prove who they are, and ${able} of those who may answer could`, 'docs/approvals.md says how people prove who they are') });
  }
  // Files are read at once: which of them fails first is chance, and two plans of one system are to read alike.
  const byPerson = [...unreadable].sort(([one], [other]) => (one < other ? -1 : 1));
  return [...findings, ...byPerson.map(([, message]): Finding => ({ about: 'people', ...finding('warns', 'BadSystemFile', message) }))];
}

interface AskedGate {
  name: string;
  gate: Gate;
  of: 'runbook' | 'retention' | 'disposal';
}

/** Of the runbook's steps, and of what asks outside a run, each gate once. */
function gatesOf(system: System, runbook: string | undefined): AskedGate[] {
  const steps = expandRunbook(system, runbook).flatMap(({ id, uses, approval, with: settings }) => [...(uses === 'approval' ? [String(settings?.['gate'] ?? id)] : []), ...(approval ? [approval] : [])]);
  const asked = new Map<string, AskedGate['of']>();
  for (const name of steps) asked.set(name, 'runbook');
  for (const [kind, name] of [['retention', system.retention?.approval], ['disposal', system.disposal?.approval]] as const) if (name !== undefined && !asked.has(name)) asked.set(name, kind);
  return [...asked].flatMap(([name, of]) => (system.approvals[name] ? [{ name, gate: system.approvals[name], of }] : []));
}

/** Ids of who may answer a gate: those it names, or whoever the permission table lets approve. */
function answering(system: System, { people: named, roles = [] }: Gate): string[] {
  const people = viewPeople(system.people);
  if (!people) return [];
  if (named.length + roles.length === 0) return Object.keys(people).filter((id) => mayWith(people[id]!.roles, 'approve') === true);
  const idOf = findPeople(people);
  return [...new Set([...named, ...peopleWith(people, roles)].flatMap((name) => idOf(name) ?? []))];
}
