import type { FoundProblem } from './judge-readiness.ts';
import type { ScheduleFire } from './schedules/judge-fire.ts';
import type { Setting } from './store-setup.ts';

/** What stands against a recovery beside what a check gathers from store and plan: schedules that do not start what they should, and settings of the store that somebody changed. Pure. */

/** @param fires - of schedules that the system file does not pause; null: they could not be looked at. */
export function scheduleProblems(fires: readonly ScheduleFire[] | null, why = ''): FoundProblem[] {
  const problem = (key: string, what: string, hint: string, since?: string | null): FoundProblem => ({ kind: 'schedule', source: null, key: `schedule/${key}`, what, makes: 'at risk', hint, ...(since ? { since } : {}) });
  if (fires === null) return [problem('', `whether the schedules still start what they should could not be looked at${why === '' ? '' : `: ${why}`}`, 'holdfast schedules')];
  return fires.flatMap(({ id, state, dueAt, lastAt }) => {
    if (state === 'missing') return [problem(id, `schedule ${id} is not on the server: nothing starts by it`, 'holdfast apply')];
    if (state === 'paused') return [problem(id, `schedule ${id} is paused, and not by the system file: nothing starts by it`, 'holdfast schedules; holdfast apply --resume')];
    return state === 'late' ? [problem(id, `schedule ${id} should have started something at ${dueAt!}, and last did ${lastAt === null ? 'never' : `at ${lastAt}`}`, 'holdfast schedules', dueAt)] : [];
  });
}

/** What is known of the settings of the store. */
export interface SeenSettings {
  /** when they were last looked at, UTC ISO */
  at: string;
  /** names of those that were ever as the system file asks, in this watch's life */
  held: string[];
  /** of these, those that are not any more */
  changed: Pick<Setting, 'setting' | 'found' | 'wanted'>[];
}

/**
 * A setting that was as asked and is not any more: somebody changed it, in the store or in the system file. One that never was is `holdfast store check`'s to tell, and one that cannot be read now says
 * nothing new.
 */
export function compareSettings(before: SeenSettings | undefined, settings: readonly Setting[], at: string): SeenSettings {
  const wasHeld = (name: string): boolean => before?.held.includes(name) ?? false;
  const held = [...new Set([...(before?.held ?? []), ...settings.filter(({ state }) => state === 'as-asked').map(({ setting }) => setting)])];
  // Of a store that told nothing at all nothing is new; what it is not asked for any more is over.
  const isUnknown = (name: string): boolean => settings.length === 0 || settings.some(({ setting, state }) => setting === name && state === 'unread');
  const changed = settings.filter(({ setting, state }) => wasHeld(setting) && (state === 'to-do' || state === 'cannot')).map(({ setting, found, wanted }) => ({ setting, found, wanted }));
  return { at, held, changed: [...changed, ...(before?.changed ?? []).filter(({ setting }) => isUnknown(setting))] };
}

export const settingProblems = (seen: SeenSettings | undefined, system: string): FoundProblem[] =>
  (seen?.changed ?? []).map(({ setting, found, wanted }) => ({
    kind: 'bucket', source: null, key: `setting/${setting}`, makes: 'at risk', what: `THE STORE WAS CHANGED: ${setting} is ${found}; wanted: ${wanted}`, hint: `look who did it; holdfast store check ${system}, then holdfast store init ${system}`,
  }));
