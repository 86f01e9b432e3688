import { z } from 'zod';
import { nameSchema as label } from './name-schema.ts';
import { secretRefSchema } from './tool-source.ts';

/** The people of a system, as its file names them, and how they are told apart. A system that names nobody knows only claimed names. */

/** Roles that the permission table knows. Others may be given too, for gates to ask for. */
export const knownRoles = ['administrator', 'dr-team', 'operator', 'security'] as const;
export type Role = (typeof knownRoles)[number];

/** How a person can prove who they are. */
const proofKinds = ['totp', 'signature'] as const;
export type ProofKind = (typeof proofKinds)[number];


const contactSchema = z.strictObject({
  email: z.email('an e-mail address').optional(),
  phone: z.string().min(1).optional(),
  slack: z.string().min(1).optional(),
  pagerduty: z.string().min(1).optional(),
});

export const personSchema = z.strictObject({
  name: z.string().trim().min(1).max(100).optional().meta({ description: 'how they sign: what stands in "by"; their id works too' }),
  roles: z.array(label).meta({ description: `${knownRoles.join(', ')} may do what the permission table says; any other role only answers gates that ask for it; an empty list: they are told where a ladder or a gate calls them, and may do nothing` }),
  contact: contactSchema.optional(),
  totp: secretRefSchema.optional().meta({ description: 'the secret of their one-time codes (RFC 6238), base32' }),
  publicKey: secretRefSchema.optional().meta({ description: 'Ed25519 public key, PEM, that their signed approvals are checked by' }),
});

export const peopleSchema = z.record(label, personSchema);
export type PeopleConfig = z.output<typeof peopleSchema>;

/** What a workflow may know of a person. It enters the history: no contact, no reference to a secret. */
export interface PersonView {
  name: string;
  roles: string[];
  proofs: ProofKind[];
}

/** By id. */
export type People = Readonly<Record<string, PersonView>>;

/** Undefined where nobody is named, so that such a system is as if people had never been thought of. */
export function viewPeople(people: PeopleConfig): People | undefined {
  if (Object.keys(people).length === 0) return undefined;
  return Object.fromEntries(
    Object.entries(people).map(([id, { name, roles, totp, publicKey }]) => [
      id,
      { name: name ?? id, roles, proofs: [...(totp ? (['totp'] as const) : []), ...(publicKey ? (['signature'] as const) : [])] },
    ]),
  );
}

const folded = (name: string): string => name.trim().toLowerCase();

/** The id of the person of this id or name; undefined: nobody of the system. */
export const personOf = (people: People | undefined, by: string): string | undefined =>
  people && Object.entries(people).find(([id, { name }]) => folded(id) === folded(by) || folded(name) === folded(by))?.[0];

/** As `personOf`, for whoever asks for many: every name is looked at once, and not again for each that is asked for. */
export function findPeople(people: People): (by: string) => string | undefined {
  const ids = new Map<string, string>();
  for (const [id, { name }] of Object.entries(people)) for (const one of [folded(id), folded(name)]) if (!ids.has(one)) ids.set(one, id);
  return (by) => ids.get(folded(by));
}

/** Whether two names mean one person: an id and a name may be the same one's. */
export const samePerson = (people: People | undefined, a: string, b: string): boolean =>
  (personOf(people, a) ?? folded(a)) === (personOf(people, b) ?? folded(b));

/** False: a contact, who is told and answers nothing. Of whom the system does not name nothing is known here. */
export function hasRights(people: People | undefined, name: string): boolean {
  const id = people && personOf(people, name);
  return id === undefined || people![id]!.roles.length > 0;
}

/** Names of those who have one of the roles, in the order of the file. */
export const peopleWith = (people: People, roles: readonly string[]): string[] =>
  Object.values(people).filter((person) => person.roles.some((role) => roles.includes(role))).map(({ name }) => name);
