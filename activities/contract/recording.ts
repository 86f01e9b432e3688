import { Context } from '@temporalio/activity';
import type { RecordingActivities } from '../../workflows/contract.ts';
import { pageAudit } from '../../workflows/domain/audit.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { attempt } from '../attempt.ts';
import { readAudit } from '../audit/read-audit.ts';
import { recordAct } from '../audit/record-act.ts';
import { sealAudit } from '../audit/seal-audit.ts';
import { recordDeployment } from '../deploy/deployments.ts';
import { livesNow } from '../deploy/propose-deployment.ts';
import { beginRotation } from '../keys/begin-rotation.ts';
import { recordRotation } from '../keys/record-rotation.ts';
import { openSystem } from '../open-context.ts';
import { applySystem, pauseWithoutFile, planApply } from '../schedules/apply-system.ts';
import { writeMark } from '../store/marks.ts';
import { loadSystemFile } from '../system-files.ts';

export const recordingActivities: RecordingActivities = {
  recordAct: attempt(async (act, { signal }) => {
    const { store, keys } = await openSystem(act.system);
    return await recordAct({ store, keys, signal }, act);
  }),

  readAudit: attempt(async ({ system, limit, ...choice }, { signal }) => {
    const { store, keys } = await openSystem(system);
    return pageAudit(system, await readAudit({ store, keys, signal }, system), choice, limit);
  }),

  sealAudit: attempt(async ({ system }, { signal }) => {
    const { store, keys } = await openSystem(system);
    return await sealAudit({ store, keys, signal }, system);
  }),

  markPoint: attempt(async (said, { signal }) => {
    const { loaded, store, keys } = await openSystem(said.system);
    if (!loaded.system.sources[said.source]) throw new HoldfastError('BadInput', `system "${said.system}" has no source "${said.source}"`);
    return await writeMark({ store, keys, signal }, said);
  }),

  beginRotation: attempt(async (said, { signal }) => {
    const { store, keys } = await openSystem(said.system);
    return await beginRotation({ store, keys, signal }, said);
  }),

  recordRotation: attempt(async (said, { signal }) => {
    const { store, keys } = await openSystem(said.system);
    return await recordRotation({ store, keys, signal }, said);
  }),

  recordDeployment: attempt(async ({ environment, ...of }, { signal }) => {
    const { loaded, store, keys } = await openSystem(of.system);
    return await recordDeployment({ store, keys, signal }, { ...of, environment: environment ?? (await livesNow({ store, keys, signal }, loaded.system)) });
  }),

  applySystem: attempt(async ({ dryRun, resume, expected, ...of }, { signal }) => {
    const { system } = await loadSystemFile(of.system);
    const to = { system, client: Context.current().client, resume, signal };
    return dryRun ? await planApply(to) : await applySystem(to, expected);
  }),

  pauseWithoutFile: attempt(async ({ system, dryRun }, { signal }) => await pauseWithoutFile(Context.current().client, system, { dryRun, signal })),

  checkProof: attempt(async (of, { signal }) => {
    const { loaded, store, keys, secret } = await openSystem(of.system);
    return await (await import('../access/check-proof.ts')).checkProof({ people: loaded.system.people, store, keys, secret, signal, nowMs: Date.now() }, of);
  }),
};
