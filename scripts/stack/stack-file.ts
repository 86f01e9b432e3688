import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../activities/tool/free-port.ts';
import { stackDirectory } from '../stack-address.ts';
import type { ObjectStorePorts } from './object-store.ts';

/** What the demo's database is called, and its replica set on either side. */
export const demoDatabase = 'dictionary';
export const demoReplicaSet = 'rs0';
export const demoBucket = 'holdfast-demo';
export const sides = ['production', 'dr'] as const;
export type Side = (typeof sides)[number];

/** `<HOLDFAST_HOME>/stack.json`: where every part of the embedded stack is. Holds no secret. */
export interface StackFile {
  directory: string;
  createdAt: string;
  temporal: { address: string; uiUrl: string; port: number; uiPort: number; httpPort: number; metricsPort: number };
  primary: { port: number };
  /** reserved: the provisioner starts the standby here in a recovery */
  standby: { port: number };
  objectStore: { endpoint: string; region: string; bucket: string; ports: ObjectStorePorts };
  frontDoor: { url: string; port: number };
  apps: Record<Side, { port: number }>;
}

/** A directory of each part; its log and `server.pid` lie in it. */
export const partDirectories = {
  temporal: 'temporal',
  primary: 'primary',
  standby: 'standby',
  objectStore: 'object-store',
  frontDoor: 'front-door',
  'app-production': 'app-production',
  'app-dr': 'app-dr',
  worker: 'worker',
} as const;
export type Part = keyof typeof partDirectories;

export const directoryOf = (stack: { directory: string }, part: Part): string => join(stack.directory, partDirectories[part]);
export const pidFileOf = (stack: { directory: string }, part: Part): string => join(directoryOf(stack, part), 'server.pid');
export const secretsDirectory = (stack: { directory: string }): string => join(stack.directory, 'secrets');

/** The embedded stack of this checkout (or HOLDFAST_HOME), or undefined when none was made. */
export function readStackFile(): StackFile | undefined {
  const path = join(stackDirectory(), 'stack.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as StackFile) : undefined;
}

/** Chooses ports and writes the file; ports stay, because the replica set and Temporal's links know them. Safe to repeat. */
export async function ensureStackFile(): Promise<StackFile> {
  const present = readStackFile();
  if (present) return present;
  const directory = stackDirectory();
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { chooseObjectStorePorts } = await import('./object-store.ts');
  const objectStore = await chooseObjectStorePorts();
  const ports = { port: await freePort(), uiPort: await freePort(), httpPort: await freePort(), metricsPort: await freePort() };
  const frontDoor = await freePort();
  const stack: StackFile = {
    directory,
    createdAt: new Date().toISOString(),
    temporal: { address: `127.0.0.1:${ports.port}`, uiUrl: `http://127.0.0.1:${ports.uiPort}`, ...ports },
    primary: { port: await freePort() },
    standby: { port: await freePort() },
    objectStore: { endpoint: `http://127.0.0.1:${objectStore.s3}`, region: 'us-east-1', bucket: demoBucket, ports: objectStore },
    frontDoor: { url: `http://127.0.0.1:${frontDoor}`, port: frontDoor },
    apps: { production: { port: await freePort() }, dr: { port: await freePort() } },
  };
  const path = join(directory, 'stack.json');
  writeFileSync(`${path}.new`, `${JSON.stringify(stack, null, 2)}\n`);
  renameSync(`${path}.new`, path);
  return stack;
}

/**
 * What `systems/demo.yaml` refers to, for the environment of workers and commands. Addresses and directories only:
 * secrets are files under `HOLDFAST_DEMO_SECRETS`.
 */
export function stackEnvironment(stack: StackFile): Record<string, string> {
  return {
    TEMPORAL_ADDRESS: stack.temporal.address,
    HOLDFAST_DEMO_PRIMARY: `127.0.0.1:${stack.primary.port}`,
    HOLDFAST_DEMO_STANDBY: `127.0.0.1:${stack.standby.port}`,
    HOLDFAST_DEMO_S3: stack.objectStore.endpoint,
    HOLDFAST_DEMO_URL: stack.frontDoor.url,
    HOLDFAST_DEMO_APP_PRODUCTION: `127.0.0.1:${stack.apps.production.port}`,
    HOLDFAST_DEMO_APP_DR: `127.0.0.1:${stack.apps.dr.port}`,
    HOLDFAST_DEMO_DIRECTORY: stack.directory,
    HOLDFAST_DEMO_SECRETS: secretsDirectory(stack),
  };
}
