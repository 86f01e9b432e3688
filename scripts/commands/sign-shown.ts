import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { signDecision } from '../../activities/access/statement.ts';
import { defaultDelegationMs, shownOf, type DecisionSaid, type Proof } from '../../workflows/domain/approval.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { MessageName } from '../../workflows/domain/messages.ts';
import type { Printer } from '../output/printer.ts';
import { readRun } from '../status/read-run.ts';

interface Signing {
  keyFile: string;
  gate?: string | undefined;
  by: string;
  to?: string | undefined;
  forMs?: number | undefined;
}

/** Shows what the gate shows, and signs that: whoever signs must have seen what they sign. */
export async function signShown(printer: Printer, client: Client, { system, workflowId }: { system: string; workflowId: string }, name: MessageName, { keyFile, gate: wanted, by, to, forMs }: Signing): Promise<Omit<Extract<Proof, { kind: 'signature' }>, 'kind'>> {
  const key = await readKey(keyFile);
  const run = await readRun(client, system, workflowId);
  const gates = (run?.state.gates ?? []).filter(({ gate, status }) => (wanted === undefined ? status === 'open' : gate === wanted));
  const [gate] = gates;
  if (!run || !gate || gates.length > 1) {
    throw new HoldfastError('NotWaiting', `${system}: ${gates.length > 1 ? 'more than one gate is open' : 'there is no such gate'}, so there is nothing to sign.`, { hint: `holdfast status ${system}; name the gate by --gate, and what is no recovery by --workflow` });
  }
  const shown = shownOf(run.state, gate);
  printer.note(`signs for ${shown.system}, ${shown.purpose} ${shown.run}, gate ${shown.gate}: ${shown.description}`);
  for (const { step, state, summary } of shown.before) printer.note(`  ${state} ${step}${summary === null ? '' : `: ${summary}`}`);
  const decision: DecisionSaid = name === 'delegate' ? { said: 'delegate', to: to ?? '', forMs: forMs ?? defaultDelegationMs } : { said: name === 'reject' ? 'reject' : 'approve' };
  return signDecision(key, shown, decision, by);
}

async function readKey(path: string): Promise<ReturnType<typeof createPrivateKey>> {
  try {
    const key = createPrivateKey(await readFile(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // the parser's message can quote the input, and the input is a secret
  }
  throw new HoldfastError('BadInput', `${path}: not an Ed25519 private key in PEM that can be read`, { hint: 'openssl genpkey -algorithm ed25519 -out KEYFILE' });
}
