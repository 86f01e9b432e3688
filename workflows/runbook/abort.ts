import type { Draft } from './draft.ts';

/**
 * From here on nothing new starts: what runs is cancelled, and once it has ended the undos begin (settle). Beyond the point of no return,
 * where a run can be aborted only because another control plane has the command, nothing is undone: the new side may be serving.
 */
export function beginAbort(draft: Draft, { by, reason = null }: { by: string; reason?: string | null | undefined }): void {
  const { snapshot } = draft;
  snapshot.abort = { by, reason, at: draft.at };
  snapshot.rewind = null;
  draft.note('run', `aborted${reason ? `: ${reason}` : ''}`, by);
  if (snapshot.noReturn !== null) {
    for (const track of Object.values(snapshot.tracks)) if (track.undo === 'registered') track.undo = 'left';
    draft.warn('run', `nothing is undone: another control plane has the command, and ${snapshot.noReturn}`);
  }
  for (const gate of snapshot.state.gates) {
    if (gate.status !== 'open') continue;
    gate.status = 'pending';
    gate.closedAt = draft.at;
    draft.note(gate.gate, 'closed by the abort');
  }
  for (const step of snapshot.state.steps) {
    // An undo that runs already goes on: it is what the abort wants.
    if (step.state === 'running' && draft.track(step.id).undo !== 'running') draft.commands.push({ kind: 'cancel-step', step: step.id });
    if (step.state === 'waiting' && draft.track(step.id).undo !== 'running') {
      step.state = 'failed';
      step.endedAt = draft.at;
      step.error = { type: 'Aborted', message: 'the run was aborted while this waited for people' };
    }
  }
}
