import { z } from 'zod';
import type { EntryWorkflow } from '../inputs.ts';
import { periodNames } from '../period-report.ts';
import { durationSchema } from '../duration.ts';
import { rotationFields } from './rotation.ts';
import { surpriseSchema } from '../surprise.ts';

/**
 * What a schedule can do: each row is a workflow that a person could start as well, with the input that the schedule gives it. A further kind of
 * work is a further row; nothing else knows which there are.
 */
export interface Operation {
  /** as in "a schedule that …" */
  about: string;
  workflow: EntryWorkflow;
  /** first part of the workflow ids of what it starts */
  kind: string;
  /** what `with` may hold */
  settings: z.ZodObject;
  /** @param by - who asks: the schedule's own name. */
  input(of: { system: string; schedule: string; by: string }, settings: Record<string, unknown>): { system: string };
}

const source = z.string().optional().meta({ description: 'one source; left out: every source of the system' });

/** A run that the schedule meets is no failure: the next start comes by itself. */
const ifRunning = 'skip';

export const operations = {
  backup: {
    about: 'takes a base backup',
    workflow: 'backUpSystem',
    kind: 'backup',
    settings: z.strictObject({ source, incremental: z.boolean().optional().meta({ description: 'true: only what changed since the newest base, of an engine that can; left out: a full one' }) }),
    input: ({ system, schedule, by }, settings) => ({ system, ...settings, why: schedule, requestedBy: by, ifRunning }),
  },
  verification: {
    about: 'reads and authenticates every byte of the newest base and the log after it, a rotating sample of all that is kept, or all of it; or looks whether every key opens',
    workflow: 'verifySystem',
    kind: 'verify',
    settings: z.strictObject({
      source,
      scope: z.enum(['newest', 'sample', 'all', 'keys'], '"newest", "sample", "all" or "keys"').optional().meta({ description: 'newest: the newest base and its log; sample: the share of all that is kept that was read longest ago; all: all that is kept; keys: that every kept key is wrapped for everybody, and opens; left out: newest' }),
      ...rotationFields,
    }).refine(({ scope, shares, within }) => scope === 'sample' || (shares ?? within) === undefined, { path: ['scope'], message: 'shares and within are of scope sample' }),
    input: ({ system, by }, settings) => ({ system, ...settings, requestedBy: by }),
  },
  incremental: {
    about: 'makes sure that the log since the newest base is whole, authentic and no later than the RPO',
    workflow: 'verifySystem',
    kind: 'incremental',
    settings: z.strictObject({ source }),
    input: ({ system, by }, settings) => ({ system, ...settings, scope: 'log', requestedBy: by }),
  },
  drill: {
    about: 'recovers to the drill’s own place, proves it equal and deletes it again',
    workflow: 'recoverSystem',
    kind: 'drill',
    settings: z.strictObject({
      runbook: z.string().optional().meta({ description: 'one of the runbooks; left out: the main one' }),
      surprise: surpriseSchema.optional().meta({ description: 'it begins at some moment within so long, such as 4h, which nobody knows before; left out: at its time' }),
      ago: durationSchema.optional().meta({ description: 'from a moment so long before, such as 30d, or the newest recovery point before that; left out: the latest' }),
      attended: z.boolean().optional().meta({ description: 'true: people are there, and a step that fails waits for their answer; left out: it ends the drill, which is undone, and pages' }),
    }),
    input: ({ system, schedule, by }, { attended, ...settings }) => ({ system, purpose: 'drill', ...settings, ...(attended === true ? {} : { unattended: true }), reason: schedule, requestedBy: by, ifRunning }),
  },
  retention: {
    about: 'lets go what the rules of retention let go',
    workflow: 'applyRetention',
    kind: 'retention',
    settings: z.strictObject({ source }),
    input: ({ system, by }, settings) => ({ system, ...settings, apply: true, requestedBy: by }),
  },
  report: {
    about: 'writes the report of the day or week before it, and sends it',
    workflow: 'reportSystem',
    kind: 'report',
    settings: z.strictObject({ period: z.enum(periodNames).optional().meta({ description: 'left out: day' }) }),
    input: ({ system, by }, settings) => ({ system, ...settings, requestedBy: by }),
  },
  'seal-audit': {
    about: 'seals the audit of each day that is over',
    workflow: 'sealAudit',
    kind: 'seal-audit',
    settings: z.strictObject({}),
    input: ({ system, by }) => ({ system, requestedBy: by }),
  },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof operations;
export const operationNames = Object.keys(operations) as [OperationName, ...OperationName[]];
export const operationOf = (name: OperationName): Operation => operations[name];
