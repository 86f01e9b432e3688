import type { Condition } from './condition.ts';
import { HoldfastError } from './errors.ts';
import type { Runbook, RunbookStep } from './runbook.ts';

/** The name of the system file's `runbook` among its `runbooks`. */
export const mainRunbook = 'main';

/** A step as the engine runs it: no sub-runbook, no loop. */
export interface FlatStep extends Omit<RunbookStep, 'when' | 'foreach'> {
  /** of each group one condition must hold; empty: always */
  when: Condition[][];
  /** where it stands in the system file, for errors */
  at: string;
}

export interface Runbooks {
  runbook: Runbook;
  runbooks?: Readonly<Record<string, Runbook>> | undefined;
  sources: Readonly<Record<string, unknown>>;
}

export const runbookNames = ({ runbooks }: Pick<Runbooks, 'runbooks'>): string[] => [mainRunbook, ...Object.keys(runbooks ?? {})];

/**
 * A runbook with all that it stands for: a step that uses `runbook` becomes that runbook's steps, called `<step>-<inner step>`; a step
 * `foreach: sources` becomes one for each source, called `<step>-<source>`. What needs such a step needs all that came of it; of two loops, the
 * second's step of a source needs the first's of that source only.
 *
 * @throws BadSystemFile - an unknown runbook, or runbooks that stand for each other in a circle.
 */
export function expandRunbook(of: Runbooks, name: string = mainRunbook): FlatStep[] {
  return loops(inline(of, name, []), Object.keys(of.sources));
}

type Unlooped = FlatStep & Pick<RunbookStep, 'foreach'>;

function inline(of: Runbooks, name: string, path: readonly string[]): Unlooped[] {
  if (path.includes(name)) throw new HoldfastError('BadSystemFile', `Runbooks stand for each other in a circle: ${[...path, name].join(' → ')}.`);
  const runbook = name === mainRunbook ? of.runbook : of.runbooks?.[name];
  if (!runbook) throw new HoldfastError('BadSystemFile', `There is no runbook "${name}"; known: ${runbookNames(of).join(', ')}.`);
  const where = name === mainRunbook ? 'runbook' : `runbooks.${name}`;
  const standsFor = new Map<string, string[]>();
  const steps = runbook.steps.flatMap((step, index): Unlooped[] => {
    const at = `${where}.steps[${index}]`;
    if (step.uses !== 'runbook') return [{ ...step, when: step.when ? [step.when] : [], at }];
    const inner = inline(of, String(step.with?.['runbook']), [...path, name]);
    const needed = new Set(inner.flatMap(({ needs }) => needs));
    standsFor.set(step.id, inner.filter(({ id }) => !needed.has(id)).map(({ id }) => `${step.id}-${id}`));
    return inner.map((sub) => prefixed(sub, step));
  });
  return steps.map((step) => ({ ...step, needs: step.needs.flatMap((need) => standsFor.get(need) ?? [need]) }));
}

/** A step of a runbook that another step stands for. */
function prefixed(step: Unlooped, outer: RunbookStep): Unlooped {
  const named = (id: string): string => `${outer.id}-${id}`;
  const { onFailure } = step;
  return {
    ...step,
    id: named(step.id),
    needs: step.needs.length > 0 ? step.needs.map(named) : outer.needs,
    when: [...(outer.when ? [outer.when] : []), ...step.when.map((group) => group.map((condition) => (condition.step === undefined ? condition : { ...condition, step: named(condition.step) })))],
    ...(typeof onFailure === 'object' && 'goto' in onFailure ? { onFailure: { ...onFailure, goto: named(onFailure.goto) } } : {}),
  };
}

function loops(steps: readonly Unlooped[], sources: readonly string[]): FlatStep[] {
  const looped = new Set(steps.filter(({ foreach }) => foreach).map(({ id }) => id));
  return steps.flatMap(({ foreach, ...step }) => {
    if (!foreach) return [{ ...step, needs: step.needs.flatMap((need) => (looped.has(need) ? sources.map((source) => `${need}-${source}`) : [need])) }];
    return sources.map((source) => ({
      ...step,
      id: `${step.id}-${source}`,
      source,
      ...(step.title ? { title: `${step.title} (${source})` } : {}),
      needs: step.needs.map((need) => (looped.has(need) ? `${need}-${source}` : need)),
    }));
  });
}
