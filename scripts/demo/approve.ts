import type { Client, WorkflowHandle } from '@temporalio/client';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockIds } from '../../workflows/domain/names.ts';
import type { GateState, RunState } from '../../workflows/domain/run-state.ts';
import type { Printer } from '../output/printer.ts';
import type { RunStatusView } from '../status/read-run.ts';
import { readState } from '../status/read-state.ts';

/** Who answers the demo's gates: never who asked for the run, and somebody else for each gate. */
const approvers = ['incident-commander', 'database-owner', 'head-of-operations'];
const givenAfterMs = 3_000;
const looksEveryMs = 1_000;

export interface Approvals {
  /** ask at the terminal; else the approval is given after a few seconds */
  ask: boolean;
  /** where a person types; the process's own, unless it is given */
  input?: NodeJS.ReadableStream;
  signal: AbortSignal;
}

/**
 * Answers the gates of a run as a person would, by signal, and aborts a run that paused: a demo must end.
 * Made once a run; what it returns is called with every state.
 */
export function answerGates(printer: Printer, client: Client, approvals: Approvals): (view: RunStatusView) => Promise<void> {
  const { ask } = approvals;
  const answered = new Map<string, string>();
  const handle = client.workflow.getHandle(lockIds.recover('demo'));
  const by = approvers[0]!;
  const giveUp = async (reason: string, failedStep: string | undefined): Promise<void> => {
    printer.note(`abort       ${reason}`);
    try {
      await handle.executeUpdate('abort', { args: [{ by, reason: reason.slice(0, 500) }] });
    } catch {
      // Refused where a way back is closed, as after the first write at the new side: then the run is led to its end.
      if (failedStep) await handle.executeUpdate('skip', { args: [{ step: failedStep, by, reason: reason.slice(0, 500) }] });
    }
  };
  return async ({ state, workflowStatus }) => {
    if (workflowStatus !== 'RUNNING') return;
    const failed = state.steps.find((step) => step.state === 'failed' || step.state === 'stuck');
    if (failed && (state.status === 'paused' || state.status === 'stuck')) {
      const reason = `step ${failed.id} failed: ${failed.error?.message ?? 'for no known reason'}`;
      // With service back there is nothing to go back to: what failed is left out, and the demo is not ok.
      if (state.servedAt === null && state.status === 'paused') return await giveUp(reason, failed.id);
      printer.note(`skip        ${reason}`);
      await handle.executeUpdate('skip', { args: [{ step: failed.id, by, reason: reason.slice(0, 500) }] });
      return;
    }
    for (const gate of state.gates.filter((one) => one.status === 'open')) {
      const key = `${gate.gate} ${gate.openedAt}`;
      if (answered.has(key)) continue;
      const approver = approvers[answered.size % approvers.length]!;
      answered.set(key, approver);
      const decision = await decide(printer, handle, gate, approver, approvals);
      if (decision === 'elsewhere') {
        printer.note(`approval    gate ${gate.gate} was answered elsewhere, as in the Temporal UI`);
      } else if (decision) {
        await handle.signal('approve', { gate: gate.gate, by: approver, reason: ask ? 'approved at the terminal' : 'approved by the demo' });
        printer.note(`approval    signal approve sent, by ${approver} (claimed)`);
      } else {
        await giveUp('the switch was rejected at the terminal', undefined);
      }
    }
  };
}

async function decide(printer: Printer, handle: WorkflowHandle, gate: GateState, by: string, { ask, input = process.stdin, signal }: Approvals): Promise<boolean | 'elsewhere'> {
  if (!ask) {
    printer.note(`approval    gate ${gate.gate} is open; ${by} approves in ${givenAfterMs / 1000} s`);
    await sleep(givenAfterMs, undefined, { signal });
    return true;
  }
  printer.endFrames();
  const terminal = createInterface({ input, output: process.stdout });
  const over = new AbortController();
  const closed = untilClosed(handle, gate, over.signal);
  try {
    while (true) {
      const typed = terminal.question(`${gate.description}\napprove ${gate.gate} as ${by}? (y/n), or in the Temporal UI `, { signal });
      const text = await Promise.race([typed, closed]);
      if (text === 'elsewhere') {
        // What comes next does not stand behind the question.
        process.stdout.write('\n');
        return text;
      }
      if (['y', 'yes'].includes(text.trim().toLowerCase())) return true;
      if (['n', 'no'].includes(text.trim().toLowerCase())) return false;
    }
  } finally {
    over.abort();
    terminal.close();
  }
}

/** A gate that somebody answers in the Temporal UI is not asked about any more. Never rejects: who cannot ask the run goes on waiting for the terminal. */
async function untilClosed(handle: WorkflowHandle, { gate, openedAt }: GateState, signal: AbortSignal): Promise<'elsewhere'> {
  for (;;) {
    await sleep(looksEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return await new Promise(() => undefined);
    const state = await readState<RunState>(handle).catch(() => undefined);
    if (state && !state.gates.some((one) => one.gate === gate && one.openedAt === openedAt && one.status === 'open')) return 'elsewhere';
  }
}
