import { defineQuery, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { describeProgress } from './domain/describe-progress.ts';
import type { TransferState } from './domain/exchange.ts';
import { queryNames } from './domain/messages.ts';
import { progressOfBackup } from './domain/step-progress.ts';
import { handleProgress } from './runbook/messages.ts';

/** What people see of an import, an export or a verification while it runs: the query `state` and the details of the UI. */
export interface Transfer {
  /** what it is, in a line */
  show(heading: string): void;
  enter(phase: TransferState['phase']): void;
  phase(): TransferState['phase'];
}

/** Synchronous: the handlers must stand before the first message is delivered. */
export function watchTransfer(first: TransferState['phase']): Transfer {
  const state: TransferState = { phase: first, progress: null };
  let heading = '';
  const show = (): void => setCurrentDetails([`**${heading}**`, [state.phase, ...(state.progress ? describeProgress(state.progress) : [])].join(', ')].join('\n\n'));
  setHandler(defineQuery<TransferState>(queryNames.state), () => state, { description: 'How far it is.' });
  handleProgress((told) => {
    state.progress = progressOfBackup({ phase: state.phase, work: null }, told.activities, Date.now()) ?? null;
    show();
  });
  return {
    show: (what) => {
      heading = what;
      show();
    },
    enter: (phase) => {
      Object.assign(state, { phase, progress: null });
      show();
    },
    phase: () => state.phase,
  };
}
