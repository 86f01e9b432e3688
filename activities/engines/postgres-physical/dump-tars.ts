import { existsSync, linkSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import type { Part } from '../../../workflows/domain/manifest.ts';
import { findProgram } from '../../tool/find-tool.ts';
import { makePrivateDirectory } from '../../tool/private-files.ts';
import { runTool } from '../../tool/run-tool.ts';
import type { RunningStream } from '../../tool/start-stream.ts';
import type { ProgramContext, ProgramSpec } from '../tool/program-spec.ts';
import { runProgram } from '../tool/run-program.ts';

/** One tar that pg_basebackup writes, and what takes it. */
export interface Tar {
  /** its name, as the program calls it */
  file: string;
  /** @param reader - the program that reads it. */
  store(context: ProgramContext, reader: ProgramSpec): Promise<Part[]>;
}

/**
 * Runs pg_basebackup of a server that has tablespaces of its own: one tar of each, and one of the data directory. To its standard output it writes one tar only, so it writes files, and the files are named pipes:
 * nothing of the data touches a disk. They have to lie in its directory once it has seen that this is empty, and before it opens the first. So what the server says passes through us, and none
 * of it passes before they lie there: the program makes the directory before it asks its next question.
 *
 * The directory is private (0700), with the pipes and the server's list of files. Killed at any line: as any program that we run (`start-stream.ts`), and the next sweep of private directories takes the rest.
 *
 * @returns the parts of each tar, in their order, and the server's list of files.
 */
export async function dumpTars(context: ProgramContext, at: { host: string; port: number }, spec: ProgramSpec, tars: readonly Tar[]): Promise<{ parts: Part[][]; list: Buffer; exitedAt: string }> {
  const room = await makePrivateDirectory({});
  const [pipes, out] = [join(room.path, 'pipes'), join(room.path, 'out')];
  let laid = false;
  const lay = (): void => {
    if (laid || !existsSync(out)) return;
    for (const { file } of tars) linkSync(join(pipes, file), join(out, file));
    laid = true;
  };
  const relay = await openRelay(at, lay);
  try {
    await mkdir(pipes, { mode: 0o700 });
    await runTool({ path: findProgram('mkfifo') }, ['-m', '600', ...tars.map(({ file }) => join(pipes, file))], { signal: context.signal });
    // What it wrote it would have written to the disk, and pipes cannot be.
    const own = { ...spec, args: [...spec.args, `--pgdata=${out}`, '--no-sync'], env: { ...spec.env, PGHOSTADDR: '127.0.0.1', PGPORT: String(relay.port) } };
    const { parts, exitedAt } = await runProgram(context, own, async (running) => ({ parts: await readPipes(context, running, tars, pipes), exitedAt: running.exitedAt }));
    return { parts, list: await readFile(join(out, 'backup_manifest')), exitedAt: await exitedAt };
  } finally {
    relay.close();
    await room.remove();
  }
}

/** A program each that reads: opening a pipe waits until somebody writes. Where the writer fails, so do they. */
async function readPipes(context: ProgramContext, writer: RunningStream, tars: readonly Tar[], pipes: string): Promise<Part[][]> {
  writer.stdin.end();
  writer.stdout.resume();
  const over = new AbortController();
  const failed = writer.done.then(() => undefined, (error: unknown) => over.abort(error));
  const reading = tars.map(async ({ file, store }) => {
    const spec: ProgramSpec = { name: 'cat', path: findProgram('cat'), args: [join(pipes, file)], env: {}, secrets: {}, files: {} };
    try {
      return await store({ ...context, signal: AbortSignal.any([context.signal, over.signal]) }, spec);
    } catch (error) {
      over.abort(error);
      throw error;
    }
  });
  const ended = await Promise.allSettled(reading);
  const bad = ended.find((one) => one.status === 'rejected');
  // Its own words are the reason, and not that its readers were ended for it.
  if (bad) await Promise.race([writer.kill().then(() => failed), failed]);
  context.signal.throwIfAborted();
  if (over.signal.aborted) throw over.signal.reason;
  return ended.map((one) => (one as PromiseFulfilledResult<Part[]>).value);
}

/** A port of this machine that leads to the server, byte for byte, so TLS is between the program and the server. @param before - is called before anything that the server says passes. */
async function openRelay({ host, port }: { host: string; port: number }, before: () => void): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ host, port });
    for (const socket of [client, upstream]) {
      sockets.add(socket.on('error', () => undefined).on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      }));
    }
    client.pipe(upstream);
    upstream.pipe(new Transform({ transform: (chunk: Buffer, _encoding, done) => {
      try {
        before();
        done(null, chunk);
      } catch (error) {
        done(error as Error);
        client.destroy();
      }
    } })).on('error', () => undefined).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
