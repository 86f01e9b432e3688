import { z } from 'zod';
import { parseDurationMs } from './units.ts';

/** A runbook is data: steps with what they need. The engine runs everything whose needs are met side by side. */

const id = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes');

const duration = z
  .string()
  .refine((text) => parseDurationMs(text) !== undefined, 'a duration such as 90s, 5m or 1h30m')
  .transform((text) => parseDurationMs(text)!);

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
    .meta({ description: 'tries by itself before the run pauses for a person' }),
});

export const runbookSchema = z
  .strictObject({ steps: z.array(runbookStepSchema).min(1) })
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
    const cycle = findCycle(runbook.steps);
    if (cycle) ctx.addIssue({ code: 'custom', path: ['steps'], message: `steps need each other in a circle: ${cycle.join(' → ')}` });
  });

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
