import type { DisposalToOrder, OrderedDisposal } from '../../workflows/contract.ts';
import { disposalOrderSchema, type DisposalOrder } from '../../workflows/domain/disposal/records.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import type { Mark } from '../../workflows/domain/source-records.ts';
import { anonymous } from '../../workflows/domain/messages.ts';
import { foldMarks } from '../../workflows/domain/point-mark.ts';
import type { SourceContext } from '../context.ts';
import { unlessThere } from '../retention/take-base.ts';
import { assertEpoch } from '../store/epoch.ts';
import { readHistory, writeMark } from '../store/marks.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import { canBeOpened, findPoint, judgeMarked, takeInventory } from './plan-disposal.ts';
import { readOrders, type PointRef } from './read-disposals.ts';

/**
 * Judges once more, writes down what is going to be destroyed, and marks the point: from then on nobody is given it, by whatever name, though all of it is there. Then looks whether another disposal,
 * or a retention, takes at the same time what stood in for it, and gives way if so (`judgeMarked`).
 *
 * | killed | left behind | then |
 * |---|---|---|
 * | before the order | nothing | the next try judges again |
 * | before the mark | an order that nothing follows from | the next try adopts it, and marks |
 * | after the mark | a point that nobody is given | the next try looks at the others, and answers the same; `holdfast mark POINT good` takes it back as long as a wrapping of its key is there |
 * | after it gave way | a point that is given again | the next try is refused with the same words |
 *
 * @throws NotPermitted - somebody holds it, a run reads it, or it is needed: says what. EpochSuperseded, StoreUnavailable - nothing was done.
 */
export async function orderDisposal(context: SourceContext, asked: DisposalToOrder): Promise<OrderedDisposal> {
  const { store, keys, signal, system, sourceName, epoch } = context;
  const of = { system: system.system, source: sourceName, point: asked.point, run: asked.run };
  const key = layout.disposalOrder(of);
  const before = (await findSigned(store, keys, disposalOrderSchema, key, { signal })).found;
  if (!before) {
    const { scope, end, manifest, refused, notes, at } = await findPoint(context, asked);
    if (refused.length > 0) throw new HoldfastError('NotPermitted', `${of.system}/${of.source}: ${of.point} is not disposed of: ${refused.join('; ')}`);
    const { inventory, wrappings } = await takeInventory(context, scope);
    const { timeline } = scope;
    const order: DisposalOrder = { format: formatVersion, kind: 'disposal-order', ...of, timeline, workflowId: asked.workflowId, by: asked.by, approvedBy: asked.approvedBy, reason: asked.reason, epoch, at, end, manifest, wrappings, inventory, evenTheLast: asked.evenTheLast, notes };
    await assertEpoch(store, of.system, epoch, { signal });
    await putSigned(store, keys, key, order, { ifAbsent: true, signal }).catch(unlessThere);
  }
  const { found } = await findSigned(store, keys, disposalOrderSchema, key, { signal });
  if (!found) throw new HoldfastError('Tampered', `${key} was written, and is not believed`);
  const { timeline, wrappings, inventory, at, by, reason } = found.body;
  const history = await readHistory(context, of, of.point);
  refuseKept(of, history);
  // What was said under this run counts once: whoever has taken it back since is not overruled by a second try.
  if (!history.some(({ id }) => id === of.run) && !foldMarks(history)?.disposal) {
    await assertEpoch(store, of.system, epoch, { signal });
    await writeMark(context, { ...of, state: 'disposed', reason, by: by ?? anonymous, id: of.run }).catch(async (error: unknown) => {
      // Another disposal of it was faster, to the last object: there is nothing to be given, and its mark stands.
      if (!foldMarks(await readHistory(context, of, of.point))?.disposal) throw error;
    });
  }
  await giveWay(context, of, { timeline, history });
  return { timeline, order: found.ref, orderedAt: at, wrappings: wrappings.length, inventory };
}

/** What is begun, and can be opened by nobody any more, is ended; and whoever said `evenTheLast` of it, and has not been taken back, has said so. */
async function giveWay(context: SourceContext, of: PointRef & { run: string }, { timeline, history }: { timeline: string; history: readonly Mark[] }): Promise<void> {
  const scope = { system: of.system, source: of.source, timeline, backup: of.point };
  const since = history.findLast(({ state }) => state === 'good' || state === 'kept')?.at ?? '';
  if (!(await canBeOpened(context, scope)) || (await readOrders(context, of)).some(({ body }) => body.evenTheLast && body.at > since)) return;
  const refused = await judgeMarked(context, scope);
  if (refused.length === 0) return;
  await writeMark(context, { ...of, state: 'kept', reason: refused.join('; ').slice(0, 500), by: 'disposal', id: keptId(of.run) }).catch(async (error: unknown) => {
    // Another disposal of it was faster, to its last key.
    if (await canBeOpened(context, scope)) throw error;
  });
  if (!(await canBeOpened(context, scope))) return;
  refuseKept(of, await readHistory(context, of, of.point));
}

const keptId = (run: string): string => `${run}/kept`;

function refuseKept({ system, source, point, run }: PointRef & { run: string }, history: readonly Mark[]): void {
  const kept = history.find(({ id }) => id === keptId(run));
  if (kept) throw new HoldfastError('NotPermitted', `${system}/${source}: ${point} is not disposed of, another disposal or a retention came at the same time: ${kept.reason}`);
}
