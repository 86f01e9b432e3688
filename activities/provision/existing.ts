import { rename, stat } from 'node:fs/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { hostsOf } from '../tool/hosts-of.ts';
import { claimDirectory, readClaim, refuseClaimed } from './claim.ts';
import type { ProvisionContext, Provisioner } from './provisioner.ts';

/**
 * A target that is there already, such as a server that people keep for this: nothing is started or stopped. The directory
 * of the system file holds the claim, so that two runs never restore into it at once.
 */
export const existingProvisioner: Provisioner = {
  async check(context, { run }) {
    const { directory, address } = placeOf(context);
    const isOwn = await refuseClaimed(directory, run);
    return { summary: `${address}, which is there already; ${isOwn ? 'this run' : 'no run'} has claimed ${directory}` };
  },

  async makeRoom(context) {
    return await Promise.resolve({ summary: `${placeOf(context).address} is there already, and nothing of it is moved` });
  },

  async giveRoomBack(context) {
    return await Promise.resolve({ summary: `nothing of ${placeOf(context).address} was moved` });
  },

  async startAgain(context) {
    return await Promise.resolve({ summary: `${placeOf(context).address} was not stopped` });
  },

  async provision(context, target) {
    const { directory, address } = placeOf(context);
    await claimDirectory(directory, { run: target.run, system: target.system, source: target.source });
    return { summary: `${address}, which is there already; claimed in ${directory}` };
  },

  async restartAsReplicaSet(context) {
    return await Promise.reject(new HoldfastError('Unsupported', `${placeOf(context).address} is not a server that Holdfast started`));
  },

  async remove(context, target) {
    const { directory, address } = placeOf(context);
    const claim = await readClaim(directory);
    if (!claim) return { summary: `nothing of this run in ${directory}` };
    if (claim.run !== target.run) return { summary: `left alone: ${directory} belongs to run ${claim.run}` };
    const aside = `${directory}.removed-${new Date().toISOString().replace(/[:.]/g, '-')}`;
    await rename(directory, aside);
    return { summary: `let go, and its notes moved to ${aside}; what was restored into ${address} is still there`, kept: true };
  },

  async describe(context) {
    const { directory, address } = placeOf(context);
    const exists = await stat(directory).then(() => true, () => false);
    return { state: exists ? 'stopped' : 'absent', claimedBy: (await readClaim(directory))?.run ?? null, directory, address, replicaSet: '', pid: null };
  },
};

function placeOf({ system, sourceName, address }: ProvisionContext): { directory: string; address: string } {
  return {
    directory: address(system.standby.provision[sourceName]!.directory),
    address: placeIn(address(system.environments[system.standby.environment]!.endpoints[sourceName]!.uri)),
  };
}

/** Hosts and ports, or a path: what else an address holds is nothing for a summary, which is kept for ever. */
const placeIn = (address: string): string => hostsOf(address).map(({ host, port }) => (port === '' ? host : `${host}:${port}`)).join(',') || address.replace(/[?#].*/s, '');
