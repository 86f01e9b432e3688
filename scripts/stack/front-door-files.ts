import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { admissionConfig, frontDoorConfig } from '../../activities/traffic/nginx-config.ts';

/**
 * Writes the front door's configuration, at first with everybody let in to one side, and returns nginx's arguments.
 * An admission.conf that is there stays: it is where a switch has put the traffic.
 */
export function prepareFrontDoor(directory: string, listen: string, side: string, upstream: string): string[] {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'nginx.conf'), frontDoorConfig(listen));
  const admission = join(directory, 'admission.conf');
  if (!existsSync(admission)) {
    writeFileSync(admission, admissionConfig({ environment: side, percent: 100, changedAt: new Date().toISOString() }, upstream));
  }
  // As root, nginx's workers become `nobody`, who may not reach this directory.
  const group = process.platform === 'linux' ? 'root' : 'wheel';
  const user = process.getuid?.() === 0 ? ` user root ${group};` : '';
  return ['-p', directory, '-c', join(directory, 'nginx.conf'), '-g', `daemon off;${user}`];
}
