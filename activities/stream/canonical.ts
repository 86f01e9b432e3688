import canonicalize from 'canonicalize';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** Canonical JSON (RFC 8785) as UTF-8: the same value is always the same bytes, so it can be signed. */
export function canonicalBytes(value: unknown): Buffer {
  const text = canonicalize(value);
  if (text === undefined) throw new HoldfastError('BadInput', 'nothing to write: the value has no JSON form');
  return Buffer.from(text, 'utf8');
}
