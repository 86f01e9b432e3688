import type { Worker } from '@temporalio/worker';
import { openSystem } from '../../activities/open-context.ts';
import { programsOfRole } from '../../activities/plan/check-access.ts';
import { scrub } from '../../activities/secrets.ts';
import { listSystems } from '../../activities/system-files.ts';
import { findProgram } from '../../activities/tool/find-tool.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { describeError } from '../../workflows/domain/errors.ts';
import type { WorkerConnection } from '../connection.ts';
import type { Role } from '../environment.ts';
import type { QueuePlan } from '../run-workers.ts';

/** Whether a role of this process can do its work now. */
export interface RoleState {
  role: Role;
  ready: boolean;
  /** a line each; empty: it is ready */
  why: string[];
}

export interface RolesOf {
  temporal: Pick<WorkerConnection, 'connection' | 'namespace'>;
  plans: readonly QueuePlan[];
  workers: readonly Pick<Worker, 'getState'>[];
  /** as the workers poll: `<identity>/<task queue>` */
  identity: string;
}

/** One that is well and idle polls once a minute. */
const polledWithinMs = 90_000;
const answersWithinMs = 5_000;

/** Looks anew at each call: pollers by what Temporal itself says, stores and programs by trying them. Never throws. */
export async function readRoles({ temporal, plans, workers, identity }: RolesOf): Promise<RoleState[]> {
  const systems = await readSystems();
  const stores = await lookAtStores(systems);
  const whys = new Map<Role, string[]>();
  await Promise.all(plans.map(async ({ role, taskQueue }, index) => {
    const why = whys.get(role) ?? [];
    whys.set(role, why);
    const state = workers[index]?.getState() ?? 'not started';
    if (state !== 'RUNNING') why.push(`its worker of ${taskQueue} is ${state.toLowerCase()}`);
    else why.push(...(await lookAtPolls(temporal, taskQueue, `${identity}/${taskQueue}`, role)));
  }));
  return [...whys].map(([role, why]) => {
    const all = [...why, ...stores, ...missingPrograms(systems, role)];
    return { role, ready: all.length === 0, why: all };
  });
}

type Opened = { name: string; context: Awaited<ReturnType<typeof openSystem>> };

/** A file that cannot be read is that system's matter, and said by its metrics: it does not make a worker unready for the others. */
async function readSystems(): Promise<Opened[]> {
  const opened: Opened[] = [];
  for (const name of await listSystems()) {
    const context = await openSystem(name).catch(() => undefined);
    if (context) opened.push({ name, context });
  }
  return opened;
}

async function lookAtPolls({ connection, namespace }: RolesOf['temporal'], taskQueue: string, identity: string, role: Role): Promise<string[]> {
  // Workflows of the control role are polled for apart from its activities.
  const kinds = role === 'control' ? ([1, 2] as const) : ([2] as const);
  try {
    const found = await Promise.all(kinds.map(async (taskQueueType) => await connection.withDeadline(Date.now() + answersWithinMs, async () => await connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue }, taskQueueType }))));
    const polls = found.every(({ pollers }) => (pollers ?? []).some((poller) => poller.identity === identity && Date.now() - Number(poller.lastAccessTime?.seconds ?? 0) * 1_000 < polledWithinMs));
    return polls ? [] : [`Temporal has not heard of it on ${taskQueue} for ${polledWithinMs / 1_000} s`];
  } catch (error) {
    return [`Temporal does not answer: ${scrub((error as Error).message.split('\n')[0]!)}`];
  }
}

/** Each store once, however many systems lie in it. */
async function lookAtStores(systems: readonly Opened[]): Promise<string[]> {
  const looked = new Map<string, Promise<string[]>>();
  for (const { name, context } of systems) {
    const { budget: _, ...place } = context.loaded.system.stores[0]!;
    const key = JSON.stringify(place);
    if (!looked.has(key)) looked.set(key, lookAtStore(name, context));
  }
  return (await Promise.all(looked.values())).flat();
}

async function lookAtStore(system: string, { store }: Opened['context']): Promise<string[]> {
  try {
    for await (const _ of store.list(layout.epochs(system), { signal: AbortSignal.timeout(answersWithinMs) })) break;
    return [];
  } catch (error) {
    return [`store ${store.name} of ${system} does not answer: ${scrub((error as Error).message.split('\n')[0]!)}`];
  }
}

function missingPrograms(systems: readonly Opened[], role: Role): string[] {
  const programs = new Set(systems.flatMap(({ context }) => programsOfRole(context.loaded.system, role)));
  return [...programs].flatMap((program) => {
    try {
      findProgram(program);
      return [];
    } catch (error) {
      return [describeError(error).message];
    }
  });
}
