import { defaultElevationMs, elevationGate } from '../domain/elevation.ts';
import { formatDuration } from '../domain/units.ts';
import { peopleWith } from '../domain/people.ts';
import { permissions } from '../domain/permissions.ts';
import type { SystemView } from '../domain/system-view.ts';
import type { GateRequest, PlannedStep } from '../runbook/run-types.ts';
import { gateRequest } from './gate-request.ts';
import { defineStep } from './step.ts';

/** What the system's `approvals` say of the gate counts, but an administrator must be asked. */
function request(view: SystemView): GateRequest {
  const asked = gateRequest(view, elevationGate);
  const described = view.approvals[elevationGate] ? asked : { ...asked, people: peopleWith(view.people ?? {}, permissions.elevate.who) };
  return { ...described, notRequester: true, lastsMs: view.elevatedForMs ?? defaultElevationMs };
}

/**
 * Waits until somebody who may lets who asked for the run have it: an elevation that ends with the run, or after `elevatedFor` (../runbook/elevation.ts). Put before a runbook by
 * `elevateFirst`, when who asked needs it.
 */
export const elevate = defineStep('elevate', {
  about: 'waits until whoever asked for the run is let to have it, for this run',
  run(ctx) {
    const opens = request(ctx.view);
    return Promise.resolve({
      summary: `elevated for this run: ${ctx.requestedBy}`,
      opens: { ...opens, description: `${ctx.requestedBy} asks for a ${ctx.purpose} of ${ctx.view.system}${ctx.only ? ', of a part of it,' : ''} that their roles do not let them start alone: ${ctx.reason}. It would hold for ${formatDuration(opens.lastsMs!)}. Nothing has been touched yet.` },
    });
  },
  gate: (view) => request(view),
  skip: 'refused',
});

/** The plan with the elevation before everything else. A runbook may have a step of that id: it stays what it is. */
export function elevateFirst(view: SystemView, steps: PlannedStep[]): PlannedStep[] {
  const id = steps.some((step) => step.id === 'elevate') ? 'elevate-requester' : 'elevate';
  const first: PlannedStep = { id, uses: 'elevate', title: 'Elevate who asked, for this run', needs: [], budgetMs: null, retry: { attempts: 1, everyMs: 5_000 }, undo: false, gate: request(view), skip: 'refused' };
  return [first, ...steps.map((step) => (step.needs.length === 0 ? { ...step, needs: [id] } : step))];
}
