import type { ObjectRef } from '../stored-object.ts';
import type { KeyRotation, RecipientName } from './records.ts';

/** Whom a rotation is for, by the system file that it began with. */
export interface RotationKeys {
  recipients: (RecipientName & { opens: boolean })[];
  retiring: RecipientName[];
}

/** What one page of a rotation did. */
export interface WrappedKeys {
  /** where the next page begins; null: there is none */
  next: string | null;
  keys: number;
  /** wrappings that were put, or in a dry run would be */
  added: number;
  /** keys that nothing here opens: the first ten */
  unopened: { key: string; why: string }[];
  unopenedCount: number;
}

export type RotatedSource = Omit<KeyRotation['sources'][number], 'proofs'>;
export type KeyProof = KeyRotation['sources'][number]['proofs'][number];

/** What a rotation came to. */
export interface RotationResult {
  system: string;
  /** dry: nothing was to be touched */
  outcome: 'dry' | 'done';
  sources: (RotatedSource & { proofs: KeyProof[] })[];
  /** null: a dry run */
  rotation: { ref: ObjectRef; record: KeyRotation } | null;
}

export const nameOf = ({ kind, id }: RecipientName): string => `${kind} ${id}`;

const proofOf = ({ recipient, backup, part, slice }: KeyProof): string =>
  `opened with ${nameOf(recipient)} alone: ${backup === null ? 'there is no base' : `base ${backup}${part === null ? ', which has no part' : ' and a part of it'}`}${slice === null ? '' : ', and a slice of the log behind it'}`;

export const describeRotation = ({ system, outcome, sources, rotation }: RotationResult): string[] => [
  ...sources.flatMap(({ source, keys, added, proofs }) => [`${source}: ${keys} keys, ${added} wrappings ${outcome === 'dry' ? 'would be added' : 'added'}`, ...proofs.map((proof) => `${source}: ${proofOf(proof)}`)]),
  ...(rotation ? [`every key is wrapped for ${rotation.record.recipients.map(nameOf).join(', ')}`, ...rotation.record.retired.map((one) => `retired: nothing of ${system} depends on ${nameOf(one)} any more; take it out of key.retiring everywhere, then destroy it`), `record: ${rotation.ref.key}`] : []),
];
