import { workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import { describeRotation, type RotatedSource, type RotationResult, type WrappedKeys } from './domain/keys/describe.ts';
import { parseInput, rotateKeysInput } from './domain/inputs.ts';
import type { SystemView } from './domain/system.ts';
import { failure, surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { checkSource } from './sources.ts';

/** The first pass wraps; the next finds that nothing is missing. A third is for what was written meanwhile. */
const passesAtMost = 4;

/**
 * Wraps every kept key for everybody whom the system file names, until a whole pass over all of them finds nothing missing; opens a base, a part and a slice with each new key alone; then writes down that nothing depends on the
 * keys under `key.retiring` any more, which is what makes them retired: until then they are needed, and stay accepted for reading.
 *
 * Killed anywhere it goes on, and does again a page at most; what each kill leaves in the store: `activities/keys/`. Two at once put some wrappings twice, and come to the same. Twice: the second adds nothing, and says the same.
 *
 * @param typed - RotateKeysInput as a person types it.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, EpochSuperseded; WrongKey - keys that nothing here opens, or a new one that does not: nothing is retired; KeyRefused - nothing can be wrapped for a recipient.
 */
export async function rotateKeys(typed: unknown): Promise<RotationResult> {
  return await surfacing(async () => {
    const { source, reason, dryRun = false, ...input } = parseInput('rotateKeys', rotateKeysInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    const { system } = view;
    if (source !== undefined) checkSource(view, source);
    await admit('rotateKeys', view, { ...input, dryRun, reason });
    mark({ system, purpose: 'rotation', phase: 'running' });
    const { epoch } = dryRun ? { epoch: 0 } : await callControl('claimEpoch', { system, why: 'rotation of keys', takeOver: false }, `hold the command of ${system}`);
    const wrapped = await wrapAll(view, source === undefined ? Object.keys(view.sources) : [source], { epoch, dryRun });
    const call = callsAt(view.site);
    const sources: RotationResult['sources'] = [];
    for (const one of wrapped) sources.push({ ...one, proofs: dryRun ? [] : await call('proveKeys', { system, source: one.source }, `open ${one.source} with each key alone`) });
    const { runId: run, workflowId } = workflowInfo();
    const rotation = dryRun ? null : await callControl('recordRotation', { system, run, workflowId, epoch, by: input.requestedBy ?? null, reason, sources }, `write down who opens every key of ${system}`);
    const result: RotationResult = { system, outcome: dryRun ? 'dry' : 'done', sources, rotation };
    mark({ phase: 'done' });
    showLines(`rotation of the keys of ${system}: ${result.outcome}`, describeRotation(result));
    return result;
  });
}

/** Pass after pass over all sources, until one finds nothing to add. @throws WrongKey, as said above; NotWaiting - somebody goes on writing keys for others than the system file names. */
async function wrapAll(view: SystemView, sources: readonly string[], { epoch, dryRun }: { epoch: number; dryRun: boolean }): Promise<RotatedSource[]> {
  const added = new Map(sources.map((source) => [source, 0]));
  for (let pass = 1; pass <= passesAtMost; pass += 1) {
    const done: RotatedSource[] = [];
    for (const source of sources) done.push(await wrapSource(view, source, { epoch, dryRun, pass }));
    for (const one of done) added.set(one.source, added.get(one.source)! + one.added);
    const total = done.map((one) => ({ ...one, added: added.get(one.source)! }));
    if (dryRun || done.every((one) => one.added === 0)) return total;
    showLines(`rotation of the keys of ${view.system}: pass ${pass}`, total.map((one) => `${one.source}: ${one.keys} keys, ${one.added} wrappings added`));
  }
  throw failure('AlreadyRunning', `${view.system}: after ${passesAtMost} passes keys still come that are not wrapped for everybody: nothing is retired`, { hint: 'a worker has an older system file: give all of them the same, then rotate again' });
}

async function wrapSource({ system, site }: SystemView, source: string, { epoch, dryRun, pass }: { epoch: number; dryRun: boolean; pass: number }): Promise<RotatedSource> {
  const sum = { source, keys: 0, added: 0 };
  const unopened: { key: string; why: string }[] = [];
  let lost = 0;
  for (let after: string | null = null, page = 1; ; page += 1) {
    const wrapped: WrappedKeys = await callsAt(site)('wrapKeys', { system, source, epoch, after, dryRun }, `${pass === 1 ? 'wrap' : 'look at'} the keys of ${source}, page ${page}`);
    sum.keys += wrapped.keys;
    sum.added += wrapped.added;
    lost += wrapped.unopenedCount;
    unopened.push(...wrapped.unopened);
    after = wrapped.next;
    if (after === null) break;
  }
  if (lost > 0) throw failure('WrongKey', `${system}/${source}: nothing here opens ${lost} of ${sum.keys} keys, so they cannot be wrapped anew, and nothing is retired: ${unopened.slice(0, 3).map(({ key, why }) => `${key}: ${why}`).join('; ')}`, { hint: 'name the key that they were wrapped for under key.retiring; a base that nobody needs can be disposed of' });
  return sum;
}
