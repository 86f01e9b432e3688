import { setTimeout as sleep } from 'node:timers/promises';
import type { EntryWorkflow } from '../../workflows/domain/inputs.ts';
import { entryId, hasWorker, startEntry, workflowLink, type Temporal } from '../client.ts';
import type { Printer } from '../output/printer.ts';
import { watchTransfer } from './watch-transfer.ts';

interface TransferOrder {
  workflow: EntryWorkflow;
  kind: 'import' | 'export';
  input: { system: string; requestedBy: string };
  what: string;
  wait: boolean;
}

/** Starts an import or export, and shows it until it ends; with `wait` false only until it was not refused at once. */
export async function runTransfer<T>(printer: Printer, temporal: Temporal, { workflow, kind, input, what, wait }: TransferOrder, format: (summary: T) => string): Promise<void> {
  const id = entryId(kind, input.system);
  const handle = await startEntry(temporal, workflow, id, input, `${what}, asked for by ${input.requestedBy}`);
  const started = { workflowId: id, link: workflowLink(temporal, id), worker: await hasWorker(temporal) };
  if (!started.worker) printer.note(`no worker asks for work: the ${kind} waits until \`holdfast worker\` runs`);
  if (!wait) {
    await Promise.race([handle.result(), sleep(1_500)]);
    printer.result(started, () => [`started ${id}`, ...(started.link ? [`link ${started.link}`] : [])].join('\n'));
    return;
  }
  printer.note(`started ${id}`);
  // In JSON the summary is the one document; a line a second is for people.
  const summary = printer.json ? ((await handle.result()) as T) : await watchTransfer<T>(printer, what, handle);
  printer.result(summary, format);
}
