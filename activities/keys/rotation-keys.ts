import { HoldfastError } from '../../workflows/domain/errors.ts';
import { nameOf, type RotationKeys } from '../../workflows/domain/keys/describe.ts';
import type { Keys } from '../stream/keys.ts';

/** Whom this worker's system file names. */
export const rotationKeysOf = ({ wrappers, retiring }: Pick<Keys, 'wrappers' | 'retiring'>): RotationKeys => ({
  recipients: wrappers.map(({ recipient: { kind, id }, opens }) => ({ kind, id, opens })),
  retiring: retiring.map(({ recipient: { kind, id } }) => ({ kind, id })),
});

const describe = ({ recipients, retiring }: RotationKeys): string => `${recipients.map((one) => `${nameOf(one)}${one.opens ? '' : ' (public half)'}`).sort().join(', ')}${retiring.length === 0 ? '' : `; retiring ${retiring.map(nameOf).sort().join(', ')}`}`;

/**
 * Each step of a rotation may run on another worker: one with an older system file would find nothing missing, and the next one would write down that nothing is.
 * @throws BadSystemFile - this worker's file names others than the rotation began with.
 */
export function requireSameKeys(keys: Pick<Keys, 'wrappers' | 'retiring'>, began: RotationKeys): void {
  const [ours, theirs] = [describe(rotationKeysOf(keys)), describe(began)];
  if (ours === theirs) return;
  throw new HoldfastError('BadSystemFile', `a worker’s system file names the keys ${ours}, and the rotation began with ${theirs}: nothing is retired`, { hint: 'give every worker the same system file, then rotate again' });
}
