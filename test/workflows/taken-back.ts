import type { SystemView } from '../../workflows/domain/system-view.ts';

/** A shipped system, whose target is taken back by a program and by a person besides: no shipped file has a step whose `undo` names a command. */
export const takenBack = (view: SystemView): SystemView => ({
  ...view,
  commands: { ...view.commands, 'take-back': { undo: false } },
  runbook: { ...view.runbook, steps: view.runbook.steps.map((step) => (step.uses === 'provision' ? { ...step, undo: { command: 'take-back', manual: 'Look that its name is gone' } } : step)) },
});
