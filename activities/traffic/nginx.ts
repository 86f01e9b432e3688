import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { TrafficState } from '../../workflows/contract.ts';
import { replaceFile } from '../replace-file.ts';
import { runTool } from '../tool/run-tool.ts';
import { admissionConfig, admissionId, parseAdmission } from './nginx-config.ts';
import type { SwitchContext, TrafficSwitch } from './switch.ts';
import { ask, watchHealth } from './watch-health.ts';

const seenWithinMs = 10_000;
/** Where the system does not say what an old worker process does (not Linux), it may still take a connection for a moment after new ones have answered. */
const answersOnEnd = 5;
/** How nginx names a worker process that takes no further connection, and has closed those that wait for a request. */
const leaving = 'worker process is shutting down';

const directoryOf = ({ system, address }: SwitchContext): string => address(system.traffic.directory);
const admissionFile = (context: SwitchContext): string => join(directoryOf(context), 'admission.conf');

export const nginxSwitch: TrafficSwitch = {
  async admit(context, environment, percent) {
    const upstream = upstreamOf(context, environment);
    const before = await readState(context);
    const isSame = before?.environment === environment && before.percent === percent;
    const state = { environment, percent, changedAt: isSame ? before.changedAt : new Date().toISOString() };
    await replaceAdmission(context, admissionConfig(state, upstream));
    const workers = await findWorkers(context);
    await nginx(context, ['-s', 'reload']);
    await waitUntilLeft(context, workers);
    await waitUntilSeen(context, state);
    return state;
  },

  async read(context) {
    const state = await readState(context);
    return state ?? { environment: null, percent: 0, changedAt: new Date(0).toISOString() };
  },

  watchHealth,
};

function upstreamOf({ system, address }: SwitchContext, environment: string): string {
  const upstream = system.traffic.sides[environment];
  if (upstream !== undefined) return address(upstream);
  throw new HoldfastError('BadInput', `traffic has no side "${environment}"; known: ${Object.keys(system.traffic.sides).join(', ')}`);
}

async function readState(context: SwitchContext): Promise<TrafficState | undefined> {
  return parseAdmission(await readFile(admissionFile(context), 'utf8').catch(() => ''));
}

/** In place whole, and only when nginx takes it: a broken file would keep nginx from starting the next time. */
async function replaceAdmission(context: SwitchContext, text: string): Promise<void> {
  const file = admissionFile(context);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  await mkdir(directoryOf(context), { recursive: true });
  await replaceFile(file, text);
  try {
    await nginx(context, ['-t', '-q']);
  } catch (error) {
    if (before === undefined) await rm(file);
    else await replaceFile(file, before);
    throw error;
  }
}

async function nginx(context: SwitchContext, args: string[]): Promise<void> {
  const directory = directoryOf(context);
  await runTool('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf'), ...args], { signal: context.signal, timeoutMs: 20_000 });
}

/** The worker processes of the running nginx; none where the system does not tell. */
async function findWorkers(context: SwitchContext): Promise<string[]> {
  const master = (await readFile(join(directoryOf(context), 'nginx.pid'), 'utf8').catch(() => '')).trim();
  if (!/^\d+$/.test(master)) return [];
  const children = await readFile(`/proc/${master}/task/${master}/children`, 'utf8').catch(() => '');
  return children.split(' ').filter(Boolean);
}

/**
 * Until no worker process of the former configuration takes a request: while one does, it sends people by the former
 * state, and at the public address it may be the other one that answers.
 */
async function waitUntilLeft(context: SwitchContext, workers: string[]): Promise<void> {
  const endsAt = performance.now() + seenWithinMs;
  for (const pid of workers) {
    while (await takesRequests(pid)) {
      if (performance.now() > endsAt) {
        throw new HoldfastError('TargetUnavailable', `nginx was told to reload, and its worker process ${pid} still goes by the former configuration`, {
          hint: `look at error.log in ${directoryOf(context)}`,
        });
      }
      await sleep(20, undefined, { signal: context.signal });
    }
  }
}

/** A process that is gone has no title. */
async function takesRequests(pid: string): Promise<boolean> {
  const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return title.includes('worker process') && !title.includes(leaving);
}

/**
 * Asks at the public address until only the new state answers, and (unless nobody is let in) a let-in request was
 * answered by the asked side itself.
 */
async function waitUntilSeen(context: SwitchContext, state: TrafficState): Promise<void> {
  const { url, health } = context.system.traffic;
  const at = new URL(health.path, context.address(url)).href;
  const endsAt = performance.now() + seenWithinMs;
  let onEnd = 0;
  let wasLetIn = state.percent === 0;
  let last = 'no answer';
  while (onEnd < answersOnEnd || !wasLetIn) {
    if (performance.now() > endsAt) {
      throw new HoldfastError('TargetUnavailable', `${state.percent} % of requests should reach ${state.environment} by now; last seen: ${last}`, {
        hint: `ask ${health.path} of the ${state.environment} application itself, and look at error.log of nginx`,
      });
    }
    const answer = await ask(at, context.signal);
    last = answer.seen;
    const isNew = answer.admission === admissionId(state);
    const isLetIn = isNew && answer.status === 200 && answer.side === state.environment;
    const isTurnedAway = isNew && answer.status === 503 && state.percent < 100 && answer.side === null;
    onEnd = isLetIn || isTurnedAway ? onEnd + 1 : 0;
    wasLetIn ||= isLetIn;
    context.progress({ phase: `admit ${state.percent} %`, done: onEnd, of: answersOnEnd, unit: 'answers', last });
    if (!isLetIn && !isTurnedAway) await sleep(50, undefined, { signal: context.signal });
  }
}
