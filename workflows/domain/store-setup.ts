import type { Finding } from './recovery-plan.ts';

/**
 * One thing that a bucket (or directory) must be, and whether it is.
 * as-asked; to-do: `store init` does it; cannot: only a person can; unsupported: this server has no such thing; unread: it could not be looked at.
 */
export interface Setting {
  setting: string;
  state: 'as-asked' | 'to-do' | 'cannot' | 'unsupported' | 'unread';
  wanted: string;
  found: string;
  hint: string | null;
}

/** What was really tried, in objects of the check's own. null: it could not be tried, and a finding says why. */
export interface StoreProbe {
  /** a second put-if-absent was refused, and what was there first stayed */
  ifAbsentHolds: boolean | null;
  /** a version that is locked was not deleted; null also where the system file asks for no lock */
  lockHolds: boolean | null;
  /** bytes that are not those of the checksum were refused */
  checksumHolds: boolean | null;
  /** these credentials may delete a version whose lock is over, or that has none */
  mayDelete: boolean | null;
  /** these credentials may pass over a lock of the mode governance */
  mayBypass: boolean | null;
  /** the store's clock minus ours; a server tells it only where the two differ by minutes */
  skewMs: number;
  putMs: number;
  getMs: number;
}

export interface StoreCheck {
  system: string;
  store: string;
  kind: 's3' | 'local';
  checkedAt: string;
  settings: Setting[];
  probe: StoreProbe | null;
  findings: Finding[];
}

export const describeSetting = ({ setting, state, wanted, found }: Setting): string => `  ${state.padEnd(11)} ${setting.padEnd(17)} ${state === 'as-asked' ? found : `${found}; wanted: ${wanted}`}`;

export function describeStoreCheck({ system, store, settings, probe, findings }: StoreCheck): string[] {
  const held = (name: string, holds: boolean | null): string[] => (holds === null ? [] : [`  ${holds ? 'holds' : 'FAILS'}       ${name}`]);
  return [
    `store ${store} of ${system}`,
    ...settings.map(describeSetting),
    ...(probe ? [
      ...held('put-if-absent: a second put is refused', probe.ifAbsentHolds),
      ...held('lock: a locked version is not deleted', probe.lockHolds),
      ...held('checksum: other bytes are refused', probe.checksumHolds),
      `  put ${Math.round(probe.putMs)} ms   get ${Math.round(probe.getMs)} ms   clocks differ by ${Math.round(Math.abs(probe.skewMs) / 1000)} s`,
    ] : []),
    ...findings.map(({ effect, message, hint }) => `${effect === 'fails' ? 'fails' : 'warning'}  ${message}${hint ? ` HINT: ${hint}` : ''}`),
    ...(findings.some(({ effect }) => effect === 'fails') ? [] : ['nothing found that would fail']),
  ];
}
