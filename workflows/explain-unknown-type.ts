import { workflowInfo } from '@temporalio/workflow';
import { inputExamples } from './domain/inputs.ts';
import { entryWorkflows } from './domain/names.ts';
import { failure } from './failure.ts';

/** Answers for every workflow type that is not there: one mistyped in the UI would otherwise stay Running for ever. */
export function explainUnknownType(): Promise<never> {
  const known = entryWorkflows.map((name) => `${name} with ${inputExamples[name]}`);
  return Promise.reject(failure('BadInput', `There is no workflow type "${workflowInfo().workflowType}".`, { hint: `start one of: ${known.join('; ')}` }));
}
