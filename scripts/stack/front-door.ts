import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, type ServerProcess } from '../../activities/tool/start-server.ts';
import { admissionConfig, frontDoorConfig } from '../../activities/traffic/nginx-config.ts';
import { directoryOf, pidFileOf, type StackFile } from './stack-file.ts';

/** nginx at the public address, at first with everybody let in to production. A switch rewrites admission.conf. Safe to repeat. */
export async function startFrontDoor(stack: StackFile, options: { tiedToUs?: boolean } = {}): Promise<ServerProcess> {
  const directory = directoryOf(stack, 'frontDoor');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'nginx.conf'), frontDoorConfig(`127.0.0.1:${stack.frontDoor.port}`));
  const admission = join(directory, 'admission.conf');
  if (!existsSync(admission)) {
    const state = { environment: 'production', percent: 100, changedAt: new Date().toISOString() };
    writeFileSync(admission, admissionConfig(state, `127.0.0.1:${stack.apps.production.port}`));
  }
  // As root, nginx's workers become `nobody`, who may not reach this directory.
  const group = process.platform === 'linux' ? 'root' : 'wheel';
  const user = process.getuid?.() === 0 ? ` user root ${group};` : '';
  return await startServer({
    name: 'front door',
    program: findTool('nginx'),
    args: ['-p', directory, '-c', join(directory, 'nginx.conf'), '-g', `daemon off;${user}`],
    cwd: directory,
    logFile: join(directory, 'nginx.log'),
    pidFile: pidFileOf(stack, 'frontDoor'),
    tiedToUs: options.tiedToUs ?? false,
    // Any answer will do: the application behind it may not be up.
    ready: async () => (await fetch(`${stack.frontDoor.url}/health`)).headers.has('x-holdfast-admission'),
  });
}
