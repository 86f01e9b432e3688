import { HoldfastError } from './domain/errors.ts';
import type { SystemView } from './domain/system.ts';

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
