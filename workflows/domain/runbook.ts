import { z } from 'zod';
import { whenSchema } from './condition.ts';
import { restoreModeSchema } from './restore-mode.ts';
import { stepUndoSchema } from './step-undo.ts';
import { parseDurationMs } from './units.ts';

/** A runbook is data: steps with what they need. The engine runs everything whose needs are met side by side. */

const id = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes');

const duration = z
  .string()
  .refine((text) => parseDurationMs(text) !== undefined, 'a duration such as 90s, 5m or 1h30m')
  .transform((text) => parseDurationMs(text)!);

const onFailureSchema = z.union(
  [
    z.enum(['pause', 'continue']),
    z.strictObject({ retry: z.number().int().min(1).max(20) }),
    z.strictObject({ goto: id, atMost: z.number().int().min(1).max(10).default(1) }),
    z.strictObject({ escalate: id }),
  ],
  'pause, continue, {retry: times}, {goto: the step that finds the recovery point, atMost: times} or {escalate: runbook}',
);

export const runbookStepSchema = z.strictObject({
  id,
  uses: id.meta({ description: 'the step type: a file in workflows/steps' }),
  title: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional().meta({ description: 'settings of the step type' }),
  needs: z.array(id).default([]).meta({ description: 'steps that must be done (or skipped) first' }),
  budget: duration.optional().meta({ description: 'this step’s share of the RTO; an overrun warns, it never kills' }),
  retry: z
    .strictObject({ attempts: z.number().int().min(1).max(100).default(1), every: duration.default(5_000) })
    .prefault({})
    .meta({ description: 'tries by itself, where the error says that another try can help, before onFailure decides' }),
  when: whenSchema.optional().meta({ description: 'the step is passed over unless this holds when all that it needs has ended; left out: always' }),
  timeout: duration.optional().meta({ description: 'a try that takes longer is cancelled, and has failed' }),
  onFailure: onFailureSchema.optional().meta({ description: 'what a failure does; left out: pause, for a person' }),
  approval: id.optional().meta({ description: 'a gate of the system’s approvals that is opened before the step starts' }),
  undo: stepUndoSchema.optional().meta({ description: 'how what it did is taken back, behind what its type takes back by itself; left out: by that alone' }),
  source: id.optional().meta({ description: 'of this source only; left out: of all' }),
  foreach: z.literal('sources').optional().meta({ description: 'sources: one step for each source, called <id>-<source>, side by side' }),
});

export const runbookSchema = z
  .strictObject({
    towards: z.literal('home', 'home, or nothing').optional().meta({ description: 'home: brings the sources back from the standby to the environment that they are at home in, as failback says; left out: to the standby' }),
    mode: restoreModeSchema.optional().meta({ description: 'in-place: restores the place that the source lives at, behind a safety point, as failback.provision says; beside: copies chosen collections into the living source under names of their own; swap: as beside, then they take the place of what is there; rows: puts chosen rows back into the living source; left out, or new: a place of the run’s own' }),
    steps: z.array(runbookStepSchema).min(1),
  })
  .superRefine((runbook, ctx) => {
    const ids = new Set<string>();
    runbook.steps.forEach((step, index) => {
      if (ids.has(step.id)) ctx.addIssue({ code: 'custom', path: ['steps', index, 'id'], message: `step id "${step.id}" is used twice` });
      ids.add(step.id);
    });
    runbook.steps.forEach((step, index) => {
      step.needs.forEach((need, at) => {
        if (!ids.has(need)) {
          ctx.addIssue({ code: 'custom', path: ['steps', index, 'needs', at], message: `needs unknown step "${need}"` });
        }
      });
    });
    runbook.steps.forEach((step, index) => checkStep(runbook.steps, step, (path, message) => ctx.addIssue({ code: 'custom', path: ['steps', index, ...path], message })));
    const cycle = findCycle(runbook.steps);
    if (cycle) ctx.addIssue({ code: 'custom', path: ['steps'], message: `steps need each other in a circle: ${cycle.join(' → ')}` });
  });

/** What a step that stands for another runbook may say: the rest its own steps say. */
const ofSubRunbook: readonly string[] = ['id', 'uses', 'title', 'with', 'needs', 'when', 'retry'];

function checkStep(steps: readonly RunbookStep[], step: RunbookStep, complain: (path: (string | number)[], message: string) => void): void {
  const before = neededBy(steps, step.id);
  const single = (id: string): string | undefined => {
    const other = steps.find((candidate) => candidate.id === id);
    if (!other || !before.has(id)) return `"${id}" is not among the steps that "${step.id}" needs`;
    return other.foreach || other.uses === 'runbook' ? `"${id}" stands for several steps` : undefined;
  };
  // One that is not in order itself has its own error, and comes as it was typed.
  if (step.when !== undefined && !Array.isArray(step.when)) return;
  step.when?.forEach((condition, index) => {
    const problem = condition.step === undefined ? undefined : single(condition.step);
    if (problem) complain(step.when!.length > 1 ? ['when', index, 'step'] : ['when', 'step'], problem);
  });
  const { onFailure } = step;
  if (typeof onFailure === 'object' && 'goto' in onFailure) {
    const problem = single(onFailure.goto) ?? (steps.find(({ id: other }) => other === onFailure.goto)!.uses === 'find-recovery-point' ? undefined : `"${onFailure.goto}" does not use find-recovery-point: a step goes back to another recovery point, or pauses`);
    if (problem) complain(['onFailure', 'goto'], problem);
  }
  if (step.foreach && step.source) complain(['source'], 'either foreach or source');
  if (step.foreach && step.approval) complain(['approval'], 'one gate cannot be opened by a step for each source: let a step that uses approval come first');
  if (step.uses !== 'runbook') return;
  for (const field of Object.keys(step)) if (!ofSubRunbook.includes(field)) complain([field], 'means nothing for a step that uses runbook: the steps of that runbook say it');
  if (typeof step.with?.['runbook'] !== 'string') complain(['with'], 'a step that uses runbook names one: {runbook: name}');
  for (const field of Object.keys(step.with ?? {})) if (field !== 'runbook') complain(['with', field], 'unknown field; a step that uses runbook takes runbook');
}

/** All steps that one needs, and those need. */
function neededBy(steps: readonly RunbookStep[], id: string): Set<string> {
  const needed = new Set<string>();
  const visit = (of: string): void => {
    for (const need of steps.find((step) => step.id === of)?.needs ?? []) {
      if (needed.has(need)) continue;
      needed.add(need);
      visit(need);
    }
  };
  visit(id);
  return needed;
}

export type RunbookStep = z.output<typeof runbookStepSchema>;
export type Runbook = z.output<typeof runbookSchema>;

/** The ids of one circle of needs, or undefined. Unknown needs are ignored: they have their own error. */
export function findCycle(steps: readonly { id: string; needs: readonly string[] }[]): string[] | undefined {
  const needsOf = new Map(steps.map((step) => [step.id, step.needs]));
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (step: string): string[] | undefined => {
    if (finished.has(step)) return undefined;
    const at = path.indexOf(step);
    if (at >= 0) return [...path.slice(at), step];
    path.push(step);
    for (const need of needsOf.get(step) ?? []) {
      const cycle = visit(need);
      if (cycle) return cycle;
    }
    path.pop();
    finished.add(step);
    return undefined;
  };
  for (const { id: step } of steps) {
    const cycle = visit(step);
    if (cycle) return cycle;
  }
  return undefined;
}
