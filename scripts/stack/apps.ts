import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, type ServerProcess } from '../../activities/tool/start-server.ts';
import { demoDatabase, demoReplicaSet, directoryOf, pidFileOf, secretsDirectory, type Side, type StackFile } from './stack-file.ts';

/**
 * The application of one side. It is up before its database is, which on the dr side comes in a recovery. Safe to repeat.
 * @param options - `serving`: returns once it reaches its database.
 */
export async function startApp(stack: StackFile, side: Side, options: { tiedToUs?: boolean; serving?: boolean } = {}): Promise<ServerProcess> {
  const part = `app-${side}` as const;
  const directory = directoryOf(stack, part);
  mkdirSync(directory, { recursive: true });
  const { port } = stack.apps[side];
  const database = side === 'production' ? stack.primary.port : stack.standby.port;
  return await startServer({
    name: `application of ${side}`,
    program: findTool('node'),
    args: [
      ...[fileURLToPath(new URL('app.ts', import.meta.url)), '--side', side, '--port', String(port)],
      ...['--mongod', `127.0.0.1:${database}`, '--replica-set', demoReplicaSet, '--database', demoDatabase],
      ...['--username', 'app', '--password-file', join(secretsDirectory(stack), 'app-password')],
    ],
    cwd: directory,
    logFile: join(directory, 'app.log'),
    pidFile: pidFileOf(stack, part),
    tiedToUs: options.tiedToUs ?? false,
    ready: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/health`);
      return answer.headers.get('x-holdfast-side') === side && (!options.serving || answer.ok);
    },
  });
}
