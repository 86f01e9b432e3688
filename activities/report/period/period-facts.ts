import type { Client } from '@temporalio/client';
import { totalOf } from '../../../workflows/domain/incident-record.ts';
import type { IncidentState } from '../../../workflows/domain/incident.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { auditRecordSchema, type AuditRecord } from '../../../workflows/domain/manifest.ts';
import { queryNames } from '../../../workflows/domain/messages.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import { listed, type ActFacts, type IncidentFacts, type PeriodFacts, type RunFacts } from '../../../workflows/domain/period-report.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { describeError } from '../../../workflows/domain/errors.ts';
import { sameAct } from '../../audit/record-act.ts';
import { isRunning } from '../../schedules/read-server.ts';
import { newestFirst, type ChainRoom } from '../../store/record-chain.ts';
import { readIncidents } from '../read-incidents.ts';
import { newestReports } from '../read-step-history.ts';
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

/** More runs than these end in no week. */
const newestRuns = 50;
/** Incidents that the mean time to recovery is of. */
const newestIncidents = 100;

/** What ended in a time and what was asked for, each from where it is kept. One that cannot be read is named and holds up none of the others; all of them: the first failure. */
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
  const runs = (await trying('the reports of runs could not be read', async () => await readRuns(room, name, period))) ?? [];
  const incidents = await trying('incidents could not be read', async () => await readIncidentFacts(room, period));
  const acts = await trying('the audit could not be read', async () => await readActs(room, name, period));
  if (failures.length === 4) throw failures[0];
  return { work, runs, incidents, acts, unread };
}

const within = (at: string | null, { from, to }: Period): boolean => at !== null && at > from && at <= to;

async function readRuns(room: Room, system: string, period: Period): Promise<RunFacts[]> {
  const runs: RunFacts[] = [];
  for await (const report of newestReports(room, system, newestRuns)) {
    if (within(report.finishedAt, period) && !report.state.only) runs.push(toRunFacts(report));
  }
  return runs.sort((a, b) => b.finishedAt.localeCompare(a.finishedAt)).slice(0, listed);
}

/** A drill moves no traffic: its time is until its end, and held against the same objective. */
export function toRunFacts({ runId, workflowId, outcome, finishedAt, rto, rpo, state, validation }: RunReport): RunFacts {
  const tookMs = state.purpose === 'drill' ? Date.parse(finishedAt) - Date.parse(state.startedAt) : rto.achievedMs;
  const gating = validation.filter(({ effect }) => effect === 'gate');
  return {
    run: runId,
    workflowId,
    purpose: state.purpose === 'drill' ? 'drill' : 'recovery',
    runbook: state.runbook ?? null,
    outcome,
    startedAt: state.startedAt,
    finishedAt,
    tookMs,
    rtoMet: tookMs === null ? null : tookMs <= rto.objectiveMs,
    rpoMs: rpo.achievedMs,
    rpoMet: rpo.met,
    proved: gating.length === 0 ? null : gating.every(({ ok }) => ok),
    approvals: state.gates.flatMap(({ gate, decisions }) => decisions.map(({ by, decision, at }) => ({ gate, by, decision, at }))).slice(0, listed),
  };
}

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
