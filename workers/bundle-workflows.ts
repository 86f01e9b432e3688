import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import type { Logger } from 'pino';
import { temporalLogger } from './log.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const keptBundles = 10;
const workflowsFile = join(root, 'workflows', 'index.ts');
const ours = ['evict-stale.ts', 'updates-behind-events.ts'].map((name) => join(root, 'workflows', name));
const domain = join(root, 'workflows', 'domain');
const shareDomain = join(root, 'workflows', 'share-domain.ts');

/**
 * The workflows as one piece of JavaScript.
 *
 * To make it takes a processor some three seconds, which is most of a worker's start, and a worker is started again on the worst night. So it is kept
 * under node_modules/.cache, by the digest of all that it is made of: a changed line of a workflow, another version of a package or of Node is another
 * name. It is written beside its name and renamed, so that a kill leaves no half of one; where nothing can be written it is made each time.
 */
export async function bundleWorkflows(log: Logger, { failureConverterPath }: DataConverter = {}, workflowsPath = workflowsFile, interceptors: string[] = []): Promise<WorkflowBundle> {
  const workflowInterceptorModules = [...ours, ...interceptors];
  const path = join(root, 'node_modules', '.cache', 'holdfast', `workflows-${await digestOf([workflowsPath, ...workflowInterceptorModules, ...(failureConverterPath ? [failureConverterPath] : [])])}.js`);
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return { code: kept };
  const bundle = await bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules,
    // Its map is read at every worker's start, and at every promise: without the sources, and by lines, it is less than a tenth.
    webpackConfigHook: (config) => ({ ...config, devtool: 'inline-nosources-cheap-module-source-map' }),
    preloadModules: [...(await readdir(domain, { recursive: true })).filter(isCode).sort().map((name) => join(domain, name)), shareDomain],
    ...(failureConverterPath ? { failureConverterPath } : {}),
    logger: temporalLogger(log.child({}, { level: 'warn' })),
  });
  await keep(path, bundle.code).catch((error: unknown) => log.debug({ error: (error as Error).message }, 'the workflow bundle is not kept'));
  return bundle;
}

const isCode = (name: string): boolean => name.endsWith('.ts');

/** Everything below workflows/, the entries themselves, this file and the exact packages. */
async function digestOf(entries: readonly string[]): Promise<string> {
  const below = await readdir(join(root, 'workflows'), { recursive: true });
  const files = [...below.filter(isCode).map((name) => join(root, 'workflows', name)), ...entries, import.meta.filename, join(root, 'package-lock.json')].sort();
  const hash = createHash('sha256').update(process.version);
  for (const file of files) hash.update(`\0${file}\0`).update(await readFile(file));
  return hash.digest('hex').slice(0, 32);
}

/** Only the newest few stay: each is some MiB, and no worker asks for an older one. */
async function keep(path: string, code: string): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true });
  await writeFile(`${path}.${process.pid}`, code);
  await rename(`${path}.${process.pid}`, path);
  const kept = (await readdir(directory)).filter((name) => name.startsWith('workflows-')).map((name) => join(directory, name));
  const aged = await Promise.all(kept.map(async (file) => ({ file, at: (await stat(file)).mtimeMs })));
  for (const { file } of aged.sort((a, b) => b.at - a.at).slice(keptBundles)) await rm(file, { force: true });
}
