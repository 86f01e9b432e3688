import { join } from 'node:path';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, type ServerProcess } from '../../activities/tool/start-server.ts';
import { prepareFrontDoor } from './front-door-files.ts';
import { directoryOf, pidFileOf, type StackFile } from './stack-file.ts';

/** nginx at the public address, at first with everybody let in to production. A switch rewrites admission.conf. Safe to repeat. */
export async function startFrontDoor(stack: StackFile, options: { tiedToUs?: boolean } = {}): Promise<ServerProcess> {
  const directory = directoryOf(stack, 'frontDoor');
  const args = prepareFrontDoor(directory, `127.0.0.1:${stack.frontDoor.port}`, 'production', `127.0.0.1:${stack.apps.production.port}`);
  return await startServer({
    name: 'front door',
    program: findTool('nginx'),
    args,
    cwd: directory,
    logFile: join(directory, 'nginx.log'),
    pidFile: pidFileOf(stack, 'frontDoor'),
    tiedToUs: options.tiedToUs ?? false,
    // Any answer will do: the application behind it may not be up.
    ready: async () => (await fetch(`${stack.frontDoor.url}/health`)).headers.has('x-holdfast-admission'),
  });
}
