import type { Commanded, Directed, SourceRef, TargetRef } from '../../workflows/contract.ts';
import { attemptInDataPlane, type AttemptContext } from '../attempt.ts';
import type { SourceContext } from '../context.ts';
import type { JobName } from '../data-plane/jobs.ts';
import { openContext } from '../open-context.ts';
import { assertEpoch } from '../store/epoch.ts';

export const inDataPlane = <I, O>(job: JobName) => attemptInDataPlane<I, O>(job);

export const atSource = async <O>(of: SourceRef & Commanded & Directed, context: AttemptContext, use: (context: SourceContext) => Promise<O>): Promise<O> =>
  await use(await openContext({ system: of.system, source: of.source, epoch: of.epoch ?? 0, towards: of.towards, inPlace: of.inPlace }, context));

export const atTarget = async <O>(target: TargetRef, context: AttemptContext, use: (context: SourceContext) => Promise<O>): Promise<O> =>
  await atSource({ system: target.system, source: target.source, towards: target.environment, inPlace: target.inPlace }, context, use);

/** For what cannot be taken back. @throws EpochSuperseded - another control plane commands the system: nothing was done. */
export const inCommand: typeof atSource = async (of, context, use) =>
  await atSource(of, context, async (source) => {
    await assertEpoch(source.store, of.system, source.epoch, { signal: context.signal });
    return await use(source);
  });
