import type { ReplayResult, TargetRef, ValidationResult } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { ValidatorConfig } from '../../../workflows/domain/system.ts';
import type { SourceContext } from '../../context.ts';
import { readManifest } from '../base/read-base.ts';
import { endpointOf } from '../base/source-environment.ts';
import { startRecoveredTimeline, type RecoveredSource } from '../base/timelines.ts';
import { promoteTarget as promoteMongodb } from '../mongodb/promote-target.ts';
import { validateTarget as validateMongodb } from '../mongodb/validate-target.ts';
import { askTarget } from '../postgres/ask-in-sql.ts';
import { commandProgram } from './command.ts';
import { promoteForeign } from './pgbackrest/restore.ts';
import { toolOf } from './programs.ts';
import { runProgram } from './run-program.ts';

/** There is no log: the answer says up to when the dump holds what was written, which is what the RPO is measured from. */
export async function replayLog(context: SourceContext, { point }: { point: RecoveryPoint }): Promise<ReplayResult> {
  const { origin } = await readManifest(context, point);
  if (origin?.form !== 'stream') throw new HoldfastError('Tampered', `${point.base.manifest.key}: is not of a program's stream`);
  // Of no one moment: what was written while the program ran may be in it or not.
  const appliedToAt = origin.moment === 'end' ? origin.ranTo : origin.ranFrom;
  return { appliedTo: null, appliedToAt, entries: 0, operations: 0, slices: 0, discardedTransactions: 0 };
}

/**
 * Runs one validator of the system file. Equality is one of the other sources of the system, and is not asked for here. A
 * command's code decides; what it looked at, it alone knows. Safe to repeat.
 * @throws BadInput - there is no such validator, or it is of another source. @throws Unsupported - it asks what a command's target cannot answer.
 */
export async function validateTarget(
  context: SourceContext,
  input: { target: TargetRef; point: RecoveryPoint; limit: LogPosition; validator: string },
): Promise<ValidationResult> {
  const validator = context.system.validators.find(({ id }) => id === input.validator);
  if (validator?.uses === 'equality') throw new HoldfastError('Unsupported', `what a program restored into ${context.sourceName} cannot be proved equal`);
  if (validator?.uses === 'command') return await runValidator(context, input.target, validator);
  if (validator?.uses === 'sql' && toolOf(context).uses === 'pg_dump') return { id: validator.id, effect: validator.effect, ...(await askTarget(context, input, validator)) };
  if (toolOf(context).uses === 'mongodump') return await validateMongodb(context, input);
  throw new HoldfastError('Unsupported', `validator "${input.validator}" cannot ask the target of ${context.sourceName}: it is restored by ${toolOf(context).uses}`);
}

async function runValidator(context: SourceContext, target: TargetRef, { id, effect, source, run }: Extract<ValidatorConfig, { uses: 'command' }>): Promise<ValidationResult> {
  if (source !== context.sourceName) throw new HoldfastError('BadInput', `validator "${id}" is of source "${source}", not of "${context.sourceName}"`);
  const spec = await commandProgram(context, run, endpointOf(context, target.environment));
  context.progress({ phase: `validate by ${spec.name}`, done: 0, of: 0, unit: 'answers' });
  const problem = await runProgram(context, spec, async ({ stdin, stdout }) => {
    stdout.resume();
    stdin.end();
    return await Promise.resolve(undefined);
  }).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.type === 'ToolFailed') return error.message;
    throw error;
  });
  return { id, effect, ok: problem === undefined, claim: `${spec.name} says that it holds: what it looked at, it alone knows`, problems: problem === undefined ? [] : [problem], collections: [], collectionCount: 0 };
}

/** A server of MongoDB becomes a replica set; what a command restored serves as the command left it. Safe to repeat. */
export async function promoteTarget(context: SourceContext, input: { target: TargetRef }): Promise<{ summary: string; sourceIdentity: string }> {
  const { uses } = toolOf(context);
  if (uses === 'mongodump') return await promoteMongodb(context, input);
  if (uses === 'pgbackrest') return { summary: await promoteForeign(context, input.target), sourceIdentity: identityOf(input.target.run) };
  return { summary: `${context.sourceName}: nothing to promote: it serves as its restore program left it`, sourceIdentity: identityOf(input.target.run) };
}

/** Each recovery makes another source of it: without this, a second one of the same moment would be taken for the first. */
const identityOf = (run: string): string => `unknown: restored by run ${run}`;

/**
 * The timeline of a recovered source, which says where it lives from now on: the next dump is made there.
 * Safe to repeat: the timeline that this run made is adopted.
 */
export async function startTimeline(context: SourceContext, input: RecoveredSource): Promise<{ timeline: string }> {
  return await startRecoveredTimeline(context, input, identityOf(input.run));
}
