import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { parse } from 'yaml';
import type { MongodConfig } from '../../activities/provision/mongod-config.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, type ServerProcess } from '../../activities/tool/start-server.ts';
import { directoryOf, pidFileOf, type StackFile } from './stack-file.ts';

const configFile = (stack: StackFile): string => join(directoryOf(stack, 'standby'), 'mongod.conf');

/** Whether a recovery made the standby the server that serves. One in the middle of a restore is that run's business. */
export function isPromoted(stack: StackFile): boolean {
  try {
    return (parse(readFileSync(configFile(stack), 'utf8')) as MongodConfig).replication !== undefined;
  } catch {
    return false;
  }
}

/** Starts the promoted standby again as it was; returns once it is primary of its set. Safe to repeat. */
export async function startStandby(stack: StackFile, options: { tiedToUs?: boolean } = {}): Promise<ServerProcess> {
  const { port } = stack.standby;
  return await startServer({
    name: `standby on 127.0.0.1:${port}`,
    program: findTool('mongod'),
    args: ['--config', configFile(stack)],
    cwd: directoryOf(stack, 'standby'),
    logFile: join(directoryOf(stack, 'standby'), 'mongod.log'),
    pidFile: pidFileOf(stack, 'standby'),
    readyWithinMs: 120_000,
    tiedToUs: options.tiedToUs ?? false,
    ready: async () => {
      const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 1_000 });
      try {
        return (await client.db('admin').command({ hello: 1 }))['isWritablePrimary'] === true;
      } finally {
        await client.close();
      }
    },
  });
}
