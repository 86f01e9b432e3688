import { z } from 'zod';
import { versionSchema } from './deployment.ts';
import { audiences } from './notify/notice.ts';
import { changedRows } from './rows.ts';

/**
 * The step types as the system file's language has them: a row each. It is read where the file is read, so that a wrong setting is found there, by its line,
 * and editors complete it; what a step does is in its own file, `workflows/steps/<type>.ts`, which runs in workflows alone.
 */

/** What is known of a step type without doing it. */
interface Facts {
  /** it can be about some of the sources only */
  perSource?: true;
  /** a person skips it with the consent of others, or not at all: no runbook may go on without it */
  needed?: true;
  /** what its time goes by, so that earlier runs are scaled; left out: nothing of it depends on the data */
  goesBy?: 'base' | 'log';
  /** activities that tell how far it is */
  toldBy?: readonly string[];
  /** what the file must have elsewhere, and has not: `field` of the step, and why */
  lacks?(system: Named, step: { id: string; with?: Readonly<Record<string, unknown>> | undefined }): { field?: string[]; why: string } | undefined;
}

/** What the system file has by name. */
export interface Named {
  deployer?: object | undefined;
  commands?: Readonly<Record<string, unknown>> | undefined;
  approvals: Readonly<Record<string, unknown>>;
}

const row = <S extends z.ZodObject>(settings: S, facts: Facts = {}): Facts & { settings: S } => ({ settings, ...facts });

const none = z.strictObject({});

const item = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes'),
  do: z.string().min(1, 'what a person is to do').max(500, 'at most 500 characters'),
});

export const namesOf = (record: Readonly<Record<string, unknown>> = {}): string => Object.keys(record).join(', ') || 'none';

export const stepLanguage = {
  declare: row(none),
  'find-recovery-point': row(none, { perSource: true, toldBy: ['findRecoveryPoint'] }),
  provision: row(
    z.strictObject({
      left: z.enum(['refuse', 'move-aside'], 'refuse or move-aside').default('refuse').meta({ description: 'what becomes of a fenced server that an earlier life of the source left at the target’s place' }),
    }),
    { perSource: true, toldBy: ['provisionTarget'] },
  ),
  restore: row(
    z.strictObject({
      width: z.number('a number').int('a whole number').min(1, 'at least 1').max(32, 'at most 32').default(4).meta({ description: 'groups of parts that are loaded side by side' }),
    }),
    { perSource: true, goesBy: 'base', toldBy: ['restoreGroup', 'prepareRestore'] },
  ),
  replay: row(none, { perSource: true, goesBy: 'log', toldBy: ['replayLog'] }),
  'build-indexes': row(none, { perSource: true, goesBy: 'base', toldBy: ['buildIndexes'] }),
  validate: row(z.strictObject({ validators: z.array(z.string()).min(1, 'at least one validator').optional().meta({ description: 'ids of validators; left out: all' }) }), { perSource: true, goesBy: 'base', toldBy: ['validateTarget'] }),
  approval: row(z.strictObject({ gate: z.string('a gate’s name, as under approvals').optional().meta({ description: 'one of approvals; left out: the one with the step’s own name' }) }), {
    needed: true,
    lacks: ({ approvals }, { id, with: settings }) => {
      const gate = (settings?.['gate'] as string | undefined) ?? id;
      return Object.hasOwn(approvals, gate) ? undefined : { why: `gate "${gate}" is not under approvals; known: ${namesOf(approvals)}` };
    },
  }),
  manual: row(
    z.strictObject({
      instructions: z.string().max(2_000, 'at most 2,000 characters').optional(),
      items: z.array(item).min(1, 'at least one item').max(20, 'at most 20 items').refine((items) => new Set(items.map(({ id }) => id)).size === items.length, 'items with an id each'),
    }),
  ),
  fence: row(none, { perSource: true, needed: true, toldBy: ['fencePrimary', 'retirePrimary'] }),
  'safety-point': row(none, { perSource: true, needed: true }),
  'copy-beside': row(none, { perSource: true, toldBy: ['copyBeside'] }),
  swap: row(none, { perSource: true }),
  compare: row(none, { perSource: true, toldBy: ['compareTarget'] }),
  'preview-rows': row(z.strictObject({ changed: z.enum(changedRows, 'leave or restore').default('leave').meta({ description: 'rows that are there and differ: left as they are, or put back as they were' }) }), { perSource: true, toldBy: ['planRows'] }),
  'restore-rows': row(none, { perSource: true, toldBy: ['restoreRows'] }),
  mask: row(none, { perSource: true, toldBy: ['maskTarget'] }),
  drain: row(none, { perSource: true, toldBy: ['drainLog', 'replayLog', 'buildIndexes', 'validateTarget'] }),
  promote: row(none, { perSource: true, toldBy: ['promoteTarget'] }),
  switch: row(none, { toldBy: ['admitTraffic', 'watchHealth'] }),
  protect: row(z.strictObject({ base: z.boolean('true or false').default(true).meta({ description: 'false: no new base now' }) }), { toldBy: ['startTimeline', 'proveArchive'] }),
  deploy: row(z.strictObject({ version: versionSchema.optional().meta({ description: 'this version, whatever ran; left out: the one that ran at the recovery point' }) }), {
    lacks: ({ deployer }) => (deployer ? undefined : { field: ['uses'], why: 'nothing deploys: a step that uses deploy needs deployer' }),
  }),
  command: row(
    z.strictObject({
      command: z.string('one of commands').meta({ description: 'one of commands, by its name' }),
      inDrills: z.boolean('true or false').default(false).meta({ description: 'true: it runs in drills and partial restores too, at their target; otherwise they pass it over' }),
    }),
    {
      lacks: ({ commands = {} }, { with: settings }) => {
        const command = settings?.['command'];
        return typeof command !== 'string' || Object.hasOwn(commands, command) ? undefined : { field: ['with', 'command'], why: `unknown command "${command}"; known: ${namesOf(commands)}` };
      },
    },
  ),
  notify: row(
    z.strictObject({
      text: z.string('what to say').trim().min(1, 'what to say').max(300, 'at most 300 characters'),
      audience: z.enum(audiences, '"internal" or "external"').default('internal'),
    }),
  ),
  report: row(none),
  elevate: row(none, { needed: true }),
} as const satisfies Record<string, Facts & { settings: z.ZodObject }>;

export type StepTypeName = keyof typeof stepLanguage;

export const stepTypeNames = Object.keys(stepLanguage) as StepTypeName[];

/** What `with` holds, as a step of the type is given it. */
export type SettingsOf<N extends StepTypeName> = z.output<(typeof stepLanguage)[N]['settings']>;

export const isStepType = (uses: string): uses is StepTypeName => Object.hasOwn(stepLanguage, uses);

/** What is known of a step type by its name; of an unknown one nothing. */
export const factsOf = (uses: string): Facts => (isStepType(uses) ? stepLanguage[uses] : {});
