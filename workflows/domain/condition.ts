import { z } from 'zod';
import { severities, severitySchema, type Severity } from './messages.ts';
import type { StepState } from './run-state.ts';

/** When a step is to run: data, not a language. All that one condition names must hold; of several conditions, one must. */

const oneOrMore = <T extends z.ZodType>(one: T, what: string) => z.union([one, z.array(one).min(1)], what).transform((given) => (Array.isArray(given) ? given : [given]) as z.output<T>[]);

const purposes = ['recovery', 'drill'] as const;
const ends = ['done', 'skipped', 'failed'] as const;

const conditionSchema = z
  .strictObject({
    purpose: oneOrMore(z.enum(purposes), 'recovery or drill').optional(),
    severity: oneOrMore(severitySchema, severities.join(', ')).optional().meta({ description: 'as said when the step could start; not said: does not hold' }),
    partial: z.boolean().optional().meta({ description: 'true: a partial restore (only); false: a whole one' }),
    engine: oneOrMore(z.string(), 'the name of an engine').optional().meta({ description: 'the system has a source of such an engine' }),
    step: z.string().optional().meta({ description: 'a step that this one needs, with `is`' }),
    is: oneOrMore(z.enum(ends), ends.join(', ')).optional().meta({ description: 'how that step ended; failed: the run went on without it, by a person or onFailure' }),
  })
  .refine((condition) => Object.keys(condition).length > 0, 'at least one of purpose, severity, partial, engine, step')
  .refine(({ step, is }) => (step === undefined) === (is === undefined), { path: ['is'], message: 'step and is belong together: {step: validate, is: failed}' });

/** One condition, or several of which one must hold. */
export const whenSchema = z.union([conditionSchema, z.array(conditionSchema).min(1)], 'a condition, or a list of them: {purpose: drill}, {severity: [P1, P2]}, {partial: true}, {engine: mongodb}, {step: validate, is: failed}').transform((given) => (Array.isArray(given) ? given : [given]));

export type Condition = z.output<typeof conditionSchema>;

export interface Facts {
  purpose: string;
  severity: Severity | undefined;
  partial: boolean;
  engines: readonly string[];
  step(id: string): Pick<StepState, 'state' | 'error'> | undefined;
}

/** How a step ended, for a condition: one that failed and was gone on without has its error still. */
const endOf = (step: Pick<StepState, 'state' | 'error'> | undefined): string | undefined => (step?.state === 'skipped' && step.error !== null ? 'failed' : step?.state);

const holds = (condition: Condition, facts: Facts): boolean =>
  (condition.purpose?.some((purpose) => purpose === facts.purpose) ?? true) &&
  (condition.severity?.some((severity) => severity === facts.severity) ?? true) &&
  (condition.partial === undefined || condition.partial === facts.partial) &&
  (condition.engine?.some((engine) => facts.engines.includes(engine)) ?? true) &&
  (condition.step === undefined || condition.is!.some((end) => end === endOf(facts.step(condition.step!))));

/** @param when - of each group one condition must hold. */
export const whenHolds = (when: readonly (readonly Condition[])[], facts: Facts): boolean => when.every((group) => group.some((condition) => holds(condition, facts)));

const describeOne = ({ purpose, severity, partial, engine, step, is }: Condition): string =>
  [
    ...(purpose ? [purpose.join(' or ')] : []),
    ...(severity ? [severity.join(' or ')] : []),
    ...(partial === undefined ? [] : [partial ? 'a partial restore' : 'a whole restore']),
    ...(engine ? [`a source of ${engine.join(' or ')}`] : []),
    ...(step ? [`${step} is ${is!.join(' or ')}`] : []),
  ].join(' and ');

/** `drill and P1 or P2; or validate is failed` */
export const describeWhen = (when: readonly (readonly Condition[])[]): string => when.map((group) => group.map(describeOne).join('; or ')).join(', and ');
