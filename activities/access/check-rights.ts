import { accessRoles, type AccessRole, type RightsFound } from '../../workflows/domain/access-roles.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';
import type { StoreCheck } from '../../workflows/domain/store-setup.ts';
import type { JobContext } from '../context.ts';
import { openEngine } from '../engines/open-engine.ts';
import { openContext } from '../open-context.ts';
import { checkTransport } from '../plan/check-transport.ts';
import { finding } from '../plan/finding.ts';
import { checkStore } from '../store/setup/check-store.ts';
import type { LoadedSystem } from '../system-files.ts';

export interface RightsCheck {
  system: string;
  role: AccessRole;
  store: StoreCheck;
  sources: { source: string; rights: RightsFound | null }[];
  findings: Finding[];
}

/**
 * What the credentials of this machine may really do, beside what a role is for: what is missing fails, what is too much warns. The store is tried in objects of the
 * check's own, which it deletes again where it may; a source is asked what its user may do. That a right to change the bucket itself is too much is not tried: it would do harm.
 */
export async function checkRights(loaded: LoadedSystem, role: AccessRole, job: JobContext): Promise<RightsCheck> {
  const { system } = loaded;
  const store = await checkStore(loaded, { probe: accessRoles[role].puts });
  const findings = [...(await checkTransport(system)), ...store.findings.filter(({ type }) => type === 'NotPermitted' || type === 'StoreUnavailable' || type === 'WeakTransport'), ...judgeStore(store, role)];
  const sources: RightsCheck['sources'] = [];
  for (const [source, { engine }] of Object.entries(system.sources)) {
    try {
      const context = await openContext({ system: system.system, source, epoch: 0 }, job);
      const { grants, checkRights: check } = await openEngine(engine);
      const rights = grants(role, context.source, context.system).commands.length === 0 ? null : await check(context, role);
      sources.push({ source, rights });
      findings.push(
        ...(rights?.missing ?? []).map((right) => finding('fails', 'NotPermitted', `source ${source}: may not ${right}`, `holdfast access print ${system.system} --for ${role} says what to grant`)),
        ...(rights?.tooMuch ?? []).map((right) => finding('warns', 'NotPermitted', `source ${source}: too much for ${role}: ${right}`)),
      );
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const { message, hint } = describeError(error);
      sources.push({ source, rights: null });
      findings.push(finding('fails', error.type, message, hint));
    }
  }
  return { system: system.system, role, store, sources, findings };
}

function judgeStore({ store, probe }: StoreCheck, role: AccessRole): Finding[] {
  if (!probe) return [];
  const { deletes } = accessRoles[role];
  return [
    ...(probe.mayBypass === true ? [finding('warns', 'NotPermitted', `store ${store}: too much for ${role}: may delete what is locked (s3:BypassGovernanceRetention)`, 'nobody needs that right; mode compliance knows none')] : []),
    ...(probe.mayDelete === true && deletes !== true ? [finding('warns', 'NotPermitted', `store ${store}: too much for ${role}: may delete versions that are not locked (s3:DeleteObjectVersion)`, 'give each role credentials of its own: holdfast access print')] : []),
    ...(probe.mayDelete === false && deletes === true ? [finding('fails', 'NotPermitted', `store ${store}: may not delete versions, which is what ${role} is for`)] : []),
  ];
}
