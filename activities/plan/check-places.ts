import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { SourceContext } from '../context.ts';
import { openProvisioner } from '../provision/provisioner.ts';
import { finding } from './finding.ts';

/**
 * Whether the target that the runbook would make of a source could be made, by its provisioner's own check, which changes nothing. Looked for here, as programs are: a server of
 * another machine's own is known to the dry run, which asks the workers that would make it.
 */
export async function checkPlaces(context: SourceContext, system: System, runbook: string | undefined): Promise<Finding[]> {
  const steps = expandRunbook(system, runbook).filter(({ uses, source }) => uses === 'provision' && (source === undefined || source === context.sourceName));
  const findings: Finding[] = [];
  for (const { id, with: settings } of steps) {
    try {
      await (await openProvisioner(context)).check(context, { movesAside: settings?.['left'] === 'move-aside' });
    } catch (error) {
      if (context.signal.aborted) throw error;
      const { message, hint } = describeError(error);
      const type = error instanceof HoldfastError ? error.type : 'RunFailed';
      // A program that is missing is named already.
      if (type !== 'ToolMissing') findings.push(finding('fails', type, `${id}: the target of ${context.sourceName}: ${message}`, hint));
    }
  }
  return findings;
}
