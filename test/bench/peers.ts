import { join } from 'node:path';
import { locateTool } from '../../activities/tool/find-tool.ts';
import { startTool } from '../../activities/tool/run-tool.ts';
import type { Account } from '../../activities/tool/server-account.ts';
import type { Mongod } from '../harness/mongod.ts';
import { timed } from './ours.ts';
import type { Taken } from './race.ts';
import { bucket } from './world.ts';

/** What a peer's times are called when its program is not there: then ours stand alone. */
export const missing = (program: string): string => `${program} is not on PATH: ours alone`;

export const dumpTool = (): string | undefined => locateTool('mongodump')?.path;
export const restoreTool = (): string | undefined => locateTool('mongorestore')?.path;

const uriOf = (server: Mongod): string => `mongodb://127.0.0.1:${server.port}/?directConnection=true`;

/** Runs a program to its end, timed from its start. @param background - below everything else of its machine, as our data plane runs a backup (`lowerPriority`). */
export async function run(path: string, args: readonly string[], env: Record<string, string> = {}, account?: Account, { background = false }: { background?: boolean } = {}): Promise<Taken> {
  const [program, given] = background ? ['/bin/sh', ['-c', '{ echo 5 > /proc/self/autogroup; } 2>/dev/null; exec nice -n 10 "$0" "$@"', path, ...args]] : [path, args];
  return await timed(async (memory) => {
    const tool = startTool({ path: program }, given, { input: '', collectStdout: true, env, account });
    memory.add(tool.pid);
    await tool.done;
  });
}

/** As people do it: one stream, gzipped by mongodump, encrypted by openssl, uploaded as it comes. */
export async function dumpToStore(source: Mongod, key: string): Promise<Taken> {
  return await runPipeline('"$1" --uri="$2" --archive --gzip --quiet | openssl enc -aes-256-ctr -pbkdf2 -pass env:BENCH_KEY | "$3" "$4" "$5" "$6"', [
    dumpTool()!, uriOf(source), process.execPath, join(import.meta.dirname, 'upload-stdin.ts'), bucket, key,
  ]);
}

/** The way back of `dumpToStore`: downloaded, decrypted and unpacked as it comes. */
export async function restoreFromStore(target: Mongod, key: string, args: readonly string[]): Promise<Taken> {
  return await runPipeline('"$1" "$2" "$3" "$4" | openssl enc -d -aes-256-ctr -pbkdf2 -pass env:BENCH_KEY | "$5" --uri="$6" --archive --gzip --quiet "${@:7}"', [
    process.execPath, join(import.meta.dirname, 'download-stdout.ts'), bucket, key, restoreTool()!, uriOf(target), ...args,
  ]);
}

/** A pipeline of bash, in which "$1" and the following are the arguments. */
export async function runPipeline(pipeline: string, args: readonly string[], env: Record<string, string> = {}): Promise<Taken> {
  return await run('/bin/bash', ['-c', `set -o pipefail; ${pipeline}`, 'bash', ...args], {
    NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/holdfast'),
    ...env,
  });
}

/** A plain folder on this machine: the form that mongorestore is fastest from. */
export async function dumpToFolder(source: Mongod, folder: string): Promise<void> {
  await run(dumpTool()!, [`--uri=${uriOf(source)}`, `--out=${folder}`, '--quiet']);
}

/** Arguments that people tune it with. */
export const tuned = ['--numParallelCollections=4', '--numInsertionWorkersPerCollection=4', '--writeConcern={w:1,j:false}'];

export async function restoreFolder(target: Mongod, folder: string, args: readonly string[]): Promise<Taken> {
  return await run(restoreTool()!, [`--uri=${uriOf(target)}`, '--quiet', ...args, folder]);
}
