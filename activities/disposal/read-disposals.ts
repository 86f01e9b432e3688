import type { z } from 'zod';
import type { DisposalRead } from '../../workflows/domain/disposal/describe-disposal.ts';
import { disposalCertificateSchema, disposalOrderSchema, type DisposalCertificate, type DisposalOrder } from '../../workflows/domain/disposal/records.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { foldMarks } from '../../workflows/domain/point-mark.ts';
import type { AuditRoom } from '../audit/record-act.ts';
import { nameOf } from '../evidence/bundles.ts';
import type { AuditRecords } from '../evidence/read-evidence.ts';
import { folderOf } from '../retention/take-base.ts';
import { foldersUnder, keysUnder } from '../store/keys-under.ts';
import { readHistory } from '../store/marks.ts';
import { findSigned, type Found, type SignedBody } from '../store/signed-object.ts';

export interface PointRef {
  system: string;
  source: string;
  point: string;
}

/** What stands in the audit for a disposal: that it was asked for, that it begins, and its certificate. */
export const disposalAct = 'dispose';

/** The orders of a point that are believed, the oldest first. */
export const readOrders = async (room: AuditRoom, of: PointRef): Promise<Found<DisposalOrder>[]> => (await readSaid(room, of)).orders;

/** All that was signed of a point's disposals; what is not believed is a problem. */
async function readSaid(room: AuditRoom, of: PointRef): Promise<{ orders: Found<DisposalOrder>[]; certificates: Found<DisposalCertificate>[]; problems: DisposalRead['problems'] }> {
  const problems: DisposalRead['problems'] = [];
  const read = async <S extends z.ZodType>(schema: S, key: string): Promise<Found<z.output<S>>[]> => {
    const { found, rejected } = await findSigned(room.store, room.keys, schema, key, room.signal ? { signal: room.signal } : {});
    problems.push(...rejected.map(({ why }) => ({ object: key, problem: why })));
    return found ? [found] : [];
  };
  const orders: Found<DisposalOrder>[] = [];
  const certificates: Found<DisposalCertificate>[] = [];
  for await (const key of keysUnder(room.store, layout.disposalsOf(of), room.signal)) {
    if (key.endsWith('/order.json')) orders.push(...(await read(disposalOrderSchema, key)));
    else if (key.endsWith('/certificate.json')) certificates.push(...(await read(disposalCertificateSchema, key)));
    else problems.push({ object: key, problem: 'is nothing that a disposal writes' });
  }
  return { orders: byTime(orders), certificates: byTime(certificates), problems };
}

const byTime = <T extends SignedBody & { at: string }>(found: Found<T>[]): Found<T>[] => found.sort((a, b) => (a.body.at < b.body.at ? -1 : 1));

/** Every point of a system that was ordered to be destroyed, the oldest first. */
export async function listDisposals(room: AuditRoom, system: string): Promise<DisposalRead[]> {
  const all: DisposalRead[] = [];
  for await (const source of foldersUnder(room.store, layout.disposals(system), room.signal)) {
    for await (const point of foldersUnder(room.store, layout.disposalsIn({ system, source }), room.signal)) {
      const { orders, certificates } = await readSaid(room, { system, source, point });
      const order = orders.at(-1);
      const certificate = certificates.at(-1)?.body ?? null;
      if (order) all.push({ source, point, order: order.body, certificate, withdrawn: certificate ? null : await whyWithdrawn(room, order.body), problems: [] });
    }
  }
  return all.sort((a, b) => (a.order.at < b.order.at ? -1 : 1));
}

/**
 * Whether a point was destroyed, by its certificate, the audit and the store: the signatures, that the audit names the certificate as it is, and that nothing of the point is there, neither version
 * nor delete marker. Copies under other names nobody finds by looking: that they cannot be opened is what the destroyed wrappings are for. Reads only.
 *
 * @throws ObjectMissing - nothing was ever signed of such a disposal.
 */
export async function verifyDisposal(room: AuditRoom, system: string, point: string, audit: AuditRecords): Promise<DisposalRead[]> {
  const found: DisposalRead[] = [];
  for await (const source of foldersUnder(room.store, layout.disposals(system), room.signal)) {
    const of = { system, source, point };
    const { orders, certificates, problems } = await readSaid(room, of);
    const order = orders.at(-1)?.body ?? certificates.at(-1)?.body;
    if (!order && problems.length === 0) continue;
    const newest = certificates.at(-1);
    const certificate = newest?.body ?? null;
    if (!certificate) problems.push({ object: layout.disposalsOf(of), problem: 'there is no certificate that is believed: it goes on, was given up, or was destroyed itself' });
    else problems.push(...holdAgainstAudit(newest!, audit), ...certificate.left.map(({ what, why }) => ({ object: what, problem: `was left: ${why}` })));
    for (const { ref, body } of newest ? orders : []) if (body.at <= newest!.body.at && !certificates.some((one) => one.body.orders.some((named) => nameOf(named) === nameOf(ref)))) problems.push({ object: ref.key, problem: 'no certificate names this order' });
    if (order) problems.push(...(await whatIsThere(room, { ...of, timeline: order.timeline })));
    found.push({ source, point, order: order ?? nothingBelieved, certificate, withdrawn: certificate || !order ? null : await whyWithdrawn(room, order), problems });
  }
  for (const { body } of audit.values()) {
    const [of, name] = body.about.split(': ') as [string, string];
    const source = of.slice(0, -point.length - 1);
    if (body.act !== disposalAct || body.outcome !== 'done' || of !== `${source}/${point}`) continue;
    const read = found.find((one) => one.source === source);
    const problem = { object: name.split(' ')[0]!, problem: `record ${body.number} of the audit names it, and no such certificate is believed` };
    if (!read) found.push({ source, point, order: nothingBelieved, certificate: null, withdrawn: null, problems: [problem] });
    else if (!(await readSaid(room, { system, source, point })).certificates.some(({ ref }) => nameOf(ref) === name)) read.problems.push(problem);
  }
  if (found.length === 0) throw new HoldfastError('ObjectMissing', `${system}: no disposal of ${point} was ever ordered`, { hint: `holdfast disposals list ${system} names those that were` });
  return found;
}

/** The point is given again: somebody took its mark back since it was ordered, or the disposal did, giving way. */
async function whyWithdrawn({ store, keys, signal }: AuditRoom, order: PointRef & { at: string }): Promise<string | null> {
  const history = await readHistory({ store, keys, signal }, order, order.point);
  const last = history.findLast(({ state, at }) => (state === 'good' || state === 'kept') && at > order.at);
  return last && !foldMarks(history)?.disposal ? `${last.state === 'kept' ? 'gave way' : `taken back by ${last.by}`} at ${last.at} (${last.reason})` : null;
}

const nothingBelieved = { run: '', at: '', by: null, approvedBy: [], reason: 'no order is believed' };

function holdAgainstAudit({ ref }: Found<DisposalCertificate>, audit: AuditRecords): DisposalRead['problems'] {
  const said = [...audit.values()].some(({ body }) => body.act === disposalAct && body.about.includes(nameOf(ref)));
  return said ? [] : [{ object: ref.key, problem: 'no record of the audit names it as it is' }];
}

const shown = 20;

async function whatIsThere({ store, signal }: AuditRoom, { system, source, point, timeline }: PointRef & { timeline: string }): Promise<DisposalRead['problems']> {
  const problems: DisposalRead['problems'] = [];
  let more = 0;
  for (const prefix of [folderOf({ system, source, timeline, backup: point }), layout.expiredBase({ system, source, backup: point })]) {
    for await (const { key, versionId, isDeleteMarker, modifiedAt } of store.list(prefix, signal ? { signal } : {})) {
      if (problems.length >= shown) more += 1;
      else problems.push({ object: key, problem: `${isDeleteMarker ? 'delete marker' : 'version'} ${versionId} of ${modifiedAt} is in the store` });
    }
  }
  return more === 0 ? problems : [...problems, { object: folderOf({ system, source, timeline, backup: point }), problem: `${more} more versions are in the store` }];
}
