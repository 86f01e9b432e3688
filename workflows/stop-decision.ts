import { z } from 'zod';
import type { Decision } from './act-recorder.ts';

const saidSchema = z.object({ by: z.string().max(100).optional(), reason: z.string().max(500).optional() });

/** Who told an archive or a watch to stop, for the audit. It is obeyed whoever says it; what cannot be read is said by nobody who is named. */
export function stopDecision(what: string, typed: unknown): Decision {
  const { by, reason } = saidSchema.safeParse(typed ?? {}).data ?? {};
  return { by: by ?? null, act: 'stop', outcome: 'permitted', about: `${what} is stopped${reason === undefined ? '' : `: ${reason}`}` };
}
