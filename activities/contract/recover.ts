import type { Commanded, Directed, RecoverActivities, SourceRef, SwapInput, TargetRef } from '../../workflows/contract.ts';
import { attempt } from '../attempt.ts';
import { openEngine } from '../engines/open-engine.ts';
import { openProvisioner } from '../provision/provisioner.ts';
import { refuseLivingTarget } from '../store/refuse-moved-source.ts';
import { atTarget, inCommand, inDataPlane } from './at-source.ts';

const ofSwap = ({ target, epoch }: SwapInput): SourceRef & Commanded & Directed => ({ system: target.system, source: target.source, towards: target.environment, epoch });

export const recoverActivities: RecoverActivities = {
  // Beside this step the recovery point is looked for, which refuses the same; whoever comes first, nothing is touched.
  makeRoom: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => {
      await refuseLivingTarget(source, target);
      return await (await openProvisioner(source)).makeRoom(source, target);
    }),
  ),
  checkTarget: attempt(
    async ({ movesAside, ...target }: TargetRef & { movesAside: boolean }, context) => await atTarget(target, context, async (source) => {
      await refuseLivingTarget(source, target);
      return await (await openProvisioner(source)).check(source, { movesAside, run: target.run });
    }),
  ),
  giveRoomBack: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => await (await openProvisioner(source)).giveRoomBack(source, target)),
  ),
  startAgain: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => await (await openProvisioner(source)).startAgain(source, target)),
  ),
  provisionTarget: attempt(
    async (target: TargetRef, context) => await atTarget(target, context, async (source) => {
      await refuseLivingTarget(source, target);
      return await (await openProvisioner(source)).provision(source, target);
    }),
  ),
  removeTarget: attempt(
    async ({ discard, ...target }: TargetRef & { discard?: boolean | undefined }, context) => await atTarget(target, context, async (source) => await (await openProvisioner(source)).remove(source, target, { discard })),
  ),
  prepareRestore: inDataPlane('prepareRestore'),
  restoreGroup: inDataPlane('restoreGroup'),
  replayLog: inDataPlane('replayLog'),
  buildIndexes: inDataPlane('buildIndexes'),
  validateTarget: inDataPlane('validateTarget'),
  copyBeside: inDataPlane('copyBeside'),
  dropCopies: inDataPlane('dropCopies'),
  compareTarget: inDataPlane('compareTarget'),
  planRows: inDataPlane('planRows'),
  restoreRows: inDataPlane('restoreRows'),
  removeRows: inDataPlane('removeRows'),
  maskTarget: inDataPlane('maskTarget'),
  planSwap: attempt(async (input, context) => await atTarget(input.target, context, async (source) => await (await openEngine(source.source.engine)).planSwap(source, input))),
  // In the worker's own process: a cancel must not end it while writers wait.
  swapCollections: attempt(async (input, context) => await inCommand(ofSwap(input), context, async (source) => await (await openEngine(source.source.engine)).swapCollections(source, input))),
  swapBack: attempt(async (input, context) => await inCommand(ofSwap(input), context, async (source) => await (await openEngine(source.source.engine)).swapBack(source, input))),
  promoteTarget: attempt(
    async ({ target }, context) =>
      await atTarget(target, context, async (source) => await (await openEngine(source.source.engine)).promoteTarget(source, { target })),
  ),
};
