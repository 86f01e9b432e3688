import type { Contacts } from './contacts.ts';
import { findPeople, hasRights, knownRoles, peopleWith, personOf, viewPeople, type PeopleConfig, type ProofKind } from './people.ts';

type Complain = (path: (string | number)[], message: string) => void;

interface Gate {
  quorum: number;
  people: string[];
  roles?: string[] | undefined;
  proof?: 'none' | ProofKind | 'any' | undefined;
  escalate?: { to: string[] }[] | undefined;
  contacts?: string | undefined;
}

/** A system whose people and gates do not fit each other would find out at the gate, at night. */
export function checkPeople({ people: config, approvals, contacts = {} }: { people: PeopleConfig; approvals: Record<string, Gate>; contacts?: Contacts | undefined }, complain: Complain): void {
  const people = viewPeople(config);
  const gates = Object.entries(approvals);
  for (const [gate, { contacts: ladder }] of gates) {
    if (ladder !== undefined && !contacts[ladder]) complain(['approvals', gate, 'contacts'], `there is no ladder "${ladder}" under contacts; known: ${Object.keys(contacts).join(', ') || 'none'}`);
  }
  if (!people) {
    for (const [gate, { roles, proof }] of gates) {
      if (roles) complain(['approvals', gate, 'roles'], 'nobody has a role: the system names no people');
      if (proof && proof !== 'none') complain(['approvals', gate, 'proof'], 'nobody could prove anything: the system names no people');
    }
    return;
  }
  const idOf = findPeople(people);
  for (const [ladder, rungs] of Object.entries(contacts)) {
    rungs.forEach(({ to }, rung) => to.forEach((name, index) => {
      if (personOf(people, name) === undefined) complain(['contacts', ladder, rung, 'to', index], `"${name}" is neither id nor name of one of the system’s people`);
    }));
  }
  const asked = new Set(gates.flatMap(([, { roles = [] }]) => roles));
  for (const [id, person] of Object.entries(people)) {
    const unknown = person.roles.find((role) => !(knownRoles as readonly string[]).includes(role) && !asked.has(role));
    if (person.roles.length === 0 && person.proofs.length > 0) complain(['people', id, 'roles'], 'nobody without a role has anything to prove: give them one, or leave totp and publicKey out');
    if (unknown) complain(['people', id, 'roles'], `no role "${unknown}": known are ${knownRoles.join(', ')}, and those that a gate asks for`);
    if (idOf(person.name) !== id) complain(['people', id, 'name'], `"${person.name}" is the name or id of another person too`);
  }
  if (peopleWith(people, ['administrator']).length === 0) complain(['people'], 'nobody is an administrator: nobody could do what only they may');
  for (const [gate, { people: named, roles = [], quorum, proof = 'none', escalate = [] }] of gates) {
    named.forEach((name, index) => {
      if (personOf(people, name) === undefined) complain(['approvals', gate, 'people', index], `"${name}" is neither id nor name of one of the system’s people`);
      else if (!hasRights(people, name)) complain(['approvals', gate, 'people', index], `"${name}" has no role, and so answers nothing: give them one, or call them by escalate or contacts`);
    });
    roles.forEach((role, index) => {
      if (peopleWith(people, [role]).length === 0) complain(['approvals', gate, 'roles', index], `nobody has the role "${role}"`);
    });
    escalate.forEach(({ to }, rung) => to.forEach((name, index) => {
      if (personOf(people, name) === undefined) complain(['approvals', gate, 'escalate', rung, 'to', index], `"${name}" is neither id nor name of one of the system’s people`);
    }));
    const answering = new Set([...named, ...peopleWith(people, roles)].map((name) => idOf(name)));
    if (named.length + roles.length > 0 && answering.size < quorum) complain(['approvals', gate, 'quorum'], `${quorum} different people must approve, and ${answering.size} may answer`);
    const asked = named.length + roles.length > 0 ? [...answering].flatMap((id) => (id === undefined ? [] : [people[id]!])) : Object.values(people).filter(({ roles: of }) => of.length > 0);
    const proving = asked.filter(({ proofs }) => (proof === 'any' ? proofs.length > 0 : proofs.includes(proof as ProofKind)));
    if (proof !== 'none' && proving.length < quorum) complain(['approvals', gate, 'proof'], `${quorum} must prove who they are, and ${proving.length} of those who may answer can: give them totp or publicKey`);
  }
}
