import type { HealthResult, TrafficState } from '../../workflows/contract.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { JobContext } from '../context.ts';

export interface SwitchContext extends JobContext {
  system: System;
  address(text: string): string;
}

/**
 * Lets requests through to one side, or to none. Data moves at once; what is gradual is admission: a share of requests is
 * answered by the new side, and the rest get a maintenance answer, never the old side.
 */
export interface TrafficSwitch {
  /**
   * Safe to repeat. Returns when answers at the public address were seen to come from where they should.
   * @param percent - of requests; 0 gives all the maintenance answer.
   * @throws TargetUnavailable - retryable: the change is made, and the answers do not come from there (yet).
   * @throws BadInput - no such side; names those there are.
   */
  admit(context: SwitchContext, environment: string, percent: number): Promise<TrafficState>;
  read(context: SwitchContext): Promise<TrafficState>;
  /** @throws ValidationFailed - not healthy for `watchMs` on end within `withinMs`; names the last thing seen. */
  watchHealth(context: SwitchContext, input: { environment: string; watchMs: number; withinMs: number }): Promise<HealthResult>;
}

/** Loaded when traffic is first asked about or moved. */
const switches = { nginx: async () => (await import('./nginx.ts')).nginxSwitch } as const satisfies Record<string, () => Promise<TrafficSwitch>>;

export const openSwitch = async (system: System): Promise<TrafficSwitch> => await switches[system.traffic.uses]();
