import assert from 'node:assert/strict';
import { pidFileOf } from '../../../scripts/stack/stack-file.ts';
import { startObjectStoreServer } from '../../../scripts/stack/object-store.ts';
import { directoryOf } from '../../../scripts/stack/stack-file.ts';
import { readSecret } from '../../../scripts/stack/stack-secrets.ts';
import { startTemporal } from '../../../scripts/stack/temporal.ts';
import { stopByPidFile } from '../../../activities/tool/start-server.ts';
import { startTimeOf } from '../../../activities/tool/process-group.ts';
import { pidOf, type Bench } from '../bench.ts';
import { saidBy, sees, short, type Middle, type Strike } from '../cell.ts';
import { readsNoTemporal } from '../read-status.ts';
import { until } from '../../harness/until.ts';
import { goOn } from '../phases/go-on.ts';

/** The side that is let in is asked by its health address: its application answers, without a database. */
const away = /SourceUnavailable|TargetUnavailable|ValidationFailed: dr was not healthy/;
const storeAway = /StoreUnavailable|waiting for the store/;
const givenUp = /[Hh]eartbeat timeout/;

/** As a lost machine; another one takes its place. Its data planes die with it. */
export const killWorker: Strike = async (bench, middle) => {
  await bench.stack.killWorker();
  middle.release();
  await bench.startWorker();
  middle.logIsThere = true;
  return { seen: await sees(bench, middle, givenUp, { healed: true }) };
};

/** It hangs until the server has given it up, and then wakes. */
export const stopWorker: Strike = async (bench, middle) => {
  const pid = pidOf(pidFileOf(bench.stack.file, 'worker'));
  process.kill(pid, 'SIGSTOP');
  if (middle.holdsBriefly) middle.release();
  middle.logIsThere = true;
  // What an archive says is in its heartbeat, which Temporal keeps.
  const status = middle.activity === 'archiveLog' ? undefined : new RegExp(`no worker answered for ${middle.workflowId}`);
  const seen = await sees(bench, middle, givenUp, { ...(status ? { status } : {}) }).finally(() => process.kill(pid, 'SIGCONT'));
  middle.release();
  return { seen };
};

export const killDataPlane: Strike = async (bench, middle) => {
  process.kill(middle.dataPlane!, 'SIGKILL');
  middle.release();
  return { seen: await sees(bench, middle, /DataPlaneLost.*(SIGKILL|killed)/, { healed: true }) };
};

/** Nobody wakes it: it is taken for hung, and killed. */
export const stopDataPlane: Strike = async (bench, middle) => {
  process.kill(middle.dataPlane!, 'SIGSTOP');
  // It cannot take the answer; the try after it must not be held.
  middle.release();
  const seen = await sees(bench, middle, /DataPlaneLost.*said nothing/, { healed: true });
  await until('the hung process is gone', () => startTimeOf(middle.dataPlane!) === undefined);
  return { seen };
};

export const killMongod: Strike = async (bench, middle) => {
  await stopByPidFile(middle.mongod.pidFile, 'SIGKILL');
  middle.release();
  const seen = await sees(bench, middle, away, { orEnds: true }).finally(async () => await middle.mongod.start());
  return { seen };
};

export const stopMongod: Strike = async (bench, middle) => {
  const pid = pidOf(middle.mongod.pidFile);
  process.kill(pid, 'SIGSTOP');
  if (!middle.heldByMongod) middle.release();
  const seen = await sees(bench, middle, away, { orEnds: true }).finally(() => goOn(pid));
  middle.release();
  return { seen };
};

export const killStore: Strike = async (bench, middle) => {
  await stopByPidFile(pidFileOf(bench.stack.file, 'objectStore'), 'SIGKILL');
  middle.release();
  const seen = await sees(bench, middle, storeAway).finally(async () => await startStore(bench));
  return { seen };
};

async function startStore({ stack: { file } }: Bench): Promise<void> {
  const identity = { accessKeyId: readSecret(file, 's3-access-key-id'), secretAccessKey: readSecret(file, 's3-secret-access-key') };
  await startObjectStoreServer(directoryOf(file, 'objectStore'), file.objectStore.ports, identity, { tiedToUs: true });
}

export async function restartStore(bench: Bench): Promise<void> {
  await stopByPidFile(pidFileOf(bench.stack.file, 'objectStore'));
  await startStore(bench);
}

export const stopStore: Strike = async (bench, middle) => {
  const pid = pidOf(pidFileOf(bench.stack.file, 'objectStore'));
  process.kill(pid, 'SIGSTOP');
  middle.release();
  const seen = await sees(bench, middle, storeAway).finally(() => process.kill(pid, 'SIGCONT'));
  return { seen };
};

/** Whoever asks is told that Temporal is not there. */
async function temporalIsAway(bench: Bench, middle: Middle): Promise<string> {
  const seen = await until('a person is told that Temporal does not answer', async () => {
    try {
      await bench.stack.client.withDeadline(Date.now() + 2_000, async () => await bench.stack.handle(middle.workflowId).describe());
      return undefined;
    } catch (error) {
      return `Temporal does not answer: ${short(((error as Error).cause as Error | undefined)?.message ?? (error as Error).message)}`;
    }
  }, 30_000);
  await readsNoTemporal(bench, middle);
  return seen;
}

export const killTemporal: Strike = async (bench, middle) => {
  await stopByPidFile(pidFileOf(bench.stack.file, 'temporal'), 'SIGKILL');
  middle.release();
  const seen = await temporalIsAway(bench, middle).finally(async () => await startTemporal(bench.stack.file, { tiedToUs: true }));
  await until('Temporal answers again', async () => await saidBy(bench.stack.handle(middle.workflowId)));
  return { seen };
};

export const stopTemporal: Strike = async (bench, middle) => {
  const pid = pidOf(pidFileOf(bench.stack.file, 'temporal'));
  process.kill(pid, 'SIGSTOP');
  middle.release();
  const seen = await temporalIsAway(bench, middle).finally(() => process.kill(pid, 'SIGCONT'));
  assert.match(seen, /does not answer/);
  await until('Temporal answers again', async () => await saidBy(bench.stack.handle(middle.workflowId)));
  return { seen };
};
