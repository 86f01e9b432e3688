import { condition, defineSignal, setHandler, workflowInfo } from '@temporalio/workflow';
import { trySignal } from '../children.ts';
import { HoldfastError } from '../domain/errors.ts';
import { incidentSignals, type JoinAnswer, type JoinAsked, type RunTold } from '../domain/incident.ts';
import type { RecoverSystemInput } from '../domain/inputs.ts';
import { anonymous } from '../domain/messages.ts';
import { lockIds } from '../domain/names.ts';
import { seconds } from '../domain/units.ts';
import { describeFailure } from '../failure.ts';

/** An incident answers with its next task; a worker that does not come to it is away altogether. */
const answersWithinMs = seconds(60);

export interface Joined {
  answer: JoinAnswer | null;
}

/** Synchronous, at the top of the entry: the answer may come with any task. */
export function hearJoined(): Joined {
  const joined: Joined = { answer: null };
  setHandler(defineSignal<[JoinAnswer]>(incidentSignals.joined), (answer) => void (joined.answer = answer), { description: 'Sent by the incident that the recovery joins. Nothing for people to send.' });
  return joined;
}

/**
 * Asks the incident of the system to take this recovery as its own, and for its clock.
 * @throws BadInput - none is open, it is another one or is resolved, or it does not answer: nothing was touched.
 */
export async function joinIncident({ system, incident, runbook, requestedBy, reason }: RecoverSystemInput, joined: Joined): Promise<Exclude<JoinAnswer, { refused: string }>> {
  const ask: JoinAsked = { incident: incident!, entry: workflowInfo().workflowId, runbook: runbook ?? null, by: requestedBy ?? anonymous, why: reason ?? null };
  const hint = 'without "incident" it runs by its own clock; holdfast incident show tells which is open';
  if (!(await trySignal(lockIds.incident(system), incidentSignals.join, ask))) throw new HoldfastError('BadInput', `field "incident" is "${incident}", and no incident of ${system} is open.`, { hint });
  await condition(() => joined.answer !== null, answersWithinMs, { summary: 'the incident is to answer by then' });
  const { answer } = joined;
  if (answer === null) throw new HoldfastError('BadInput', `the incident of ${system} does not answer.`, { hint });
  if ('refused' in answer) throw new HoldfastError('BadInput', `field "incident" is "${incident}": ${answer.refused}.`, { hint });
  return answer;
}

/** Of a recovery that was refused before its run began. */
export async function tellRefused({ system, incident, runbook }: RecoverSystemInput, answer: JoinAnswer | null, error: unknown): Promise<void> {
  const { type, message } = describeFailure(error);
  const id = answer !== null && 'incident' in answer ? answer.incident : incident!;
  const told: RunTold = {
    incident: id, entry: workflowInfo().workflowId, workflowId: '', runId: '', runbook: runbook ?? null, status: 'refused', why: `${type}: ${message}`.slice(0, 500),
    steps: [], servedAt: null, endedAt: new Date(Date.now()).toISOString(), outcome: null, rpo: null,
  };
  await trySignal(lockIds.incident(system), incidentSignals.run, told);
}
