import type { DataActivities } from '../../workflows/contract.ts';
import { attempt } from '../attempt.ts';
import { discardExport, publishExport } from '../exchange/publish-export.ts';
import { atSource, inDataPlane } from './at-source.ts';

export const dataActivities: DataActivities = {
  planDump: inDataPlane('planDump'),
  dumpGroup: inDataPlane('dumpGroup'),
  sealBackup: inDataPlane('sealBackup'),
  verifyRecoveryPoint: inDataPlane('verifyRecoveryPoint'),
  verifyKept: inDataPlane('verifyKept'),
  checkKeys: inDataPlane('checkKeys'),
  wrapKeys: inDataPlane('wrapKeys'),
  proveKeys: inDataPlane('proveKeys'),
  recordRecoveryProof: inDataPlane('recordRecoveryProof'),
  planRetention: inDataPlane('planRetention'),
  expire: inDataPlane('expire'),
  planDisposal: inDataPlane('planDisposal'),
  planDisposals: inDataPlane('planDisposals'),
  orderDisposal: inDataPlane('orderDisposal'),
  destroyPoint: inDataPlane('destroyPoint'),
  certifyDisposal: inDataPlane('certifyDisposal'),
  planImport: inDataPlane('planImport'),
  importGroup: inDataPlane('importGroup'),
  writeExport: inDataPlane('writeExport'),
  publishExport: attempt(async (of, context) => await atSource(of, context, async (source) => await publishExport(source, of))),
  discardExport: attempt(async (of, context) => await atSource(of, context, async (source) => await discardExport(source, of))),
};
