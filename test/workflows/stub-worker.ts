import { flushCompileCache } from 'node:module';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Context } from '@temporalio/activity';
import { NativeConnection, Worker } from '@temporalio/worker';
import { loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { openLog } from '../../workers/log.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import '../harness/quiet-runtime.ts';
import { stubActivities, type Stubs } from './stub-activities.ts';
import { takenBack } from './taken-back.ts';

/**
 * A worker process with stubs of the contract, to be killed: `node stub-worker.ts <address>`. It says `"loaded"`, works once it is given its orders (a line of
 * JSON), and then says each call that it holds or has done. A call that is held heartbeats, and never ends.
 */
export interface Orders {
  /** which shipped system each system of the test is */
  systems: Record<string, string>;
  /** systems that are changed as taken-back.ts does */
  takenBack: readonly string[];
  /** the calls that are held, by system */
  holds: Record<string, readonly string[]>;
  /** systems whose recovery fails, and where */
  broken: Record<string, Broken>;
}

/** Where it can last be undone: when the switch first touches traffic, or before, where it moves none to another side; or a command, each time. */
export type Broken = 'switch' | 'promotion' | { command: string };

export interface Said {
  system: string;
  /** the activity, and what tells its calls apart that are of different steps */
  call: string;
  /** the order in the history that it serves: one whose answer came too late is served again, and that is no second order */
  order: string;
  is: 'held' | 'done' | 'failed';
}

const callOf = (name: string, input: Record<string, unknown>): string =>
  [name, ...[...(name === 'admitTraffic' ? ['environment'] : []), 'source', 'percent', 'validator', 'receiver', 'act', 'command', 'version'].flatMap((field) => (input[field] === undefined ? [] : [String(input[field])])), ...(input['undo'] === true ? ['undo'] : [])].join(' ');

let orders: Orders = { systems: {}, takenBack: [], holds: {}, broken: {} };
const say = (said: Said | 'loaded'): void => void process.stdout.write(`${JSON.stringify(said)}\n`);
const worlds = new Map<string, Stubs>();

function worldOf(system: string): Stubs {
  const known = worlds.get(system);
  if (known) return known;
  const stubs = stubActivities({
    loadSystem: async () => {
      const { system: file, digest } = await loadSystemFile(orders.systems[system]!);
      const view = { ...toSystemView(file, digest), system };
      return orders.takenBack.includes(system) ? takenBack(view) : view;
    },
  });
  const where = orders.broken[system];
  if (where) breakEnd(stubs.answers, where);
  worlds.set(system, stubs);
  return stubs;
}

/** A command; or what comes last of a recovery that can still be undone: the switch before it lets anybody in, a promotion, a look at the application behind a swap, or the report of what does neither. */
function breakEnd(answers: Stubs['answers'], where: Broken): void {
  const { writeReport, admitTraffic, runCommand } = answers;
  if (typeof where === 'object') {
    answers.runCommand = (input) => (input.command === where.command ? Promise.reject(new HoldfastError('ValidationFailed', 'not well')) : runCommand(input));
    return;
  }
  if (where === 'switch') {
    answers.admitTraffic = async (input) => (input.percent === 0 ? await Promise.reject(new HoldfastError('ValidationFailed', 'no switch')) : await admitTraffic(input));
    return;
  }
  answers.runCommand = (input) => (input.command.startsWith('check-') ? Promise.reject(new HoldfastError('ToolFailed', 'not well')) : runCommand(input));
  answers.promoteTarget = () => Promise.reject(new HoldfastError('ValidationFailed', 'no primary'));
  answers.writeReport = ({ report }) => (report.outcome !== 'aborted' && !report.state.steps.some(({ uses }) => uses === 'promote') ? Promise.reject(new HoldfastError('ValidationFailed', 'no report')) : writeReport({ report }));
}

async function work(name: string, input: Record<string, unknown>): Promise<unknown> {
  const context = Context.current();
  // All our locks are called <kind>/<system>, as are the entries of the test.
  const { workflowId, runId } = context.info.workflowExecution!;
  const system = workflowId.split('/')[1]!;
  const order = `${runId}/${context.info.activityId}`;
  const call = callOf(name, input);
  const beat = setInterval(() => context.heartbeat(), 500);
  try {
    if (orders.holds[system]?.includes(call)) {
      say({ system, call, order, is: 'held' });
      return await new Promise(() => undefined);
    }
    const answer = await worldOf(system).activities[name]!(input);
    say({ system, call, order, is: 'done' });
    return answer;
  } catch (error) {
    say({ system, call, order, is: 'failed' });
    throw error;
  } finally {
    clearInterval(beat);
  }
}

const activities = Object.fromEntries(Object.keys(stubActivities({}).activities).map((name) => [name, (input: Record<string, unknown>) => work(name, input)]));
// Of what is loaded by now: it will be killed, and whoever is keeps nothing.
flushCompileCache();
// The SDK takes a stack trace for every promise of a workflow, for a question that nobody asks here: a third of a replay. Not as an argument of node: what is compiled is kept by those.
setFlagsFromString('--stack-trace-limit=0');
// What was cached by a worker that died is asked for there first, for as long as the sticky queue's time-out.
const common = { connection: await NativeConnection.connect({ address: process.argv[2]! }), activities, maxHeartbeatThrottleInterval: '500ms', maxConcurrentActivityTaskExecutions: 1_000, stickyQueueScheduleToStartTimeout: '500ms' } as const;
const workflowBundle = await bundleWorkflows(openLog('error'), {}, undefined, [join(import.meta.dirname, 'quick-heartbeats.ts')]);
const workers = await Promise.all([
  Worker.create({ ...common, taskQueue: taskQueues.control, workflowBundle }),
  ...[taskQueues.data, taskQueues.archive, taskQueues.recover].map((queue) => Worker.create({ ...common, taskQueue: queue('main') })),
]);
say('loaded');
// However the test ended: nothing of it stays.
process.stdin.once('close', () => process.exit(1));
const { value: line } = await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
orders = JSON.parse(line as string) as Orders;
await Promise.all(workers.map((worker) => worker.run()));
