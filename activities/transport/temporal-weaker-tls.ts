import { HoldfastError } from '../../workflows/domain/errors.ts';
import { weakerTlsSchema, type WeakerTls } from '../../workflows/domain/weaker-tls.ts';

export const temporalWeakerTls = 'HOLDFAST_TEMPORAL_WEAKER_TLS';

/** `1.2: why` or `none: why`: what `weakerTls` is for the connectors of a system file. @throws BadInput. */
export function readTemporalWeakerTls(env: NodeJS.ProcessEnv = process.env): WeakerTls {
  const text = env[temporalWeakerTls];
  if (!text) return undefined;
  const [, atLeast, reason] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  const parsed = weakerTlsSchema.safeParse({ atLeast: atLeast?.trim(), reason });
  if (!parsed.success) throw new HoldfastError('BadInput', `${temporalWeakerTls}: expected "1.2: REASON" or "none: REASON", the reason at least ten characters`);
  return parsed.data;
}
