import type { Client } from '@temporalio/client';
import { findAnomalies } from '../../../workflows/domain/anomalies.ts';
import type { Drill } from '../../../workflows/domain/drill-history.ts';
import { totalOf } from '../../../workflows/domain/incident-record.ts';
import type { IncidentState } from '../../../workflows/domain/incident.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { auditRecordSchema, type AuditRecord } from '../../../workflows/domain/act-records.ts';
import { queryNames } from '../../../workflows/domain/messages.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import { listed, type ActFacts, type IncidentFacts, type PeriodFacts, type RunFacts } from '../../../workflows/domain/period-report.ts';
import { describeLate } from '../../../workflows/domain/schedules/judge-fire.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { hours, minutes } from '../../../workflows/domain/units.ts';
import { describeError } from '../../../workflows/domain/errors.ts';
import { sameAct } from '../../audit/record-act.ts';
import { isRunning } from '../../schedules/read-server.ts';
import { newestFirst, type ChainRoom } from '../../store/record-chain.ts';
import { readSystemFacts, type SystemFacts } from '../../watch/system-facts.ts';
import { readIncidents } from '../read-incidents.ts';
import { readWorkFacts } from './work-facts.ts';

interface Room extends ChainRoom {
  system: System;
  client: Client;
  signal: AbortSignal;
}

interface Period {
  from: string;
  to: string;
}

/** Incidents that the mean time to recovery is of. */
const newestIncidents = 100;
/** Nobody waits for a report as for /metrics, and what a large store holds takes long to count. */
const factsWithinMs = minutes(5);
/** A watch that looked longer ago than this has stopped, or looks seldom: then the report looks itself. */
const watchCountsMs = hours(1);

/**
 * What ended in a time and what was asked for, each from where it is kept, and how the system stands now, by the very facts that the metrics are made of. One that cannot be read is named
 * and holds up none of the others; all of them: the first failure.
 */
export async function readPeriodFacts(room: Room, period: Period): Promise<PeriodFacts> {
  const unread: string[] = [];
  const failures: unknown[] = [];
  const trying = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      room.signal.throwIfAborted();
      failures.push(error);
      unread.push(`${what}: ${describeError(error).message}`.slice(0, 500));
      return null;
    }
  };
  const name = room.system.system;
  const work = await trying('what ran could not be asked of Temporal', async () => await readWorkFacts(room.client, name, period));
  const incidents = await trying('incidents could not be read', async () => await readIncidentFacts(room, period));
  const acts = await trying('the audit could not be read', async () => await readActs(room, name, period));
  const facts = await readSystemFacts(room.client, name, { manifests: new Map(), verifications: new Map(), drilled: new Map() }, room.signal, factsWithinMs);
  room.signal.throwIfAborted();
  if (failures.length === 3 && !facts.history) throw failures[0];
  unread.push(...facts.unread.flatMap(({ what, why }) => (unreadWords[what] === undefined ? [] : [`${unreadWords[what]}: ${why}`.slice(0, 500)])));
  return { ...standingOf(facts), ...drillsOf(facts, period), work, incidents, acts, unread };
}

/** Of what the facts may lack, that which a report is made of; the rest is of the metrics alone. */
const unreadWords: Readonly<Record<string, string>> = {
  file: 'the system file could not be read', runs: 'how backups ended could not be asked of Temporal', manifests: 'the backups in the store could not be read', schedules: 'whether schedules start could not be asked of Temporal',
  'drill schedules': 'since when drills are scheduled could not be asked of Temporal', drills: 'the reports of runs could not be read', room: 'how much room is left could not be found out',
};

function standingOf({ history, sources, ages, capacity, readiness, fires }: SystemFacts): Pick<PeriodFacts, 'readiness' | 'anomalies' | 'capacity' | 'late'> {
  const isCurrent = readiness !== null && Math.abs(Date.now() - Date.parse(readiness.at)) <= watchCountsMs;
  const anomalies = history && findAnomalies(history, sources, ages).map(({ kind, level, source, said }) => ({ kind, level, source, said }));
  return { readiness: isCurrent ? readiness : null, anomalies, capacity, late: describeLate(fires ?? []).slice(0, listed) };
}

function drillsOf({ drills }: SystemFacts, period: Period): Pick<PeriodFacts, 'runs' | 'drills'> {
  if (!drills) return { runs: [], drills: null };
  const runs = drills.drills.filter(({ finishedAt, only }) => within(finishedAt, period) && only === null).sort((a, b) => b.finishedAt.localeCompare(a.finishedAt));
  return { runs: runs.slice(0, listed).map(toRunFacts), drills: { lastSuccessAt: drills.lastSuccess?.startedAt ?? null, due: drills.due.slice(0, listed) } };
}

const toRunFacts = ({ run, workflowId, purpose, runbook, outcome, result, why, startedAt, finishedAt, rto, rpo, proof, approvals }: Drill): RunFacts => ({ run, workflowId, purpose, runbook, outcome, result, why, startedAt, finishedAt, rto, rpo, proof, approvals });

const within = (at: string | null, { from, to }: Period): boolean => at !== null && at > from && at <= to;

async function readIncidentFacts({ system, client, store, signal }: Room, period: Period): Promise<IncidentFacts> {
  const { records } = await readIncidents({ store, signal }, system.system, newestIncidents);
  const closed = records.filter(({ state }) => within(state.closedAt, period));
  const { mttrMs, mttrObjectiveMs } = totalOf(records, system.incidents?.mttr ?? null);
  return {
    open: await readOpen(client, system.system),
    closed: closed.slice(0, listed).map(({ state, recoveryMs, rto }) => ({ id: state.id, summary: state.summary, severity: state.severity, startedAt: state.startedAt, recoveryMs, rtoMet: rto.met })),
    closedCount: closed.length,
    mttrMs,
    mttrObjectiveMs,
  };
}

async function readOpen(client: Client, system: string): Promise<IncidentFacts['open']> {
  const id = lockIds.incident(system);
  if (!(await isRunning(client, id))) return null;
  const state = await client.workflow.getHandle(id).query<IncidentState>(queryNames.state);
  return state.closedAt === null ? { id: state.id, summary: state.summary, status: state.status, severity: state.severity, startedAt: state.startedAt } : null;
}

/** The newest records, as far back as the period goes: of what is older nothing is read, and nothing is said. */
async function readActs(room: Room, system: string, { from, to }: Period): Promise<ActFacts> {
  const chain = { schema: auditRecordSchema, prefix: layout.auditRecords(system), key: (number: number) => layout.auditRecord(system, number) };
  const records: AuditRecord[] = [];
  const problems: string[] = [];
  for await (const { number, body, problems: here } of newestFirst(room, chain)) {
    if (body && body.at <= from) break;
    problems.push(...here.map((what) => `record ${number}: ${what}`));
    // An act that was written down twice counts once.
    if (body && body.at <= to && !records.some((other) => sameAct(other, body))) records.push(body);
  }
  const refused = records.filter(({ outcome }) => outcome === 'refused');
  const byAct: Record<string, number> = {};
  for (const { act } of records) byAct[act] = (byAct[act] ?? 0) + 1;
  return {
    byAct,
    refused: refused.slice(0, listed).map(({ at, by, act, about }) => ({ at, by, act, why: about })),
    refusedCount: refused.length,
    disposals: records.filter(({ act }) => act === 'dispose').slice(0, listed).map(({ at, about }) => ({ at, about: about.slice(0, 500) })),
    problems: problems.slice(0, listed),
    problemCount: problems.length,
  };
}
