import type { ControlActivities } from '../../workflows/contract.ts';
import type { JobContext } from '../context.ts';
import { narrowForRun } from '../engines/narrow-for-run.ts';
import { openEngine } from '../engines/open-engine.ts';
import { openContext } from '../open-context.ts';
import { checkShareOfRto, findCheckedPoint } from '../store/find-checked-point.ts';
import { writeHold } from '../store/holds.ts';
import { refuseMovedSource } from '../store/refuse-moved-source.ts';

/** The recovery point that a run restores, checked, narrowed to what was chosen, and held. Safe to repeat: a hold is written as often as is needed. */
export const findPointForRun = async ({ system, source, target, run, purpose, only, copies, avoid, towards, inPlace }: Parameters<ControlActivities['findRecoveryPoint']>[0], job: JobContext): ReturnType<ControlActivities['findRecoveryPoint']> => {
  const context = await openContext({ system, source, epoch: 0, towards, inPlace }, job);
  if (purpose === undefined || purpose === 'recovery') await refuseMovedSource(context);
  const whole = await findCheckedPoint(context, target, { readForMs: context.system.objectives.rto * checkShareOfRto, ...(avoid ? { avoid } : {}) });
  const point = await narrowForRun(context, await openEngine(context.source.engine), whole, { run, only, copies });
  await writeHold(context.store, context.keys, run, point, `run ${run} reads it`, { signal: job.signal });
  return point;
};
