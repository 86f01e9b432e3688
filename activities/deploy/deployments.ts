import type { Deployment, DeploymentPage, FoundDeployment } from '../../workflows/domain/deployment.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { deploymentRecordSchema, type DeploymentRecord } from '../../workflows/domain/act-records.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { minutes } from '../../workflows/domain/units.ts';
import { appendRecord, newestFirst, type Chain, type ChainRoom } from '../store/record-chain.ts';

const chainOf = (system: string): Chain<DeploymentRecord> => ({ schema: deploymentRecordSchema, prefix: layout.deployments(system), key: (number) => layout.deployment(system, number) });

/** Clocks of workers differ. */
const clockSkewMs = minutes(1);

export interface DeploymentToRecord {
  system: string;
  id: string;
  environment: string;
  version: string;
  /** UTC ISO; left out: now */
  at?: string | undefined;
  by: string | null;
  why: string | null;
}

/**
 * Adds one record to the end of the system's deployments. Safe to repeat under one `id`: see `appendRecord`.
 * @throws TargetTimeInFuture - `at` is not here yet by the worker's clock: what will run is not known.
 */
export async function recordDeployment(room: ChainRoom, { at, ...of }: DeploymentToRecord): Promise<Deployment> {
  const recordedAt = new Date().toISOString();
  if (at !== undefined && Date.parse(at) > Date.parse(recordedAt) + clockSkewMs) {
    throw new HoldfastError('TargetTimeInFuture', `version ${of.version} is said to run since ${at}, and it is ${recordedAt} here`, { hint: 'record a deployment when it is done' });
  }
  const make = (place: { number: number; previous: string | null }): DeploymentRecord => ({
    format: formatVersion, kind: 'deployment', ...of, ...place, deployedAt: at ?? recordedAt, claimed: at !== undefined, recordedAt,
  });
  return shown(await appendRecord(room, chainOf(of.system), (last) => last.id === of.id, make));
}

const shown = ({ number, environment, version, deployedAt, claimed, recordedAt, by, why }: DeploymentRecord): Deployment => ({ number, environment, version, deployedAt, claimed, recordedAt, by, why });

/** The newest `limit` records. One that a repeated try wrote twice is shown once. */
export async function listDeployments(room: ChainRoom, system: string, limit: number): Promise<DeploymentPage> {
  const page: DeploymentPage = { system, deployments: [], problems: [] };
  const ids = new Set<string>();
  for await (const { number, key, body, problems } of newestFirst(room, chainOf(system))) {
    page.problems.push(...problems.map((problem) => ({ number, key, problem })));
    if (body && !ids.has(body.id)) page.deployments.push(shown(body));
    if (body) ids.add(body.id);
    if (page.deployments.length >= limit) break;
  }
  return page;
}

/**
 * What ran in an environment at a moment: of the records that are of that moment or earlier, the one of the latest. Reads back from the newest only as
 * far as a record may matter: one that was written before the moment of the best so far cannot be of a later one.
 *
 * What is not believed may have been that one, so it is named and nothing is given; unless somebody said later, with a record of their own,
 * what had run at that moment.
 *
 * @param at - UTC ISO; its second counts whole, as that of a recovery point does.
 */
export async function findDeployed(room: ChainRoom, { system, environment, at }: { system: string; environment: string; at: string }): Promise<Pick<FoundDeployment, 'then' | 'problems'>> {
  const untilMs = Math.floor(Date.parse(at) / 1000) * 1000 + 999;
  let best: DeploymentRecord | undefined;
  let writtenBefore: string | undefined;
  const inTheWay: { key: string; problem: string }[] = [];
  for await (const { key, body, problems } of newestFirst(room, chainOf(system))) {
    if (best && writtenBefore !== undefined && writtenBefore <= best.deployedAt) break;
    if (body && (writtenBefore === undefined || body.recordedAt < writtenBefore)) writtenBefore = body.recordedAt;
    const isSettled = best !== undefined && Date.parse(best.recordedAt) > untilMs;
    if (!isSettled) inTheWay.push(...problems.map((problem) => ({ key, problem })));
    if (body?.environment !== environment || Date.parse(body.deployedAt) > untilMs) continue;
    // Of two of the same moment the one that was recorded last corrects the other.
    if (!best || body.deployedAt > best.deployedAt) best = body;
  }
  return { then: best && inTheWay.length === 0 ? shown(best) : null, problems: inTheWay };
}
