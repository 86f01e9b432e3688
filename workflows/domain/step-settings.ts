import { z } from 'zod';
import { versionSchema } from './deployment.ts';
import { audiences } from './notify/notice.ts';
import { changedRows } from './rows.ts';

/**
 * What `with` may hold, by step type: part of the system file's language, so that a wrong setting is found where the file is read, by its line,
 * and editors complete it. What a step does with it is in its own file, `workflows/steps/<type>.ts`.
 */

const none = z.strictObject({});

const item = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes'),
  do: z.string().min(1, 'what a person is to do').max(500, 'at most 500 characters'),
});

export const stepSettings = {
  declare: none,
  'find-recovery-point': none,
  provision: z.strictObject({
    left: z.enum(['refuse', 'move-aside'], 'refuse or move-aside').default('refuse').meta({ description: 'what becomes of a fenced server that an earlier life of the source left at the target’s place' }),
  }),
  restore: z.strictObject({
    width: z.number('a number').int('a whole number').min(1, 'at least 1').max(32, 'at most 32').default(4).meta({ description: 'groups of parts that are loaded side by side' }),
  }),
  replay: none,
  'build-indexes': none,
  validate: z.strictObject({ validators: z.array(z.string()).min(1, 'at least one validator').optional().meta({ description: 'ids of validators; left out: all' }) }),
  approval: z.strictObject({ gate: z.string('a gate’s name, as under approvals').optional().meta({ description: 'one of approvals; left out: the one with the step’s own name' }) }),
  manual: z.strictObject({
    instructions: z.string().max(2_000, 'at most 2,000 characters').optional(),
    items: z.array(item).min(1, 'at least one item').max(20, 'at most 20 items').refine((items) => new Set(items.map(({ id }) => id)).size === items.length, 'items with an id each'),
  }),
  fence: none,
  'safety-point': none,
  'copy-beside': none,
  swap: none,
  compare: none,
  'preview-rows': z.strictObject({ changed: z.enum(changedRows, 'leave or restore').default('leave').meta({ description: 'rows that are there and differ: left as they are, or put back as they were' }) }),
  'restore-rows': none,
  mask: none,
  drain: none,
  promote: none,
  switch: none,
  protect: z.strictObject({ base: z.boolean('true or false').default(true).meta({ description: 'false: no new base now' }) }),
  deploy: z.strictObject({ version: versionSchema.optional().meta({ description: 'this version, whatever ran; left out: the one that ran at the recovery point' }) }),
  command: z.strictObject({
    command: z.string('one of commands').meta({ description: 'one of commands, by its name' }),
    inDrills: z.boolean('true or false').default(false).meta({ description: 'true: it runs in drills and partial restores too, at their target; otherwise they pass it over' }),
  }),
  notify: z.strictObject({
    text: z.string('what to say').trim().min(1, 'what to say').max(300, 'at most 300 characters'),
    audience: z.enum(audiences, '"internal" or "external"').default('internal'),
  }),
  report: none,
  elevate: none,
} as const satisfies Record<string, z.ZodType>;

export type StepTypeName = keyof typeof stepSettings;

/** Step types that can be about some of the sources only. */
export const typesPerSource: readonly StepTypeName[] = ['find-recovery-point', 'provision', 'restore', 'replay', 'build-indexes', 'validate', 'fence', 'safety-point', 'drain', 'promote', 'copy-beside', 'swap', 'compare', 'preview-rows', 'restore-rows', 'mask'];

/** Step types that a person skips with the consent of others, or not at all: no runbook may go on without them. */
export const typesNeeded: readonly StepTypeName[] = ['approval', 'fence', 'safety-point', 'elevate'];

export const isStepType = (uses: string): uses is StepTypeName => Object.hasOwn(stepSettings, uses);
