import { formatDuration } from '../../workflows/domain/units.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import { taskQueues } from '../../workflows/contract.ts';
import type { Cli } from '../cli.ts';
import { startStack, stackStatus, stopStack, wipeStack } from '../stack/stack.ts';
import type { StackFile } from '../stack/stack-file.ts';
import { startWorker } from '../stack/worker.ts';

export interface Links {
  ui: string;
  start: { title: string; url: string }[];
  views: { title: string; url: string }[];
}

/**
 * Links into the Web UI: start forms that are filled in but for the input, and lists that the UI offers to save.
 * The UI has no link that fills in the input: it is the system's name, or `{"system": "demo"}`.
 */
export function linksOf(uiUrl: string, system: string): Links {
  const base = `${uiUrl}/namespaces/default/workflows`;
  const start = ([['recoverSystem', 'recover'], ['backUpSystem', 'backup'], ['archiveLog', 'archive'], ['openIncident', 'incident']] as const).map(([workflowType, kind]) => ({
    title: workflowType,
    url: `${base}/start-workflow?${new URLSearchParams({ taskQueue: taskQueues.control, workflowType, workflowId: `${kind}/${system}/by-hand` }).toString()}`,
  }));
  const view = (title: string, query: string): Links['views'][number] => ({ title, url: `${base}?${new URLSearchParams({ query, savedQuery: title }).toString()}` });
  return {
    ui: `${base}`,
    start,
    views: [
      view('approvals pending', `${searchAttributes.phase}="waiting" AND ExecutionStatus="Running"`),
      // Not the entry above a run, which has the same purpose and takes nothing that the run does not.
      view('recoveries running', `WorkflowType="runRecovery" AND ${searchAttributes.purpose}="recovery" AND ExecutionStatus="Running"`),
      view('needs a person', `${searchAttributes.phase} IN ("paused", "stuck") AND ExecutionStatus="Running"`),
      view('incidents', `${searchAttributes.purpose}="incident" AND WorkflowType="runIncident"`),
      view('drills', `WorkflowType="runRecovery" AND ${searchAttributes.purpose}="drill"`),
    ],
  };
}

/** `holdfast up` and `holdfast down`: the embedded stack and a worker, in the background. */
export function up(cli: Cli): void {
  cli.add<[], { worker: boolean }>(
    'up',
    'start the embedded stack (Temporal, MongoDB, S3, nginx) and a worker, in the background',
    (command) => command.option('--no-worker', 'the stack alone'),
    async (printer, options) => {
      const stack: StackFile = await startStack({ onReady: (part, tookMs) => printer.note(`${part.padEnd(14)} up after ${formatDuration(tookMs)}`) });
      if (options.worker) await startWorker(stack);
      const links = linksOf(stack.temporal.uiUrl, 'demo');
      printer.result({ links, temporalAddress: stack.temporal.address, parts: stackStatus() }, () =>
        [
          `UI             ${links.ui}`,
          `Temporal       ${stack.temporal.address}`,
          `front door     ${stack.frontDoor.url}`,
          ...links.start.map(({ title, url }) => `start          ${title}: ${url}`),
          'input          {"system": "demo"}',
          ...links.views.map(({ title, url }) => `view           ${title}: ${url}`),
          'stop           holdfast down',
        ].join('\n'),
      );
    },
  );

  cli.add<[], { wipe: boolean }>(
    'down',
    'stop the embedded stack, its worker and what recoveries started there',
    (command) => command.option('--wipe', 'delete its data, history and keys, too', false),
    async (printer, { wipe }) => {
      const stopped = await stopStack();
      if (wipe) await wipeStack();
      printer.result({ stopped, wiped: wipe }, () => (stopped.length > 0 ? `stopped ${stopped.join(', ')}` : 'nothing ran') + (wipe ? '; its data is deleted' : ''));
    },
  );
}
