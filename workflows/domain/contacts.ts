import { z } from 'zod';
import { durationSchema } from './duration.ts';
import { severitySchema, type Severity } from './messages.ts';
import { nameSchema as name } from './name-schema.ts';

/** The block `contacts` of a system file: ladders of people, and who is called when nobody has answered. Gates, incidents and alerts name them. */


const rungFields = {
  after: durationSchema.meta({ description: 'counted from the opening of the gate, or of the incident; 0m: at once' }),
  to: z.array(z.string().min(1)).default([]).meta({ description: 'people who are called: ids or names. Mails go to their own addresses too; at a gate they may answer' }),
  receivers: z.array(name).min(1).optional().meta({ description: 'receivers of notify that are told of this rung, and no others; left out: those of the phase approval at a gate, escalation of an incident' }),
};
const callsSomebody = ({ to, receivers }: { to: string[]; receivers?: string[] | undefined }): boolean => to.length > 0 || receivers !== undefined;
const callsNobody = 'calls nobody: to, or receivers';

/** A rung of a gate. */
export const gateRungSchema = z.strictObject(rungFields).refine(callsSomebody, callsNobody);

const rungSchema = z
  .strictObject({
    ...rungFields,
    severity: z.array(severitySchema).min(1).optional().meta({ description: 'of an incident: only while it is as severe as one of these; one that nobody has judged counts as P2' }),
    until: z.enum(['answered', 'resolved']).default('answered').meta({ description: 'of an incident: nobody is called once a person has said or done something about it, or only once it is resolved' }),
  })
  .refine(callsSomebody, callsNobody);

export const contactsSchema = z.record(name, z.array(rungSchema).min(1));
export type Contacts = z.output<typeof contactsSchema>;

export interface GateRung {
  afterMs: number;
  to: string[];
  receivers?: string[] | undefined;
}

export interface Rung extends GateRung {
  severity?: Severity[] | undefined;
  until: 'answered' | 'resolved';
}

/** By name; rungs in the order of their times. */
export type Ladders = Record<string, Rung[]>;

const byTime = (a: GateRung, b: GateRung): number => a.afterMs - b.afterMs;

export const toLadders = (contacts: Contacts): Ladders =>
  Object.fromEntries(Object.entries(contacts).map(([ladder, rungs]) => [ladder, rungs.map(({ after, ...rung }) => ({ ...rung, afterMs: after })).sort(byTime)]));

/** What does not fit the rest of the file. */
export function checkContacts({ contacts, approvals, notify }: { contacts: Contacts; approvals: Record<string, { escalate?: { receivers?: string[] | undefined }[] | undefined }>; notify?: { receivers: Readonly<Record<string, object>> } | undefined }, complain: (path: (string | number)[], message: string) => void): void {
  const known = Object.entries(notify?.receivers ?? {}).filter(([, receiver]) => !('audience' in receiver) || receiver.audience !== 'external').map(([receiver]) => receiver);
  const check = (path: (string | number)[], receivers: readonly string[]): void => {
    const unknown = receivers.filter((receiver) => !known.includes(receiver));
    if (unknown.length > 0) complain([...path, 'receivers'], `no internal receiver ${unknown.join(', ')} under notify; known: ${known.join(', ') || 'none'}`);
  };
  for (const [ladder, rungs] of Object.entries(contacts)) rungs.forEach(({ receivers = [] }, rung) => check(['contacts', ladder, rung], receivers));
  for (const [gate, { escalate = [] }] of Object.entries(approvals)) escalate.forEach(({ receivers = [] }, rung) => check(['approvals', gate, 'escalate', rung], receivers));
}

/** A gate's own rungs, and those of the ladder that it names. */
export const gateRungs = ({ escalate = [], contacts }: { escalate?: z.output<typeof gateRungSchema>[] | undefined; contacts?: string | undefined }, ladders: Ladders): GateRung[] =>
  [
    ...escalate.map(({ after, to, receivers }): GateRung => ({ afterMs: after, to, ...(receivers ? { receivers } : {}) })),
    ...(contacts === undefined ? [] : (ladders[contacts] ?? [])).map(({ afterMs, to, receivers }): GateRung => ({ afterMs, to, ...(receivers ? { receivers } : {}) })),
  ].sort(byTime);
