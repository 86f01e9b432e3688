import { z } from 'zod';

/**
 * What leaves the machine leaves it by TLS 1.3, or not at all. This is the one setting that lets a connector speak less: it stands beside the connector's
 * address, says why, and is shown by `plan` and `access check` for as long as it is there.
 */
export const weakerTlsSchema = z
  .strictObject({
    atLeast: z.enum(['1.2', 'none']).meta({ description: '1.2: TLS 1.2 will do; none: in the clear, or by a certificate that nobody checks' }),
    reason: z.string().trim().min(10).max(300).meta({ description: 'why, for whoever reads the plan: at least ten characters' }),
  })
  .optional()
  .meta({ description: 'lets this connector speak less than TLS 1.3 off loopback; left out: TLS 1.3, or it is refused by name' });

export type WeakerTls = z.output<typeof weakerTlsSchema>;

export const describeWeakerTls = ({ atLeast, reason }: NonNullable<WeakerTls>): string => `${atLeast === 'none' ? 'may speak in the clear' : 'may speak TLS 1.2'}, since: ${reason}`;
