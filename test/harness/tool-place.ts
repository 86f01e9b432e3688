import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { JobReading, SourceContext } from '../../activities/context.ts';
import { toolEngine } from '../../activities/engines/tool/index.ts';
import { openContext } from '../../activities/open-context.ts';
import { openProvisioner } from '../../activities/provision/provisioner.ts';
import { privateRoot } from '../../activities/tool/private-files.ts';
import type { BackupSummary, TargetRef } from '../../workflows/contract.ts';
import { nextLogPosition } from '../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import type { Owner } from './cleanup.ts';
import { newSecrets } from './keys.ts';
import { tempDir } from './temp-dir.ts';

export type ToolBlock = NonNullable<SystemFile['sources'][string]['tool']>;
type Command = Extract<ToolBlock, { uses: 'command' }>;

export const toolRef = { system: 'tools', source: 'files' };
export const toolTarget: TargetRef = { ...toolRef, environment: 'dr', run: 'run-1' };

export interface ToolPlace {
  directory: string;
  /** where the source and the target of the endpoints are: paths */
  sourcePath: string;
  targetPath: string;
  storePath: string;
  file: SystemFile;
  /** Writes the system file anew with this block. */
  use(tool: ToolBlock, change?: (file: SystemFile) => void): void;
  /** Puts a secret beside the system file; returns its reference. */
  secret(name: string, content: string): string;
  /** A job's context as a worker opens it; what it says is added to `said` and `logged`. */
  open(signal?: AbortSignal): Promise<SourceContext>;
  said: JobReading[];
  logged: string[];
}

/** Any shell script as a command. */
export const sh = (script: string, ...args: string[]): Command['dump'] => ({ argv: ['sh', '-c', script, 'sh', ...args] });

/** A directory tree by tar, as a system with one source of the tool engine, whose file lies where this process reads system files. */
export const tar: Command = {
  uses: 'command',
  dump: { argv: ['tar', '-C', '{{uri}}', '-cf', '-', '.'] },
  restore: sh('rm -rf "$1" && mkdir "$1" && exec tar -C "$1" -xf -', '{{uri}}'),
  version: ['tar', '--version'],
};

export function toolPlace(t: Owner, tool: ToolBlock = tar, change?: (file: SystemFile) => void): ToolPlace {
  const directory = tempDir(t, 'holdfast-tool-place-');
  const [sourcePath, targetPath, storePath] = ['source', 'target', 'store'].map((name) => join(directory, name)) as [string, string, string];
  mkdirSync(sourcePath);
  const secrets = newSecrets();
  for (const [ref, name] of [['${AES}', 'aes'], ['${PRIVATE}', 'private'], ['${PUBLIC}', 'public']] as const) writeFileSync(join(directory, name), secrets[ref]!);
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = directory;
  t.after(() => void (before === undefined ? delete process.env['HOLDFAST_SYSTEMS'] : (process.env['HOLDFAST_SYSTEMS'] = before)));
  const file: SystemFile = {
    system: toolRef.system,
    title: 'Programs',
    objectives: { rto: '1h', rpo: '24h' },
    environments: {
      production: { protection: 'production', endpoints: { files: { uri: sourcePath } } },
      dr: { protection: 'production', endpoints: { files: { uri: targetPath } } },
    },
    sources: { files: { engine: 'tool', environment: 'production', tool } },
    stores: [{ name: 'main', kind: 'local', path: storePath, lock: { retain: '1h' } }],
    key: { id: 'test', aes256: 'file:aes', signing: { privateKey: 'file:private', publicKeys: ['file:public'] } },
    standby: { environment: 'dr', provision: { files: { uses: 'existing', directory: join(directory, 'claim') } } },
    fence: {},
    traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2' } },
    validators: [],
    runbook: { steps: [{ id: 'find-point', uses: 'find-recovery-point' }] },
  };
  const said: JobReading[] = [];
  const logged: string[] = [];
  const use: ToolPlace['use'] = (block, alter) => {
    file.sources['files'] = { engine: 'tool', environment: 'production', tool: block };
    alter?.(file);
    writeFileSync(join(directory, `${toolRef.system}.yaml`), stringify(file));
  };
  use(tool, change);
  return {
    directory, sourcePath, targetPath, storePath, file, said, logged, use,
    secret: (name, content) => {
      writeFileSync(join(directory, name), content);
      return `file:${name}`;
    },
    open: async (signal = new AbortController().signal) =>
      await openContext({ ...toolRef, epoch: 1 }, { signal, progress: (reading) => void said.push(reading), log: (_, message) => void logged.push(message) }),
  };
}

export const planInput = (backup: string) => ({ ...toolRef, backup, epoch: 1, why: 'test', requestedBy: 'test' });

/** Plan, the one group, seal: what the workflow does. */
export async function backUpByTool(context: SourceContext, backup: string): Promise<BackupSummary> {
  const plan = await toolEngine.planDump(context, planInput(backup));
  const group = await toolEngine.dumpGroup(context, { ...toolRef, plan, epoch: 1, group: plan.groups[0]!.group });
  return await toolEngine.sealBackup(context, { ...toolRef, plan, epoch: 1, groups: [group] });
}

export function toolPoint(summary: BackupSummary): RecoveryPoint {
  const { timeline, backup, manifest, logFrom, end, endAt, documents, plainBytes, storedBytes } = summary;
  const base = { timeline, backup, manifest, logFrom, start: end, end, finishedAt: endAt, documents, plainBytes, storedBytes, exact: false, why: 'test', alone: true as const };
  return { ...toolRef, timeline, base, limit: nextLogPosition(end), reaches: end, reachesAt: endAt, log: { from: end, slices: 0, storedBytes: 0 } };
}

/** Provision, prepare, the one group. */
export async function restoreByTool(context: SourceContext, summary: BackupSummary, target: TargetRef = toolTarget): Promise<void> {
  const point = toolPoint(summary);
  await (await openProvisioner(context)).provision(context, target);
  const { groups } = await toolEngine.prepareRestore(context, { target, point });
  for (const group of groups) await toolEngine.restoreGroup(context, { target, point, group });
}

/** Private directories on this machine that hold a file with this text. */
export function privateDirectoriesWith(text: string): string[] {
  return readdirSync(privateRoot()).filter((name) => name.startsWith('holdfast-private-')).map((name) => join(privateRoot(), name)).filter((path) => {
    try {
      return readdirSync(path).some((name) => readFileSync(join(path, name), 'utf8').includes(text));
    } catch {
      return false;
    }
  });
}
