import { Connection } from '@temporalio/client';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, type ServerProcess } from '../../activities/tool/start-server.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import { directoryOf, pidFileOf, type StackFile } from './stack-file.ts';

/** Registered before any workflow runs: setting one that is not wedges the workflow in retries. */
const attributes = Object.values(searchAttributes);

/** Temporal's development server with its UI, keeping its history in a file. Safe to repeat. */
export async function startTemporal(stack: StackFile, options: { tiedToUs?: boolean } = {}): Promise<ServerProcess> {
  const directory = directoryOf(stack, 'temporal');
  mkdirSync(directory, { recursive: true });
  const { port, uiPort, httpPort, metricsPort, address } = stack.temporal;
  return await startServer({
    name: 'Temporal',
    program: findTool('temporal'),
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--ui-ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)],
      ...['--http-port', String(httpPort), '--metrics-port', String(metricsPort), '--ui-disable-news-fetch', '--log-level', 'warn'],
      ...['--db-filename', join(directory, 'temporal.db'), '--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal'],
      ...attributes.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    cwd: directory,
    logFile: join(directory, 'temporal.log'),
    pidFile: pidFileOf(stack, 'temporal'),
    readyWithinMs: 60_000,
    tiedToUs: options.tiedToUs ?? false,
    ready: async () => await withConnection(address, async (connection) => {
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
      return attributes.every((name) => customAttributes?.[name] !== undefined) && (await fetch(stack.temporal.uiUrl)).ok;
    }),
  });
}

async function withConnection<T>(address: string, use: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address, connectTimeout: 2_000 });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}
