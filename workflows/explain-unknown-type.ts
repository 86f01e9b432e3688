import { setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { inputExamples } from './domain/inputs.ts';
import { entryWorkflows } from './domain/names.ts';
import { failure } from './failure.ts';

/** Answers for every workflow type that is not there: one mistyped in the UI would otherwise stay Running for ever. */
export function explainUnknownType(): Promise<never> {
  const problem = `There is no workflow type "${workflowInfo().workflowType}".`;
  setCurrentDetails([`**${problem}** Nothing was done. Start one of these, with an input like the one beside it:`, '', ...entryWorkflows.map((name) => `- \`${name}\` \`${inputExamples[name]}\``)].join('\n'));
  return Promise.reject(failure('BadInput', problem, { hint: `start one of: ${entryWorkflows.join(', ')}; an example of each input is in the tab User Metadata` }));
}
