import { activityInfo } from '@temporalio/activity';
import type { ProductionActivities } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { attempt } from '../attempt.ts';
import { openDeployer } from '../deploy/deployer.ts';
import { recordDeployment } from '../deploy/deployments.ts';
import { proposeDeployment } from '../deploy/propose-deployment.ts';
import { runCommand } from '../deploy/run-command.ts';
import { openSystem } from '../open-context.ts';
import { assertEpoch } from '../store/epoch.ts';
import { openFence } from '../traffic/fence.ts';
import { probeOldPrimary } from '../traffic/probe-old-primary.ts';
import { openSwitch } from '../traffic/switch.ts';
import { atSource, inCommand } from './at-source.ts';

export const productionActivities: ProductionActivities = {
  proposeDeployment: attempt(async (of, { signal }) => {
    const { loaded, store, keys, secret } = await openSystem(of.system);
    return await proposeDeployment({ system: loaded.system, store, keys, secret, signal }, of);
  }),

  deployVersion: attempt(async ({ epoch = 0, ...of }, { signal }) => {
    const { loaded, store, keys, secret } = await openSystem(of.system);
    const context = { system: loaded.system, secret, signal };
    const deployer = await openDeployer(context);
    if (!deployer) throw new HoldfastError('Unsupported', `${of.system}: people deploy, or nobody: there is no program for it`);
    await assertEpoch(store, of.system, epoch, { signal });
    const deployed = await deployer.deploy(context, of);
    await recordDeployment({ store, keys, signal }, of);
    return deployed;
  }),

  runCommand: attempt(async ({ epoch = 0, ...of }, { signal }) => {
    const { loaded, store, secret } = await openSystem(of.system);
    await assertEpoch(store, of.system, epoch, { signal });
    return await runCommand({ system: loaded.system, secret, signal }, of, activityInfo().attempt);
  }),

  fencePrimary: attempt(async (of, context) => await inCommand(of, context, async (source) => await (await openFence(source)).fence(source, of.run))),

  retirePrimary: attempt(async (of, context) => await inCommand(of, context, async (source) => await (await openFence(source)).retire(source, of.run))),

  unfencePrimary: attempt(async (of, context) => await inCommand(of, context, async (source) => await (await openFence(source)).unfence(source, of.run))),

  probeOldPrimary: attempt(async (of, context) => await atSource(of, context, async (source) => await probeOldPrimary(source, of))),

  admitTraffic: attempt(async ({ system: name, epoch = 0, environment, percent }, context) => {
    const { loaded, store, address } = await openSystem(name);
    await assertEpoch(store, name, epoch, { signal: context.signal });
    return await (await openSwitch(loaded.system)).admit({ ...context, system: loaded.system, address }, environment, percent);
  }),

  readTraffic: attempt(async ({ system: name }, context) => {
    const { loaded, address } = await openSystem(name);
    return await (await openSwitch(loaded.system)).read({ ...context, system: loaded.system, address });
  }),

  watchHealth: attempt(async ({ system: name, ...watch }, context) => {
    const { loaded, address } = await openSystem(name);
    return await (await openSwitch(loaded.system)).watchHealth({ ...context, system: loaded.system, address }, watch);
  }),
};
