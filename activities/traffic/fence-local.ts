import type { MongoClient } from 'mongodb';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { FenceResult } from '../../workflows/contract.ts';
import { withoutArguments } from '../engines/mongodb/connect.ts';
import { endServer, fenceConfig, findServer, readMark, unfenceConfig, writeMark, type FenceMark } from './fenced-directory.ts';
import { closesWithinMs, knock, knockUntilClosed } from '../tool/knock.ts';
import { isThisMachine } from '../tool/this-machine.ts';
import type { FenceContext, FenceMethod } from './fence.ts';
import { askOldPrimary, namedMembers, oldAddress, stepDown, stepDownForSeconds, tryWrite, withOldPrimary } from './old-primary.ts';

function directoryOf({ system, sourceName, address }: FenceContext): string {
  const settings = system.fence[sourceName];
  if (settings?.uses !== 'local') throw new HoldfastError('BadSystemFile', `fence.${sourceName}: expected "local"`);
  return address(settings.directory);
}
const isTheirs = (mark: FenceMark | undefined, run: string): boolean => mark !== undefined && mark.run !== run;

/**
 * Fences a mongod on this machine, known by its directory. It is asked to step down when it answers, so that its log can
 * still be drained; it is killed when it does not; and its configuration is changed first of all, so that whatever starts
 * it again starts something that no client reaches.
 */
export const localFence: FenceMethod = {
  async fence(context, run) {
    // Before the mark: an address that cannot be fenced leaves nothing behind.
    oldAddress(context);
    const directory = directoryOf(context);
    const before = await readMark(directory);
    const mark = before ?? { run, fencedAt: new Date().toISOString(), steppedDown: false };
    const evidence = isTheirs(before, run) ? [`run ${mark.run} fenced it before, at ${mark.fencedAt}`] : [];
    // Marked first: an undo must know of a fence whose process died at the next line.
    await writeMark(directory, mark);
    if (await fenceConfig(directory, mark)) evidence.push('its configuration opens no network port from the next start on');
    const { hello } = await askOldPrimary(context);
    context.signal.throwIfAborted();
    if (hello?.setName) {
      try {
        return await fenceAnswering(context, { directory, run, mark, evidence, members: hello.votingMembers, isPrimary: hello.isWritablePrimary });
      } catch (error) {
        context.signal.throwIfAborted();
        if ((await askOldPrimary(context)).hello) throw error;
        evidence.push('it stopped answering while it was asked to step down');
        return await fenceSilent(context, directory, { ...mark, members: hello.votingMembers }, evidence);
      }
    }
    evidence.push(hello ? 'it answered as a standalone, which cannot step down' : 'it did not answer');
    return await fenceSilent(context, directory, mark, evidence);
  },

  async retire(context, run) {
    const directory = directoryOf(context);
    const mark = await readMark(directory);
    if (!mark) {
      throw new HoldfastError('FenceFailed', `${directory} is not fenced, so its server is not shut down`, { hint: 'fence it first' });
    }
    if (isTheirs(mark, run)) throw new HoldfastError('FenceFailed', `${directory} was fenced by run ${mark.run}, not by ${run}`);
    await fenceConfig(directory, mark);
    const evidence: string[] = [];
    if (findServer(directory) !== undefined) {
      const refusal = await shutDown(context);
      if (refusal !== undefined) evidence.push(refusal);
      if (!(await endServer(directory, 'SIGTERM'))) {
        throw new HoldfastError('FenceFailed', `the old primary of ${directory} does not stop`, { hint: 'stop it by hand, then retry' });
      }
      evidence.push('it was shut down');
    }
    return await proveOff(context, mark, evidence, evidence.length > 0);
  },

  async unfence(context, run) {
    const directory = directoryOf(context);
    const mark = await readMark(directory);
    if (!mark) return { summary: 'it is not fenced' };
    if (isTheirs(mark, run)) return { summary: `left alone: run ${mark.run} fenced it` };
    await unfenceConfig(directory);
    const { hello } = await askOldPrimary(context);
    if (!hello) {
      const pid = findServer(directory);
      const state = pid === undefined ? 'it does not run, and is started by a person' : `its process ${pid} does not answer, as one does not that was started while it was fenced, and is stopped and started again by a person`;
      return { summary: `its configuration is as it was; ${state} (mongod --config ${directory}/mongod.conf)` };
    }
    if (hello.isWritablePrimary) return { summary: 'its configuration is as it was; it is primary' };
    await withOldPrimary(context, async (client) => await client.db('admin').command({ replSetFreeze: 0 }));
    return { summary: 'its configuration is as it was; it may be elected again' };
  },

  async probe(context) {
    const { host, port } = oldAddress(context);
    const where = `${host}:${port}`;
    const heard = await knock(host, port);
    if (heard !== 'open') return { heard, takesWrites: null, seen: heard === 'refused' ? `nothing listens at ${where}` : `${where} does not answer` };
    const { hello } = await askOldPrimary(context);
    if (!hello) return { heard, takesWrites: null, seen: `something listens at ${where} and does not speak` };
    return { heard, takesWrites: hello.isWritablePrimary, seen: `${where} answers, ${hello.isWritablePrimary ? 'and takes writes' : 'and is not primary'}` };
  },
};

interface Answering {
  directory: string;
  run: string;
  mark: FenceMark;
  evidence: string[];
  members: number;
  isPrimary: boolean;
}

/** It answers: step it down, then prove that it refuses a write. Its log stays readable. */
async function fenceAnswering(context: FenceContext, { directory, run, mark, evidence, members, isPrimary }: Answering): Promise<FenceResult> {
  const { host, port } = oldAddress(context);
  if (!mark.steppedDown) await writeMark(directory, { ...mark, steppedDown: true, members });
  const write = await withOldPrimary(context, async (client) => {
    if (isPrimary) await stepDownOrSayWhy(client, `${host}:${port}`);
    // Asked again even when it was a secondary: one that is about to be elected is not fenced.
    else await client.db('admin').command({ replSetFreeze: stepDownForSeconds });
    const written = await tryWrite(context, run);
    // It is gone: what is left to prove is that nobody serves there.
    if (written.outcome === 'unknown' && !(await askOldPrimary(context)).hello) throw new Error(written.said);
    return written;
  }).catch((error: unknown) => {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('FenceFailed', `the old primary at ${host}:${port} answers, and could not be stepped down: ${withoutArguments((error as Error).message)}`, {
      hint: 'give the system file’s user for this endpoint the role holdfastCommand (docs/rights.md), or stop the server by hand, then retry',
    });
  });
  evidence.push(isPrimary ? `it stepped down for ${stepDownForSeconds / 86_400} days` : 'it is a secondary and does not stand for election');
  if (write.outcome === 'taken') {
    throw new HoldfastError('FenceFailed', `the old primary at ${host}:${port} took a write after it had stepped down`, { hint: 'stop it by hand, then retry' });
  }
  evidence.push(write.outcome === 'refused' ? `it refused a write (${write.said})` : `a write was refused, but for another reason (${write.said})`);
  if (members > 1) {
    evidence.push(`its replica set has ${members} members, which may elect another primary that this fence does not reach`);
    return result('unproved', true, mark, evidence);
  }
  return result(write.outcome === 'refused' ? 'proved' : 'isolated', true, mark, evidence);
}

async function stepDownOrSayWhy(client: MongoClient, where: string): Promise<void> {
  try {
    await stepDown(client);
  } catch (error) {
    // Another call, or an election, got there first; the write that follows proves it or does not.
    if ((error as { code?: unknown }).code === 10107) return;
    throw new HoldfastError('FenceFailed', `the old primary at ${where} did not step down: ${withoutArguments((error as Error).message)}`, {
      hint: 'give the system file’s user for this endpoint the role holdfastCommand (docs/rights.md), or stop the server by hand, then retry',
    });
  }
}

/**
 * Asked first, because a server told by a signal waits 15 s for its clients, and these have gone. TERM follows.
 * @returns why it could not be asked, where a right is missing: a signal does without.
 */
async function shutDown(context: FenceContext): Promise<string | undefined> {
  try {
    await withOldPrimary(context, async (client) => await client.db('admin').command({ shutdown: 1, force: true, timeoutSecs: 0 }));
  } catch (error) {
    // It answers by closing the connection.
    if ((error as { code?: unknown }).code === unauthorized) return 'its user may not shut it down (the role holdfastCommand is missing), so a signal did';
  }
  return undefined;
}

const unauthorized = 13;

/** It does not answer: a process that lives could wake up and write, so it is killed; then nothing may listen at its port. */
async function fenceSilent(context: FenceContext, directory: string, mark: FenceMark, evidence: string[]): Promise<FenceResult> {
  const pid = findServer(directory);
  if (pid === undefined) evidence.push('its process is gone');
  else if (await endServer(directory, 'SIGKILL')) evidence.push(`its process ${pid} was killed`);
  else {
    evidence.push(`its process ${pid} lives, and could not be killed`);
    return result('unproved', false, mark, evidence);
  }
  return await proveOff(context, mark, evidence, pid !== undefined);
}

async function proveOff(context: FenceContext, mark: FenceMark, evidence: string[], ended: boolean): Promise<FenceResult> {
  const { host, port } = oldAddress(context);
  const heard = await knockUntilClosed(host, port, ended ? closesWithinMs : 0);
  if (heard === 'open') {
    return result('unproved', false, mark, [...evidence, `something still listens at ${host}:${port}, which does not belong to the fenced directory`]);
  }
  evidence.push(heard === 'refused' ? `nothing listens at ${host}:${port}` : `${host}:${port} does not answer`);
  const unseen = await outOfSight(context, host, ended, mark.members ?? 1);
  if (unseen.length > 0) return result('unproved', false, mark, [...evidence, ...unseen]);
  return result(heard === 'refused' ? 'proved' : 'isolated', false, mark, evidence);
}

/** What this fence cannot see, a sentence each: it looks at one address, and at the processes of its own machine. */
async function outOfSight(context: FenceContext, host: string, ended: boolean, membersItNamed: number): Promise<string[]> {
  const members = Math.max(membersItNamed, namedMembers(context));
  return [
    ...(members > 1 ? [`its replica set has ${members} members; this fence reaches one`] : []),
    ...(ended || (await isThisMachine(host)) ? [] : [`${host} is not this machine, and no process of it is here: only its port was asked`]),
  ];
}

const result = (outcome: FenceResult['outcome'], logReachable: boolean, mark: FenceMark, evidence: string[]): FenceResult => ({
  outcome,
  logReachable,
  evidence,
  fencedAt: mark.fencedAt,
});
