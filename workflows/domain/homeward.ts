import type { Runbook } from './runbook.ts';
import { abilitiesOf } from './engines.ts';
import { mainRunbook } from './expand-runbook.ts';
import type { CopyMode, RestoreMode } from './restore-mode.ts';
import type { System } from './system.ts';
import type { SystemView } from './system-view.ts';

/**
 * The way home. After a recovery the sources live on the standby, and the system file still says where their home is. A runbook with
 * `towards: home` brings them back, and is an ordinary recovery seen the other way round: what the file calls home is the place that is restored
 * to, what it calls the standby is the place that is fenced. So nothing else knows of two directions: whoever is given the turned system
 * or view provisions, fences, drains, switches and proves as ever.
 */
export const isHomeward = (of: { runbook: Runbook; runbooks?: Readonly<Record<string, Runbook>> | undefined }, name: string = mainRunbook): boolean =>
  (name === mainRunbook ? of.runbook : of.runbooks?.[name])?.towards === 'home';

/** The system as a run towards home sees it; itself where it declares no failback. */
export function turnSystem<S extends Pick<System, 'sources' | 'standby' | 'fence' | 'failback'>>(system: S): S {
  const { failback } = system;
  const [home] = homesOf(system.sources);
  if (!failback || home === undefined) return system;
  const sources = Object.fromEntries(Object.entries(system.sources).map(([name, source]) => [name, { ...source, environment: system.standby.environment }]));
  return { ...system, sources, standby: { environment: home, provision: failback.provision }, fence: failback.fence };
}

/** The system as a drill sees it that has a place of its own: restored there, and nothing else of it is different. */
export const drillSystem = <S extends Pick<System, 'standby' | 'drill'>>(system: S): S => (system.drill ? { ...system, standby: system.drill } : system);

/** What a drill is given of the system: never a direction, since it moves nobody. */
export const drillView = (view: SystemView): SystemView => (view.drillEnvironment ? { ...view, standbyEnvironment: view.drillEnvironment } : view);

/** What a run towards home is given of the system. */
function turnView(view: SystemView): SystemView {
  const [home] = homesOf(view.sources);
  const sources = Object.fromEntries(Object.entries(view.sources).map(([name, source]) => [name, { ...source, environment: view.standbyEnvironment }]));
  return { ...view, sources, standbyEnvironment: home ?? view.standbyEnvironment, homeward: true };
}

export const isInPlace = (of: { runbook: Runbook; runbooks?: Readonly<Record<string, Runbook>> | undefined }, name: string = mainRunbook): boolean =>
  modeOf(of, name) === 'in-place';

export const modeOf = (of: { runbook: Runbook; runbooks?: Readonly<Record<string, Runbook>> | undefined }, name: string = mainRunbook): RestoreMode =>
  (name === mainRunbook ? of.runbook : of.runbooks?.[name])?.mode ?? 'new';

/** Whether a runbook copies into the living source, and how. */
export function copiesOf(of: { runbook: Runbook; runbooks?: Readonly<Record<string, Runbook>> | undefined }, name?: string): CopyMode | undefined {
  const mode = modeOf(of, name);
  return mode === 'beside' || mode === 'swap' || mode === 'rows' ? mode : undefined;
}

/** A mode brings whole databases of every source into what lives: nothing is chosen. */
export const bringsWhole = ({ sources }: { sources: Readonly<Record<string, { engine: string }>> }, copies: CopyMode | undefined): boolean =>
  copies !== undefined && copies !== 'rows' && Object.values(sources).every(({ engine }) => abilitiesOf(engine).databases);

/**
 * The system as a run in place sees it: the sources live where they live, and that is also what is restored to. What makes home anew for a failback
 * makes it anew here; what fences the old primary fences it before. Itself where it declares no failback.
 */
export function inPlaceSystem<S extends Pick<System, 'sources' | 'standby' | 'failback'>>(system: S): S {
  const [home] = homesOf(system.sources);
  if (!system.failback || home === undefined) return system;
  return { ...system, standby: { environment: home, provision: system.failback.provision } };
}

/** The system as the runbook of this name sees it. */
export const systemFor = (system: System, name?: string): System => (isInPlace(system, name) ? inPlaceSystem(system) : isHomeward(system, name) ? turnSystem(system) : system);

/** What a run of the runbook of this name is given of the system. */
export function viewFor(view: SystemView, name?: string): SystemView {
  const copies = copiesOf(view, name);
  if (copies) return { ...view, copies };
  if (isInPlace(view, name)) return { ...view, standbyEnvironment: homesOf(view.sources)[0] ?? view.standbyEnvironment, inPlace: true };
  return isHomeward(view, name) ? turnView(view) : view;
}

/** A run keeps to one way from its start to its end: runbooks that it may go on with. */
export const sameWay = (of: { runbook: Runbook; runbooks?: Readonly<Record<string, Runbook>> | undefined }, a: string | undefined, b: string | undefined): boolean =>
  isHomeward(of, a) === isHomeward(of, b) && modeOf(of, a) === modeOf(of, b);

/** Environments that the sources are at home in. */
export const homesOf = (sources: Readonly<Record<string, { environment: string }>>): string[] => [...new Set(Object.values(sources).map(({ environment }) => environment))];

/** What an activity of a run is told, that has no target to know it by. */
export const directionOf = ({ homeward, inPlace, standbyEnvironment }: Pick<SystemView, 'homeward' | 'inPlace' | 'standbyEnvironment'>): { towards?: string; inPlace?: true } =>
  inPlace ? { towards: standbyEnvironment, inPlace } : homeward ? { towards: standbyEnvironment } : {};
