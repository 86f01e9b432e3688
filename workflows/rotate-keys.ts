import { workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import { describeRotation, type RotatedSource, type RotationKeys, type RotationResult, type WrappedKeys } from './domain/keys/describe.ts';
import { parseInput, rotateKeysInput } from './domain/inputs.ts';
import type { SystemView } from './domain/system-view.ts';
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
 * Before the first pass it is noted of each of those that it wraps nothing any more: whoever makes a key afterwards, with an older system file, is refused, so that no pass can be overtaken. Every step, on whichever worker, works
 * for the recipients that the first one named, and no others.
 *
 * Killed anywhere it goes on, and does again a page at most; what each kill leaves in the store: `activities/keys/`. Two at once put some wrappings twice, and come to the same. Twice: the second adds nothing, and says the same.
 *
 * @param typed - RotateKeysInput as a person types it.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, EpochSuperseded; AlreadyRunning - keys go on to come; WrongKey - keys that nothing here opens, or a new one that does not: nothing is retired; KeyRefused - nothing can be wrapped for a recipient.
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
    const { runId: run, workflowId } = workflowInfo();
    const by = input.requestedBy ?? null;
    const all = Object.keys(view.sources);
    const began = await callControl('beginRotation', { system, sources: all, run, by, epoch, dryRun }, dryRun ? `read whom the keys of ${system} are for` : `write down whom no new key of ${system} is wrapped for any more`);
    const wrapped = await wrapAll(view, source === undefined ? all : [source], { epoch, dryRun, began });
    const call = callsAt(view.site);
    const sources: RotationResult['sources'] = [];
    for (const one of wrapped) sources.push({ ...one, proofs: dryRun ? [] : await call('proveKeys', { system, source: one.source, began }, `open ${one.source} with each key alone`) });
    const rotation = dryRun ? null : await callControl('recordRotation', { system, run, workflowId, epoch, by, reason, sources, began }, `write down who opens every key of ${system}`);
    const result: RotationResult = { system, outcome: dryRun ? 'dry' : 'done', sources, rotation };
    mark({ phase: 'done' });
    showLines(`rotation of the keys of ${system}: ${result.outcome}`, describeRotation(result));
    return result;
  });
}

interface Asked {
  epoch: number;
  dryRun: boolean;
  began: RotationKeys;
}

/** Pass after pass over all sources, until one finds nothing to add. @throws WrongKey, as said above; AlreadyRunning - somebody goes on writing keys for others than the system file names. */
async function wrapAll(view: SystemView, sources: readonly string[], asked: Asked): Promise<RotatedSource[]> {
  const added = new Map(sources.map((source) => [source, 0]));
  for (let pass = 1; pass <= passesAtMost; pass += 1) {
    const done: RotatedSource[] = [];
    for (const source of sources) done.push(await wrapSource(view, source, { ...asked, pass }));
    for (const one of done) added.set(one.source, added.get(one.source)! + one.added);
    const total = done.map((one) => ({ ...one, added: added.get(one.source)! }));
    if (asked.dryRun || done.every((one) => one.added === 0)) return total;
    showLines(`rotation of the keys of ${view.system}: pass ${pass}`, total.map((one) => `${one.source}: ${one.keys} keys, ${one.added} wrappings added`));
  }
  throw failure('AlreadyRunning', `${view.system}: after ${passesAtMost} passes keys still come that are not wrapped for everybody: nothing is retired`, { hint: 'a worker has an older system file: give all of them the same, then rotate again' });
}

async function wrapSource({ system, site }: SystemView, source: string, { pass, ...asked }: Asked & { pass: number }): Promise<RotatedSource> {
  const sum = { source, keys: 0, added: 0 };
  const unopened: { key: string; why: string }[] = [];
  let lost = 0;
  for (let after: string | null = null, page = 1; ; page += 1) {
    const wrapped: WrappedKeys = await callsAt(site)('wrapKeys', { system, source, after, ...asked }, `${pass === 1 ? 'wrap' : 'look at'} the keys of ${source}, page ${page}`);
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
