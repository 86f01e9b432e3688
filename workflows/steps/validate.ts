import type { ValidationResult } from '../contract.ts';
import { HoldfastError } from '../domain/errors.ts';
import { limitOf, pointOf } from './point-of.ts';
import { forEachSource } from './side-by-side.ts';
import { sourceCan } from '../sources.ts';
import { defineStep, targetOf, type StepContext } from './step.ts';

const shortened = (result: ValidationResult): string => `${result.id}: ${result.claim}${result.ok ? '' : ` DOES NOT HOLD: ${result.problems.slice(0, 3).join('; ')}`}`;

/**
 * Runs the system's validators on one source's target.
 * @throws ValidationFailed - one that gates found a difference; the results are kept for the report all the same.
 */
export async function validateSource(ctx: StepContext, source: string, only: readonly string[] | undefined): Promise<string> {
  // One of no source is a proof of equality: a report that it passed where nothing was compared would be a lie.
  const provable = sourceCan(ctx.view, source, 'units');
  const wanted = (ctx.view.validators ?? [{ id: 'equality' }]).filter(
    (validator) => (validator.source === undefined ? provable : validator.source === source) && (!only || only.includes(validator.id)),
  );
  const results: ValidationResult[] = [];
  for (const { id } of wanted) {
    const input = { target: targetOf(ctx, source), point: pointOf(ctx, source), limit: limitOf(ctx, source), validator: id };
    const result = await ctx.call('validateTarget', input, `validate ${source}: ${id}`);
    ctx.results.validations[`${source}/${id}`] = result;
    results.push(result);
    if (!result.ok && result.effect === 'warn') ctx.warn(`validation ${source} ${shortened(result)}`);
  }
  const failed = results.filter((result) => !result.ok && result.effect === 'gate');
  if (failed.length > 0) throw new HoldfastError('ValidationFailed', `${source}: ${failed.map(shortened).join('; ')}`);
  return `${source}: ${results.map(shortened).join('; ') || (provable ? 'no validator' : 'no validator, and nothing was compared')}`;
}

export const validate = defineStep('validate', {
  about: 'proves that the target equals what base and log say; a gate',
  async run(ctx, { validators }) {
    return { summary: (await forEachSource(ctx, (source) => validateSource(ctx, source, validators))).join('; ') };
  },
});
