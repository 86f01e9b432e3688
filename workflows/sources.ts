import { abilitiesOf, requireAbility, type Abilities } from './domain/engines.ts';
import { HoldfastError } from './domain/errors.ts';
import type { SystemView } from './domain/system-view.ts';

const known = (view: SystemView): string => Object.keys(view.sources).join(', ');

/** @throws BadInput - the system has no such source; names those it has. */
export function checkSource(view: SystemView, source: string): void {
  if (!view.sources[source]) throw new HoldfastError('BadInput', `field "source" is "${source}", and ${view.system} has ${known(view)}.`);
}

/** The source that was named, or the only one there is. @throws BadInput - more than one, and none was named. */
export function oneSource(view: SystemView, source: string | undefined): string {
  if (source !== undefined) {
    checkSource(view, source);
    return source;
  }
  const names = Object.keys(view.sources);
  if (names.length !== 1) throw new HoldfastError('BadInput', `field "source" is missing, and ${view.system} has ${known(view)}.`);
  return names[0]!;
}

/** Whether the source's engine can do it. */
export const sourceCan = (view: SystemView, source: string, ability: keyof Abilities): boolean => abilitiesOf(view.sources[source]!.engine)[ability] === true;

/** @throws Unsupported - the source's engine cannot do it; says why. */
export function requireOf(view: SystemView, source: string, ability: keyof Abilities): void {
  requireAbility({ system: view.system, source, engine: view.sources[source]!.engine }, ability);
}
