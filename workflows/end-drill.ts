import { callsAt } from './call.ts';
import type { ComparedSource, RunReport } from './domain/report.ts';
import type { RunState } from './domain/run-state.ts';
import type { SystemView } from './domain/system-view.ts';
import type { RunResults } from './steps/step.ts';

/**
 * What comes after the last step of a run whose place is not to stay: a drill, or a partial restore. None of it can fail the run, and killed anywhere it goes on with
 * the activity that was under way: a place that is gone is gone, a mark that was written is written.
 */
interface Ended {
  view: SystemView;
  run: string;
  state: RunState;
  results: RunResults;
}

type Cleanup = NonNullable<RunReport['cleanup']>;

const messageOf = (error: unknown): string => (error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error));

/** Removes the place of each source. Of a run that was aborted its undos did, or could not. */
export async function removePlaces({ view, run, state }: Ended): Promise<Cleanup> {
  const sources = Object.keys(view.sources);
  if (state.status !== 'done') return Object.fromEntries(sources.map((source) => [source, undone(state)]));
  const call = callsAt(view.site);
  const removed = sources.map(async (source): Promise<[string, Cleanup[string]]> => {
    try {
      const { summary, kept } = await call('removeTarget', { system: view.system, source, environment: view.standbyEnvironment, run, ...(state.only || state.copies ? {} : { discard: true }) }, `remove the ${state.copies ? 'run' : state.only ? 'partial restore' : 'drill'}’s target of ${source}`);
      return [source, { removed: !kept, summary }];
    } catch (error) {
      return [source, { removed: false, summary: `could not be removed: ${messageOf(error)}` }];
    }
  });
  return Object.fromEntries(await Promise.all(removed));
}

function undone({ steps }: RunState): Cleanup[string] {
  const made = steps.filter(({ uses, startedAt }) => uses === 'provision' && startedAt !== null);
  if (made.length === 0) return { removed: true, summary: 'nothing was made' };
  return { removed: made.every(({ state }) => state === 'undone'), summary: made.map(({ id, state, summary }) => `${id} ${state}${summary === null ? '' : `: ${summary}`}`).join('; ') };
}

/** What was restored whole and compared by hash: all of a recovery point was read, opened and found to be a database again, which is more than a reading of it says. */
export function comparedWhole({ state, results }: Ended): ComparedSource[] {
  if (state.only) return [];
  return Object.values(results.points).flatMap(({ source, base, log }) => {
    const compared = Object.entries(results.validations).filter(([key, { collections }]) => key.startsWith(`${source}/`) && collections.some(({ hashEqual }) => hashEqual !== null)).map(([, result]) => result);
    if (compared.length === 0) return [];
    return [{ source, backup: base.backup, manifest: base.manifest, ok: compared.every(({ ok }) => ok), slices: log.slices, bytes: base.storedBytes + log.storedBytes, problems: compared.flatMap(({ problems }) => problems).slice(0, 20) }];
  });
}

/**
 * A base that was restored whole and does not equal what base and log say is doubted: whoever asks for the latest is given another from now on.
 * @returns what was marked, a line each
 */
export async function doubtDiffering({ view, run, results }: Ended): Promise<string[]> {
  const call = callsAt(view.site);
  const said: string[] = [];
  for (const [key, { effect, collections, problems, ok }] of Object.entries(results.validations)) {
    const source = key.slice(0, key.indexOf('/'));
    const point = results.points[source];
    if (ok || effect !== 'gate' || !point || !collections.some(({ hashEqual }) => hashEqual === false)) continue;
    const { backup } = point.base;
    try {
      await call('markPoint', { system: view.system, source, point: backup, state: 'suspect', by: 'drill', id: `${run}-${source}`, reason: `restored by drill ${run}, it differs: ${problems[0] ?? key}`.slice(0, 300) }, `mark the base of ${source}`);
      said.push(`${source}: base ${backup} is marked suspect: what was restored of it differs`);
    } catch (error) {
      said.push(`${source}: base ${backup} differs, and could not be marked suspect: ${messageOf(error)}`);
    }
  }
  return said;
}
