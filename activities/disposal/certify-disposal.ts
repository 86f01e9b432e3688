import type { CertifiedDisposal } from '../../workflows/contract.ts';
import { disposalCertificateSchema, type DisposalCertificate, type Inventory, type Wrapping } from '../../workflows/domain/disposal/records.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { recordAct } from '../audit/record-act.ts';
import type { SourceContext } from '../context.ts';
import { nameOf } from '../evidence/bundles.ts';
import { unlessThere } from '../retention/take-base.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import { takeInventory } from './plan-disposal.ts';
import { disposalAct, readOrders } from './read-disposals.ts';

const method = 'Every wrapping of the data key (AES-256) that its parts are encrypted under was destroyed, so that no copy of them can be opened; then every version and every delete marker of every object of it was deleted from the store by its version.';

/**
 * Looks once more what is there, signs what was destroyed and what was not, locked as evidence is, and writes the certificate's digest into the audit.
 *
 * Killed before the put: nothing is certified. After it: a certificate that the audit does not name; the next try adopts it, and the audit names it. Twice: the same one.
 *
 * @param left - what the store does not let go, as the last pass was told.
 */
export async function certifyDisposal(context: SourceContext, { point, run, workflow, keysGoneAt, allGoneAt, left }: Pick<DisposalCertificate, 'point' | 'run' | 'left'> & { workflow: string; keysGoneAt: string | null; allGoneAt: string | null }): Promise<CertifiedDisposal> {
  const { store, keys, signal, system, sourceName } = context;
  const of = { system: system.system, source: sourceName, point, run };
  const orders = await readOrders(context, of);
  const order = orders.find(({ body }) => body.run === run)?.body;
  if (!order) throw new HoldfastError('ObjectMissing', `${layout.disposalOrder(of)} is not there, or not believed: nothing is certified`);
  const { timeline, workflowId, by, approvedBy, reason } = order;
  const now = await takeInventory(context, { ...of, timeline, backup: point });
  const first = orders[0]!.body;
  // Of two at once the one that was judged first may have counted last.
  const whole = orders.map(({ body }) => body.inventory).reduce((most, one) => (one.versions > most.versions ? one : most));
  const there = new Set(now.wrappings.map(nameOfWrapping));
  const wrappings = new Map(orders.flatMap(({ body }) => body.wrappings).filter((one) => !there.has(nameOfWrapping(one))).map((one) => [nameOfWrapping(one), one]));
  const leftCount = now.inventory.versions + now.inventory.deleteMarkers;
  const certificate: DisposalCertificate = {
    format: formatVersion, kind: 'disposal-certificate', ...of, timeline, workflowId, by, approvedBy, reason, method,
    at: (await store.now({ signal })).toISOString(),
    orders: orders.map(({ ref }) => ref),
    wrappings: [...wrappings.values()],
    destroyed: without(whole, now.inventory),
    steps: { orderedAt: first.at, keysGoneAt: now.wrappings.length > 0 ? null : keysGoneAt, allGoneAt: leftCount > 0 ? null : allGoneAt },
    left: leftCount === 0 ? [] : left.length > 0 ? left : [{ what: `${leftCount} versions`, why: 'were there when this was written' }],
    leftCount,
    stays: [...first.notes, 'what was taken out of it before, by an export or a recovery, is not in this store'],
    stores: [store.name],
  };
  await putSigned(store, keys, layout.disposalCertificate(of), certificate, { ifAbsent: true, signal }).catch(unlessThere);
  const { found } = await findSigned(store, keys, disposalCertificateSchema, layout.disposalCertificate(of), { signal });
  if (!found) throw new HoldfastError('Tampered', `${layout.disposalCertificate(of)} was written, and is not believed`);
  await recordAct({ store, keys, signal }, { system: of.system, by, act: disposalAct, outcome: 'done', about: `${of.source}/${point}: ${nameOf(found.ref)}`, workflow, workflowId, runId: run });
  return { ref: found.ref, certificate: found.body };
}

const nameOfWrapping = ({ key, versionId }: Wrapping): string => `${key} ${versionId}`;

const without = (all: Inventory, left: Inventory): Inventory => ({
  objects: Math.max(0, all.objects - left.objects),
  versions: Math.max(0, all.versions - left.versions),
  deleteMarkers: Math.max(0, all.deleteMarkers - left.deleteMarkers),
  bytes: Math.max(0, all.bytes - left.bytes),
});
