import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { minutes } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { readMongodConfig } from '../../../provision/mongod-config.ts';
import { findTool } from '../../../tool/find-tool.ts';
import { freePort } from '../../../tool/free-port.ts';
import { startServer, stopByPidFile } from '../../../tool/start-server.ts';

/**
 * Starts the stopped old primary's data directory as a standalone on loopback, for as long as `use` reads its log, and stops it
 * again. As a standalone it replays nothing, takes no part in its replica set, and cuts nothing off its log; TTL is off.
 * Two at a time cannot be: the data directory's own lock refuses the second.
 *
 * @throws SourceUnavailable - there is no data here; TargetUnavailable - it does not start: the tail of its log is in the message.
 */
export async function withDataDirectory<T>(context: SourceContext, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const fence = context.system.fence[context.sourceName];
  if (fence?.uses !== 'local') throw new HoldfastError('SourceUnavailable', `the old primary's log cannot be read: fence.${context.sourceName} names no directory of it`);
  const directory = context.address(fence.directory);
  const config = (await readMongodConfig(join(directory, 'mongod.conf.before-fence'))) ?? (await readMongodConfig(join(directory, 'mongod.conf')));
  const dbPath = config?.storage?.dbPath ?? join(directory, 'data');
  if (!existsSync(join(dbPath, 'WiredTiger'))) {
    throw new HoldfastError('SourceUnavailable', `the old primary's log cannot be read: it does not answer, and ${dbPath} holds no data`, {
      hint: 'keep its disk: its log can be read once the disk is reachable from a worker',
    });
  }
  const place = mkdtempSync(join(tmpdir(), 'holdfast-old-log-'));
  const port = await freePort();
  const pidFile = join(place, 'server.pid');
  try {
    await startServer({
      name: `old primary's log on 127.0.0.1:${port}`,
      program: findTool('mongod'),
      args: [
        ...['--dbpath', dbPath, '--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket', '--wiredTigerCacheSizeGB', '0.25'],
        ...['--setParameter', 'ttlMonitorEnabled=false', '--setParameter', 'diagnosticDataCollectionEnabled=false'],
      ],
      logFile: join(place, 'mongod.log'),
      pidFile,
      readyWithinMs: minutes(5),
      signal: context.signal,
      tiedToUs: true,
      ready: async () => await withClient(port, async (client) => (await client.db('admin').command({ hello: 1 })).ok === 1),
    });
    return await withClient(port, use);
  } finally {
    await stopByPidFile(pidFile, 'SIGTERM', minutes(1));
    rmSync(place, { recursive: true, force: true });
  }
}

async function withClient<T>(port: number, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { appName: 'holdfast', serverSelectionTimeoutMS: 5_000 });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
