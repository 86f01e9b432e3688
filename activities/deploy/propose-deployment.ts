import type { PointMoment } from '../../workflows/contract.ts';
import type { FoundDeployment } from '../../workflows/domain/deployment.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import type { ProgramContext } from '../engines/tool/program-spec.ts';
import type { ChainRoom } from '../store/record-chain.ts';
import { listTimelines } from '../store/timelines.ts';
import { openDeployer } from './deployer.ts';
import { findDeployed } from './deployments.ts';

/**
 * Which version ran where the source lived at its recovery point, and what runs now where it is to be deployed. Changes nothing. A program that cannot say
 * what runs now keeps nobody from deploying: that it could not is in the answer.
 */
export async function proposeDeployment(
  context: ProgramContext & ChainRoom,
  { system, point, environment }: { system: string; point: PointMoment; environment: string },
): Promise<FoundDeployment> {
  const servedIn = await servedAt(context, system, point);
  const { then, problems } = await findDeployed(context, { system, environment: servedIn, at: point.reachesAt });
  const { now, unread } = await runsNow(context, system, environment);
  return { environment, at: point.reachesAt, servedIn, then, problems, now, unread };
}

/** Where the source lived on the recovery point's timeline. One that says nothing is of before any recovery: the source was at home. */
async function servedAt(context: ProgramContext & ChainRoom, system: string, { source, timeline }: PointMoment): Promise<string> {
  const timelines = await listTimelines(context.store, context.keys, { system, source }, { signal: context.signal });
  return timelines.find(({ body }) => body.timeline === timeline)?.body.environment ?? context.system.sources[source]!.environment;
}

/** Where the system lives now, by the first of its sources: what a record is of that names no environment. */
export async function livesNow(room: ChainRoom, system: ProgramContext['system']): Promise<string> {
  const [source, { environment }] = Object.entries(system.sources)[0]!;
  const timelines = await listTimelines(room.store, room.keys, { system: system.system, source }, room.signal ? { signal: room.signal } : {});
  return timelines.at(-1)?.body.environment ?? environment;
}

async function runsNow(context: ProgramContext & ChainRoom, system: string, environment: string): Promise<Pick<FoundDeployment, 'now' | 'unread'>> {
  let unread: string | null = null;
  try {
    const version = await (await openDeployer(context))?.current(context, environment);
    if (typeof version === 'string') return { now: { version, read: true }, unread };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof HoldfastError)) throw error;
    unread = describeError(error).message;
  }
  const { then } = await findDeployed(context, { system, environment, at: new Date().toISOString() });
  return { now: then && { version: then.version, read: false }, unread };
}
