import { formatLogPosition, type LogPosition } from '../log-position.ts';
import { formatBytes } from '../units.ts';
import type { DisposalCertificate, DisposalOrder, Inventory } from './records.ts';

/** What a disposal would destroy, and what stands against it. */
export interface DisposalPlan {
  system: string;
  source: string;
  point: string;
  timeline: string;
  end: LogPosition;
  /** by the store's clock */
  at: string;
  inventory: Inventory;
  /** wrappings of its key: who could open it */
  wrappings: number;
  /** until when the store keeps them, and the manifest, from being deleted; null: not at all */
  lockedUntil: { keys: string | null; manifest: string | null };
  /** an earlier run has begun */
  begunAt: string | null;
  /** why it is refused; empty: it is not */
  refused: string[];
  notes: string[];
}

/** What one disposal came to, as its signed objects and the store say. */
export interface DisposalRead {
  source: string;
  point: string;
  order: Pick<DisposalOrder, 'run' | 'at' | 'by' | 'approvedBy' | 'reason'>;
  /** the newest; null: it goes on, or was given up */
  certificate: DisposalCertificate | null;
  /** of one without a certificate: that it was taken back, or gave way, in words; null: it was not */
  withdrawn: string | null;
  /** of `verify` only: what is wrong with it */
  problems: { object: string; problem: string }[];
}

const amount = ({ objects, versions, deleteMarkers, bytes }: Inventory): string => `${objects} objects (${versions} versions${deleteMarkers > 0 ? `, ${deleteMarkers} delete markers` : ''}, ${formatBytes(bytes)})`;

export const describePlan = ({ system, source, point, end, inventory, wrappings, lockedUntil, begunAt, refused, notes }: DisposalPlan): string[] => [
  `${system}/${source}: ${point} of ${formatLogPosition(end)}: ${wrappings} wrappings of its key, ${amount(inventory)}`,
  ...(begunAt === null ? [] : [`its disposal was begun at ${begunAt}`]),
  `its keys can be destroyed ${lockedUntil.keys === null ? 'now' : `from ${lockedUntil.keys} on, when their lock ends`}${lockedUntil.manifest === null ? '' : `; its manifest is locked until ${lockedUntil.manifest}`}`,
  ...refused.map((why) => `refused: ${why}`),
  ...notes,
];

export const describeCertificate = ({ source, point, by, approvedBy, reason, steps, wrappings, destroyed, left, leftCount }: DisposalCertificate): string[] => [
  `${source}/${point}: ${leftCount === 0 ? 'destroyed' : `destroyed but for ${leftCount} versions`}: ${wrappings.length} wrappings of its key${steps.keysGoneAt === null ? '' : ` by ${steps.keysGoneAt}`}, ${amount(destroyed)}${steps.allGoneAt === null ? '' : ` by ${steps.allGoneAt}`}`,
  `asked for by ${by ?? 'nobody named'} at ${steps.orderedAt}${approvedBy.length > 0 ? `, approved by ${approvedBy.join(', ')}` : ''}: ${reason}`,
  ...left.map(({ what, why }) => `left: ${what}: ${why}`),
];

export const describeRead = ({ source, point, order, certificate, withdrawn, problems }: DisposalRead): string[] => [
  ...(certificate ? describeCertificate(certificate) : [`${source}/${point}: ordered at ${order.at} by ${order.by ?? 'nobody named'}, ${withdrawn ?? 'no certificate yet'}: ${order.reason}`]),
  ...problems.map(({ object, problem }) => `  ${object}: ${problem}`),
];
