import { z } from 'zod';
import { toLadders, type Contacts, type Ladders } from './contacts.ts';
import { durationSchema } from './duration.ts';
import { expandRunbook, mainRunbook, runbookNames, type FlatStep, type Runbooks } from './expand-runbook.ts';
import { severities, severitySchema, type Severity } from './messages.ts';
import { nameSchema as name } from './name-schema.ts';
import { secretRefSchema } from './tool-source.ts';
import { hours, minutes } from './units.ts';

/** The blocks `incidents` and `listen` of a system file: how incidents are kept, and which alerts open one. Both may be left out. */

const atLeastAMinute = durationSchema.refine((ms) => ms >= minutes(1), 'a minute at least: each is a timer');

const ownerSchema = z.strictObject({
  role: z.string().min(1).max(80).meta({ description: 'as people are to read it: Database Admin' }),
  person: z.string().min(1).max(100).optional().meta({ description: 'who has the role now; `holdfast incident assign` says otherwise for one incident' }),
  receivers: z.array(name).min(1).optional().meta({ description: 'receivers of notify that are told when the step waits or has failed; left out: those of the phase owner' }),
});

export const incidentsSchema = z.strictObject({
  updateEvery: z
    .strictObject({ P1: atLeastAMinute.default(minutes(15)), P2: atLeastAMinute.default(minutes(30)), P3: atLeastAMinute.default(hours(2)), P4: atLeastAMinute.default(hours(24)) })
    .prefault({})
    .meta({ description: 'how long after an update the next one is due, by severity; P2 while nobody has said one' }),
  reviewWithin: atLeastAMinute.default(hours(72)).meta({ description: 'how long after it was resolved an incident’s review is due' }),
  mttr: durationSchema.optional().meta({ description: 'objective for the mean time to recovery; left out: none' }),
  contacts: z.array(name).default([]).meta({ description: 'ladders of contacts that every incident climbs, from its opening; left out: none' }),
  outside: z.array(severitySchema).default([]).meta({ description: 'people outside are told of incidents that are so severe, and of others once a person writes for them; its recoveries say nothing outside then. Left out: no incident is told outside, and each recovery tells for itself' }),
  owners: z.record(name, ownerSchema).default({}).meta({ description: 'who answers for which step of the runbooks, by its id' }),
});

const ruleSchema = z.strictObject({
  match: z
    .record(z.string(), z.string().min(1))
    .refine((match) => Object.keys(match).length > 0, 'at least one label: everything would match')
    .meta({ description: 'labels that must fit, * for any characters. PagerDuty: title, service, urgency, priority' }),
  severity: severitySchema.default('P2'),
  impact: z.string().min(1).max(300).optional(),
  runbook: name.optional().meta({ description: 'the run that is proposed; left out: the main runbook' }),
  contacts: z.array(name).default([]).meta({ description: 'ladders of contacts that an incident climbs from this alert on' }),
  auto: z.boolean().default(false).meta({ description: 'the run starts by itself; it stops at its approval all the same' }),
});

export const listenSchema = z
  .strictObject({
    alertmanager: z.strictObject({ token: secretRefSchema.meta({ description: 'what Alertmanager sends as bearer token' }) }).optional(),
    pagerduty: z
      .strictObject({ secrets: z.array(secretRefSchema).min(1).max(5).meta({ description: 'signing secrets of the webhook subscriptions (v3); several while one is changed' }) })
      .optional(),
    alerts: z.record(name, ruleSchema).meta({ description: 'which alerts open an incident; the first that fits, others are passed over' }),
  })
  .refine(({ alertmanager, pagerduty }) => alertmanager !== undefined || pagerduty !== undefined, 'alertmanager or pagerduty: nobody could be listened to');

export type ListenConfig = z.output<typeof listenSchema>;
export type Owner = z.output<typeof ownerSchema>;

/** What workflows may know of both. */
export interface IncidentsView {
  updateEveryMs: Record<Severity, number>;
  reviewWithinMs: number;
  owners: Record<string, Owner>;
  /** ladders that every incident climbs */
  contacts: string[];
  /** all of the system's, by name */
  ladders: Ladders;
  /** severities that people outside are told of; none: an incident is told inside only */
  outside: Severity[];
  /** by name, of `listen.alerts` */
  rules: Record<string, { severity: Severity; impact: string | null; runbook: string | null; contacts: string[]; auto: boolean }>;
}

export function toIncidentsView(incidents: z.output<typeof incidentsSchema> = incidentsSchema.parse({}), listen?: ListenConfig, contacts: Contacts = {}): IncidentsView {
  return {
    updateEveryMs: Object.fromEntries(severities.map((severity) => [severity, incidents.updateEvery[severity]])) as Record<Severity, number>,
    reviewWithinMs: incidents.reviewWithin,
    owners: incidents.owners,
    contacts: incidents.contacts,
    ladders: toLadders(contacts),
    outside: incidents.outside,
    rules: Object.fromEntries(Object.entries(listen?.alerts ?? {}).map(([rule, { severity, impact, runbook, contacts: climbed, auto }]) => [rule, { severity, impact: impact ?? null, runbook: runbook ?? null, contacts: climbed, auto }])),
  };
}

interface Checked extends Runbooks {
  incidents?: z.output<typeof incidentsSchema> | undefined;
  listen?: ListenConfig | undefined;
  notify?: { receivers: Readonly<Record<string, unknown>>; external?: unknown } | undefined;
  contacts?: Contacts | undefined;
}

/** What does not fit the rest of the file; above all a run that would start by itself and go on to production without being approved. */
export function checkIncidents(system: Checked, complain: (path: (string | number)[], message: string) => void): void {
  const names = runbookNames(system);
  const steps = new Set(names.flatMap((of) => expanded(system, of)).map(({ id }) => id));
  for (const [step, { receivers = [] }] of Object.entries(system.incidents?.owners ?? {})) {
    if (!steps.has(step)) complain(['incidents', 'owners', step], `no runbook has a step "${step}"`);
    const unknown = receivers.filter((receiver) => !system.notify?.receivers[receiver]);
    if (unknown.length > 0) complain(['incidents', 'owners', step, 'receivers'], `no receiver ${unknown.join(', ')} under notify; known: ${Object.keys(system.notify?.receivers ?? {}).join(', ') || 'none'}`);
  }
  for (const [index, ladder] of (system.incidents?.contacts ?? []).entries()) if (!system.contacts?.[ladder]) complain(['incidents', 'contacts', index], `there is no ladder "${ladder}" under contacts; known: ${Object.keys(system.contacts ?? {}).join(', ') || 'none'}`);
  if ((system.incidents?.outside.length ?? 0) > 0 && !system.notify?.external) complain(['incidents', 'outside'], 'needs notify.external: what the service is called, and what people cannot do while it is down');
  for (const [rule, { runbook = mainRunbook, contacts: climbed, auto }] of Object.entries(system.listen?.alerts ?? {})) {
    if (!names.includes(runbook)) complain(['listen', 'alerts', rule, 'runbook'], `there is no runbook "${runbook}"; known: ${names.join(', ')}`);
    climbed.filter((ladder) => !system.contacts?.[ladder]).forEach((ladder) => complain(['listen', 'alerts', rule, 'contacts'], `there is no ladder "${ladder}" under contacts; known: ${Object.keys(system.contacts ?? {}).join(', ') || 'none'}`));
    const open = auto && names.includes(runbook) ? reachable(system, runbook).flatMap((of) => ungated(system, of)) : [];
    if (open.length > 0) complain(['listen', 'alerts', rule, 'auto'], `a run that starts by itself must stop at an approval, and ${open[0]}`);
  }
}

/** A runbook that does not expand has its own error. */
function expanded(system: Checked, runbook: string): FlatStep[] {
  try {
    return expandRunbook(system, runbook);
  } catch {
    return [];
  }
}

/** What a run of this runbook may become by itself. */
function reachable(system: Checked, runbook: string, seen: readonly string[] = []): string[] {
  if (seen.includes(runbook)) return [];
  const next = expanded(system, runbook).flatMap(({ onFailure }) => (typeof onFailure === 'object' && 'escalate' in onFailure ? [onFailure.escalate] : []));
  return [runbook, ...next.flatMap((to) => reachable(system, to, [...seen, runbook]))];
}

/** Step types that change production. */
const production: readonly string[] = ['fence', 'drain', 'promote', 'switch', 'protect'];

/** Why a runbook would not stop at an approval, a line each. One that `when` may pass over stops nobody. */
function ungated(system: Checked, runbook: string): string[] {
  const steps = expanded(system, runbook);
  const needs = new Map(steps.map((step) => [step.id, step]));
  const always = ({ uses, approval, when }: FlatStep): boolean => (uses === 'approval' || approval !== undefined) && when.length === 0;
  const behind = (step: FlatStep, seen = new Set<string>()): boolean =>
    step.needs.some((id) => {
      const before = needs.get(id);
      if (!before || seen.has(id)) return false;
      seen.add(id);
      return always(before) || behind(before, seen);
    });
  const bare = steps.filter((step) => production.includes(step.uses) && step.approval === undefined && !behind(step)).map(({ id }) => `step "${id}" of runbook "${runbook}" has none before it`);
  return steps.some(always) ? bare : [`runbook "${runbook}" has none`];
}
