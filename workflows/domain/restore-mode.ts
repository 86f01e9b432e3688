import { z } from 'zod';
import { HoldfastError } from './errors.ts';

/**
 * Where a recovery restores to, beside what it leaves alone:
 *
 * - `new`: a server of the run's own, at the standby (or at home, with `towards: home`); what serves now goes on until the switch.
 * - `in-place`: the place that the source itself lives at. Writers are quiesced first, what they wrote is archived to its end and read back whole (the safety
 *   point), people approve, and only then the server's directory is moved aside, and a new one restored in its place.
 * - `beside`: chosen collections, restored and proved on a server of the run's own, then copied into the living source under names of their own.
 * - `swap`: as `beside`; then people approve, and each copy takes the name of what is there, which is kept.
 * - `rows`: chosen tables, restored and proved on a server of the run's own; people see which rows are missing in the living source, and approve; those are put back.
 */
const restoreModes = ['new', 'in-place', 'beside', 'swap', 'rows'] as const;
export type RestoreMode = (typeof restoreModes)[number];
/** Into the living source: whole databases, or what was chosen. */
export type CopyMode = Extract<RestoreMode, 'beside' | 'swap' | 'rows'>;

export const restoreModeSchema = z.enum(restoreModes, 'new, in-place, beside, swap or rows');

interface Named {
  system: string;
  runbooks?: Readonly<Record<string, { mode?: RestoreMode | undefined }>> | undefined;
  runbook: { mode?: RestoreMode | undefined };
}

/** How the runbooks of a system write into its living sources, other than in their place. */
export function copyModesOf({ runbook, runbooks }: Pick<Named, 'runbook' | 'runbooks'>): CopyMode[] {
  const modes = [runbook, ...Object.values(runbooks ?? {})].map(({ mode }) => mode);
  return (['beside', 'swap', 'rows'] as const).filter((mode) => modes.includes(mode));
}

const places: Readonly<Record<RestoreMode, string>> = { new: 'to a place of its own', 'in-place': 'in-place', beside: 'beside', swap: 'by a swap', rows: 'rows into what lives' };

export const describeMode = (mode: RestoreMode): string => places[mode];

/**
 * The runbook that a mode stands for: the one of the system file that is of this mode.
 * @throws BadInput - none is, more than one is, or the runbook that was named is of another mode; names what there is.
 */
export function runbookOfMode(of: Named, { mode, runbook }: { mode?: RestoreMode | undefined; runbook?: string | undefined }): string | undefined {
  if (mode === undefined) return runbook;
  if (runbook !== undefined) {
    const is = of.runbooks?.[runbook]?.mode ?? 'new';
    if (is === mode) return runbook;
    throw new HoldfastError('BadInput', `field "mode" is "${mode}", and runbook "${runbook}" of ${of.system} restores ${places[is]}.`);
  }
  if (mode === 'new') return undefined;
  const names = Object.entries(of.runbooks ?? {}).flatMap(([name, candidate]) => (candidate.mode === mode ? [name] : []));
  if (names.length === 1) return names[0];
  throw new HoldfastError('BadInput', `field "mode" is "${mode}", and ${names.length === 0 ? `${of.system} has no runbook with mode: ${mode}` : `${of.system} has ${names.join(', ')}: name one as runbook`}.`, {
    hint: names.length === 0 ? 'write one: docs/restore-modes.md' : 'name one by "runbook"',
  });
}
