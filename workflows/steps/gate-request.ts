import { gateRungs, type GateRung } from '../domain/contacts.ts';
import { peopleWith, samePerson } from '../domain/people.ts';
import { permissions } from '../domain/permissions.ts';
import type { GateClocks } from '../domain/run-state.ts';
import type { GateConfig } from '../domain/system.ts';
import type { SystemView } from '../domain/system-view.ts';
import type { GateRequest } from '../runbook/run-types.ts';

/**
 * A gate as the system's `approvals` have it, or as it is where they do not name it. Roles become the people who have them, so that whoever is
 * waited for has a name; a gate that names nobody is answered by whoever the permission table lets.
 */
export function gateRequest(view: SystemView, gate: string): GateRequest {
  const config = view.approvals[gate];
  const rungs = config ? gateRungs(config, view.ladders ?? {}) : [];
  return {
    gate,
    description: config?.description ?? gate,
    quorum: config?.quorum ?? 1,
    people: peopleOf(view, config?.people ?? [], config?.roles ?? []),
    notRequester: config?.notRequester ?? true,
    otherPeople: false,
    ...(config?.proof && config.proof !== 'none' ? { proof: config.proof } : {}),
    ...(config && ((config.expiresAfter ?? config.remindEvery) !== undefined || rungs.length > 0) ? { clocks: clocksOf(config, rungs) } : {}),
    ...(config?.preApproved ? { preApprovedFor: config.preApproved.purpose } : {}),
  };
}

const clocksOf = ({ expiresAfter, remindEvery }: GateConfig, rungs: GateRung[]): GateClocks => ({
  ...(expiresAfter === undefined ? {} : { expiresAfterMs: expiresAfter }),
  ...(remindEvery === undefined ? {} : { remindEveryMs: remindEvery }),
  ...(rungs.length === 0 ? {} : { escalate: rungs }),
});

function peopleOf({ people }: SystemView, named: readonly string[], roles: readonly string[]): string[] {
  if (!people) return [...named];
  const unnamed = named.length === 0 && roles.length === 0;
  const having = peopleWith(people, unnamed ? permissions.approve.who : roles);
  return [...named, ...having.filter((name) => !named.some((other) => samePerson(people, name, other)))];
}
