import { callControl } from './call.ts';
import type { SourceRef } from './contract.ts';
import type { EntryWorkflow } from './domain/inputs.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { checkSource } from './sources.ts';
import { sideBySide } from './steps/side-by-side.ts';

/**
 * What the workflows that only read have in common: one question of each source that the input asks for, side by side.
 *
 * @param purpose - what HoldfastPurpose says of it.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted - nothing was read. What a question throws ends the workflow, as its own failure.
 */
export async function readSources<I extends { system: string; source?: string | undefined; requestedBy?: string | undefined }, R>(
  workflow: EntryWorkflow,
  purpose: string,
  parse: () => I,
  ask: (of: SourceRef, input: I) => Promise<R>,
): Promise<R[]> {
  return await surfacing(async () => {
    const input = parse();
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    await admit(workflow, view, input);
    if (input.source) checkSource(view, input.source);
    mark({ system: view.system, purpose });
    const sources = input.source ? [input.source] : Object.keys(view.sources);
    return await sideBySide(sources, sources.length, (source) => ask({ system: view.system, source }, input));
  });
}
