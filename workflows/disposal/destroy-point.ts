import { workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from '../call.ts';
import type { CertifiedDisposal, Destroyed } from '../contract.ts';
import { anonymous } from '../domain/messages.ts';
import type { SystemView } from '../domain/system-view.ts';
import { hours, minutes, seconds } from '../domain/units.ts';
import { describeFailure } from '../failure.ts';

/** One point that was ordered to be destroyed, on its way. */
export interface PointUnderway {
  source: string;
  point: string;
  timeline: string;
  keysGoneAt: string | null;
  /** passes that met somebody who reads it */
  looks: number;
}

/** What all points of a disposal have in common. */
export interface DisposalOrdered {
  /** names it in the store: the first run of the workflow */
  run: string;
  epoch: number;
  requestedBy: string | undefined;
  /** who let it pass, as `approvedBy` says it; empty: nobody had to */
  approvers: string;
  reason: string;
  evenTheLast: boolean;
}

export type PointOutcome =
  /** somebody holds it, or took its mark back */
  | { outcome: 'withdrawn'; why: string | null; certificate: null }
  /** incomplete: the store keeps some, and tells of no lock */
  | { outcome: 'destroyed' | 'incomplete'; why: null; certificate: CertifiedDisposal };

/** A longer wait ends on the workers of that day. */
export const longWaitMs = hours(12);
/** The store refuses until its lock is over by its own clock, to the second. */
const afterLockMs = seconds(2);

/** Nothing goes that the audit does not tell of. Then the point is given to nobody. @throws NotPermitted - it stays after all; NoRecoveryPoint - it is gone since. The audit has that, too. */
export async function orderPoint(view: SystemView, { source, point }: { source: string; point: string }, ordered: DisposalOrdered): Promise<PointUnderway> {
  const { system } = view;
  const { run, epoch, requestedBy, approvers, reason, evenTheLast } = ordered;
  await record(system, ordered, 'permitted', `${source}/${point} is destroyed${approvers ? `, approved by ${approvers}` : ''}: ${reason}`);
  try {
    const { timeline } = await callsAt(view.site)('orderDisposal', { system, source, epoch, point, run, workflowId: workflowInfo().workflowId, by: requestedBy ?? null, approvedBy: approvers === '' ? [] : approvers.split(', '), reason, evenTheLast }, `order the disposal of ${point}: from here on nobody is given it`);
    return { source, point, timeline, keysGoneAt: null, looks: 0 };
  } catch (error) {
    const { type, message } = describeFailure(error);
    if (type === 'NotPermitted' || type === 'NoRecoveryPoint') await record(system, ordered, 'refused', `${source}/${point} ${type === 'NotPermitted' ? 'stays' : 'is not there'}: ${message}`);
    throw error;
  }
}

/** Destroys what the store lets go of now; what is not locked, and read by nobody, is certified. @returns what came of it, or what is waited for. */
export async function passPoint(view: SystemView, one: PointUnderway, ordered: Pick<DisposalOrdered, 'run' | 'epoch' | 'requestedBy'>): Promise<PointOutcome | { waits: Destroyed; forMs: number }> {
  const { system } = view;
  const { run, epoch } = ordered;
  const { source, point, timeline } = one;
  const call = callsAt(view.site);
  const pass = await call('destroyPoint', { system, source, epoch, point, timeline, run }, one.keysGoneAt === null ? `destroy the keys of ${point}, then what lies there of it` : `destroy what is left of ${point}`);
  if (pass.keysGone) one.keysGoneAt ??= pass.at;
  if (pass.state === 'withdrawn') {
    await record(system, ordered, 'refused', `${source}/${point} stays: ${pass.why}`);
    return { outcome: 'withdrawn', why: pass.why, certificate: null };
  }
  if (pass.state === 'gone' || pass.state === 'left') {
    const certificate = await call('certifyDisposal', { system, source, point, run, workflow: workflowInfo().workflowType, keysGoneAt: one.keysGoneAt, allGoneAt: pass.state === 'gone' ? pass.at : null, left: pass.left }, `certify the disposal of ${point}`);
    return { outcome: certificate.certificate.leftCount === 0 ? 'destroyed' : 'incomplete', why: null, certificate };
  }
  // Until the lock ends by the store's clock; for a run that reads it, longer and longer.
  const forMs = pass.state === 'locked' && pass.waitMs !== null ? pass.waitMs + afterLockMs : Math.min(hours(6), minutes(1) * 2 ** Math.min(one.looks, 10));
  one.looks += 1;
  return { waits: pass, forMs };
}

async function record(system: string, { run, requestedBy }: Pick<DisposalOrdered, 'run' | 'requestedBy'>, outcome: 'permitted' | 'refused', about: string): Promise<void> {
  const { workflowId, workflowType } = workflowInfo();
  await callControl('recordAct', { system, by: requestedBy ?? anonymous, act: 'dispose', outcome, about: about.slice(0, 2_000), workflow: workflowType, workflowId, runId: run }, `audit: ${about.slice(0, 100)}`);
}
