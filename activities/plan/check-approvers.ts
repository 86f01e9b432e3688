import { describeError } from '../../workflows/domain/errors.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import { peopleWith, personOf, viewPeople, type ProofKind } from '../../workflows/domain/people.ts';
import { permit } from '../../workflows/domain/permissions.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';
import type { System } from '../../workflows/domain/system.ts';
import { signatureKeyOf, totpOf } from '../access/check-proof.ts';
import { resolveSecret } from '../secrets.ts';
import type { LoadedSystem } from '../system-files.ts';
import { finding } from './plan-recovery.ts';

type Gate = System['approvals'][string];

/**
 * Who could not prove who they are at a gate of the runbook that asks for it, as secrets and keys lie here: found at the gate, it would be found
 * at night. The worker that checks a proof has its own files and environment.
 */
export async function checkApprovers({ system, directory }: LoadedSystem, runbook: string | undefined): Promise<Finding[]> {
  const unreadable = new Map<string, string>();
  const proves = async (id: string, kind: ProofKind): Promise<boolean> => {
    const person = system.people[id]!;
    const ref = kind === 'totp' ? person.totp : person.publicKey;
    if (ref === undefined) return false;
    try {
      const read = kind === 'totp' ? totpOf : signatureKeyOf;
      read(await resolveSecret(ref, directory), `${kind === 'totp' ? 'totp' : 'publicKey'} of ${id} (${ref})`);
      return true;
    } catch (error) {
      unreadable.set(`${id}/${kind}`, describeError(error).message);
      return false;
    }
  };
  const findings: Finding[] = [];
  for (const [name, gate] of gatesOf(system, runbook)) {
    const { proof = 'none', quorum } = gate;
    if (proof === 'none') continue;
    const kinds: ProofKind[] = proof === 'any' ? ['totp', 'signature'] : [proof];
    const proving = await Promise.all(answering(system, gate).map(async (id) => (await Promise.all(kinds.map((kind) => proves(id, kind)))).some(Boolean)));
    const able = proving.filter(Boolean).length;
    if (able < quorum) findings.push({ about: 'people', ...finding('fails', 'BadSystemFile', `gate "${name}" would stay shut: ${quorum} must prove who they are, and ${able} of those who may answer could`, 'docs/approvals.md says how people prove who they are') });
  }
  // Files are read at once: which of them fails first is chance, and two plans of one system are to read alike.
  const byPerson = [...unreadable].sort(([one], [other]) => (one < other ? -1 : 1));
  return [...findings, ...byPerson.map(([, message]): Finding => ({ about: 'people', ...finding('warns', 'BadSystemFile', message) }))];
}

/** Of the runbook's steps, each once. */
function gatesOf(system: System, runbook: string | undefined): [string, Gate][] {
  const names = expandRunbook(system, runbook).flatMap(({ id, uses, approval, with: settings }) => [...(uses === 'approval' ? [String(settings?.['gate'] ?? id)] : []), ...(approval ? [approval] : [])]);
  return [...new Set(names)].flatMap((name): [string, Gate][] => (system.approvals[name] ? [[name, system.approvals[name]]] : []));
}

/** Ids of who may answer a gate: those it names, or whoever the permission table lets approve. */
function answering(system: System, { people: named, roles = [] }: Gate): string[] {
  const people = viewPeople(system.people);
  if (!people) return [];
  if (named.length + roles.length === 0) return Object.keys(people).filter((id) => permit(people, 'approve', id).may === true);
  return [...new Set([...named, ...peopleWith(people, roles)].flatMap((name) => personOf(people, name) ?? []))];
}
