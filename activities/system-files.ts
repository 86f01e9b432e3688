import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { countColumns } from '../workflows/domain/mask.ts';
import { viewPeople } from '../workflows/domain/people.ts';
import { toLadders } from '../workflows/domain/contacts.ts';
import { toIncidentsView } from '../workflows/domain/incident-schema.ts';
import { toNotifyView } from '../workflows/domain/notify/schema.ts';
import { toReadinessView } from '../workflows/domain/readiness-schema.ts';
import { actOf } from '../workflows/domain/permissions.ts';
import { desiredSchedules } from '../workflows/domain/schedules/desired.ts';
import { systemSchema, type System } from '../workflows/domain/system.ts';
import type { SystemView } from '../workflows/domain/system-view.ts';
import { mergeOverlay } from './system-file-overlay.ts';
import { explainIssues, parseYaml, type YamlFile } from './system-file-errors.ts';

export interface LoadedSystem {
  system: System;
  /** SHA-256 of the file's text, and of the overlay's where there is one: what is opened of it is opened once for this */
  digest: string;
  /** SHA-256 of the file's text alone, 64 hex digits: what `sha256sum` says */
  sha256: string;
  text: string;
  /** where `file:` references are relative to */
  directory: string;
}

const projectDirectory = resolve(import.meta.dirname, '..');

/** Where system files lie: HOLDFAST_SYSTEMS, or the project's own `systems/`. */
export const systemsDirectory = (): string => resolve(process.env['HOLDFAST_SYSTEMS'] ?? join(projectDirectory, 'systems'));

/** Names of all system files, sorted; empty when the directory is missing. */
export async function listSystems(): Promise<string[]> {
  const names = await readdir(systemsDirectory()).catch(() => []);
  return names.filter((name) => name.endsWith('.yaml')).map((name) => basename(name, '.yaml')).sort();
}

/** A parsed file never changes, so the digest is all that must be looked at again. */
const cache = new Map<string, LoadedSystem>();

/**
 * Reads `systems/<name>.yaml`, with HOLDFAST_OVERLAY (a file of addresses, credentials and directories) over it.
 * Reads the files at every call, parses them when they changed.
 *
 * @throws UnknownSystem - names the known ones.
 * @throws BadSystemFile - each problem with file, line, column, field and what was expected; never a secret.
 */
export async function loadSystemFile(name: string): Promise<LoadedSystem> {
  const directory = systemsDirectory();
  const path = join(directory, `${name}.yaml`);
  const text = /^[a-z0-9-]+$/.test(name) ? await readText(path) : undefined;
  if (text === undefined) {
    const names = (await listSystems()).join(', ') || 'none';
    throw new HoldfastError('UnknownSystem', `no system "${name}"; known: ${names}`, { hint: `system files lie in ${directory}` });
  }
  return await loadCached(cache, path, text, name);
}

/** Texts that are not in the file any more, and that runs go by; few at a time. */
const others = new Map<string, LoadedSystem>();

/** As `loadSystemFile`, of a text of that file that was kept. */
export async function loadText(name: string, text: string): Promise<LoadedSystem> {
  return await loadCached(others, join(systemsDirectory(), `${name}.yaml`), text, name);
}

export const digestOfText = (text: string): string => createHash('sha256').update(text).digest('hex');

async function loadCached(among: Map<string, LoadedSystem>, path: string, text: string, name: string): Promise<LoadedSystem> {
  const overlay = await readOverlay(name);
  const hash = createHash('sha256').update(text);
  if (overlay) hash.update('\0').update(overlay.text);
  const digest = hash.digest('hex');
  const cached = among.get(path);
  if (cached?.digest === digest) return cached;

  const loaded = { system: parseSystem(parseYaml(shortPath(path), text), overlay, name), digest, sha256: digestOfText(text), text, directory: systemsDirectory() };
  among.set(path, loaded);
  return loaded;
}

/** What another process of this machine has made of the file, which takes a processor a tenth of a second: it counts for as long as the text here has its digest. */
export function adopt(loaded: LoadedSystem): void {
  const path = join(systemsDirectory(), `${loaded.system.system}.yaml`);
  if (cache.get(path)?.digest !== loaded.digest) cache.set(path, loaded);
}

/** The file as this process read it last, where it could: who is to be told that it is gone stood in it. */
export const lastLoaded = (name: string): LoadedSystem | undefined => cache.get(join(systemsDirectory(), `${name}.yaml`));

function parseSystem(file: YamlFile, overlay: YamlFile | undefined, name: string): System {
  const parsed = systemSchema.safeParse(overlay ? mergeOverlay(file, overlay) : file.value);
  if (!parsed.success) throw explainIssues(parsed.error.issues, file, overlay);
  if (parsed.data.system !== name) {
    throw new HoldfastError('BadSystemFile', `${file.path}:1:1 system: expected "${name}", as the file is called; found "${parsed.data.system}"`);
  }
  return parsed.data;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** An overlay that names a `system` is for that one only; one that does not is for all. */
async function readOverlay(name: string): Promise<YamlFile | undefined> {
  const path = process.env['HOLDFAST_OVERLAY'];
  if (!path) return undefined;
  const text = await readText(resolve(path));
  if (text === undefined) throw new HoldfastError('BadSystemFile', `HOLDFAST_OVERLAY names ${path}, which does not exist`);
  const overlay = parseYaml(shortPath(resolve(path)), text);
  const { system } = (overlay.value ?? {}) as { system?: unknown };
  return system === undefined || system === name ? overlay : undefined;
}

/** As a person would type it from the project's directory. */
function shortPath(path: string): string {
  const short = relative(projectDirectory, path);
  return short.startsWith('..') ? path : short;
}

const mapValues = <V, R>(of: Readonly<Record<string, V>>, use: (value: V) => R): Record<string, R> => Object.fromEntries(Object.entries(of).map(([key, value]) => [key, use(value)]));

/** What workflows may know of a system: no address, no secret reference. */
export function toSystemView(system: System, digest: string): SystemView {
  const people = viewPeople(system.people);
  const notify = toNotifyView(system.notify);
  return {
    system: system.system,
    title: system.title,
    site: system.site,
    digest,
    rtoObjectiveMs: system.objectives.rto,
    rpoObjectiveMs: system.objectives.rpo,
    sources: Object.fromEntries(
      Object.entries(system.sources).map(([source, { engine, environment }]) => [source, { engine, environment }]),
    ),
    standbyEnvironment: system.standby.environment,
    environments: Object.keys(system.environments),
    ...(system.mask ? { masks: mapValues(system.mask, countColumns), protections: mapValues(system.environments, ({ protection }) => protection) } : {}),
    ...(system.drill ? { drillEnvironment: system.drill.environment } : {}),
    approvals: system.approvals,
    ...(system.deployer ? { deployer: system.deployer.uses === 'manual' ? system.deployer : { uses: system.deployer.uses } } : {}),
    ...(system.commands ? { commands: Object.fromEntries(Object.entries(system.commands).map(([name, { undo }]) => [name, { undo: undo !== undefined }])) } : {}),
    runbook: system.runbook,
    ...(people ? { people } : {}),
    ...(system.runbooks ? { runbooks: system.runbooks } : {}),
    traffic: { admission: system.traffic.admission, healthWatchMs: system.traffic.health.watch, ...(system.traffic.health.within === undefined ? {} : { healthWithinMs: system.traffic.health.within }) },
    elevatedForMs: system.elevatedFor,
    watchOldSideMs: system.watchOldSideFor,
    ...(notify ? { notify } : {}),
    ...(Object.keys(system.contacts).length > 0 ? { ladders: toLadders(system.contacts) } : {}),
    ...(system.incidents || system.listen ? { incidents: toIncidentsView(system.incidents, system.listen, system.contacts) } : {}),
    ...(system.retention ? { retention: { waitMs: system.retention.wait, approval: system.retention.approval } } : {}),
    ...(system.disposal ? { disposal: system.disposal } : {}),
    ...(system.schedules ? { schedules: Object.fromEntries(desiredSchedules(system).map(({ id, workflow, input }) => [id, { workflow, act: actOf(workflow, input as object) }])) } : {}),
    readiness: toReadinessView(system.readiness),
    validators: system.validators.map((validator) => ({ id: validator.id, source: validator.uses === 'equality' ? undefined : validator.source })),
  };
}

