import type { Client } from '@temporalio/client';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockIds } from '../../workflows/domain/names.ts';
import type { GateState } from '../../workflows/domain/run-state.ts';
import type { Printer } from '../output/printer.ts';
import type { RunStatusView } from '../status/read-run.ts';

/** Who answers the demo's gates: never who asked for the run, and somebody else for each gate. */
const approvers = ['incident-commander', 'database-owner', 'head-of-operations'];
const givenAfterMs = 3_000;

export interface Approvals {
  /** ask at the terminal; else the approval is given after a few seconds */
  ask: boolean;
  signal: AbortSignal;
}

/**
 * Answers the gates of a run as a person would, by signal, and aborts a run that paused: a demo must end.
 * Made once a run; what it returns is called with every state.
 */
export function answerGates(printer: Printer, client: Client, { ask, signal }: Approvals): (view: RunStatusView) => Promise<void> {
  const answered = new Map<string, string>();
  const handle = client.workflow.getHandle(lockIds.recover('demo'));
  let aborted = false;
  const abort = async (reason: string): Promise<void> => {
    if (aborted) return;
    aborted = true;
    printer.note(`abort: ${reason}`);
    await handle.signal('abort', { by: approvers[0], reason });
  };
  return async ({ state, workflowStatus }) => {
    if (workflowStatus !== 'RUNNING') return;
    const failed = state.steps.find((step) => step.state === 'failed');
    if (state.status === 'paused' && failed) return await abort(`step ${failed.id} failed: ${failed.error?.message.slice(0, 400) ?? 'for no known reason'}`);
    for (const gate of state.gates.filter((one) => one.status === 'open')) {
      const key = `${gate.gate} ${gate.openedAt}`;
      if (answered.has(key)) continue;
      const by = approvers[answered.size % approvers.length]!;
      answered.set(key, by);
      if (await decide(printer, gate, by, ask, signal)) {
        await handle.signal('approve', { gate: gate.gate, by, reason: ask ? 'approved at the terminal' : 'approved by the demo' });
        printer.note(`signal approve sent, by ${by} (claimed)`);
      } else {
        await handle.signal('reject', { gate: gate.gate, by, reason: 'rejected at the terminal' });
        await abort('the switch was rejected');
      }
    }
  };
}

async function decide(printer: Printer, gate: GateState, by: string, ask: boolean, signal: AbortSignal): Promise<boolean> {
  if (!ask) {
    printer.note(`gate ${gate.gate} is open; ${by} approves in ${givenAfterMs / 1000} s`);
    await sleep(givenAfterMs, undefined, { signal });
    return true;
  }
  printer.endFrames();
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    while (true) {
      const text = (await terminal.question(`${gate.description}\napprove ${gate.gate} as ${by}? (y/n) `, { signal })).trim().toLowerCase();
      if (['y', 'yes'].includes(text)) return true;
      if (['n', 'no'].includes(text)) return false;
    }
  } finally {
    terminal.close();
  }
}
