import { loadSystemFile } from '../../activities/system-files.ts';
import { describeAccess, reportAccess } from '../../workflows/domain/access-report.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { readRun } from '../status/read-run.ts';

/** `holdfast access report`: who may do what, who can prove who they are, and what is lent to whom now. */
export function access(cli: Cli): void {
  const group = cli.group('access', 'who may do what');
  cli.add<[string], object>(
    'report <system>',
    'who may do what, with which proof, and the elevations in force; from the system file, and from the run where Temporal answers',
    (command) => command,
    async (printer, _options, system) => {
      const { system: file } = await loadSystemFile(system);
      const { run, unread } = await readRunning(system);
      printer.result(reportAccess({ file, run, unread, at: new Date().toISOString() }), describeAccess);
    },
    group,
  );
}

/** The run that goes on; an access report can be had without Temporal, and then says what it lacks. */
async function readRunning(system: string): Promise<{ run: RunState | null; unread: string | null }> {
  try {
    const view = await withTemporal(async ({ client }) => await readRun(client, system));
    return { run: view?.workflowStatus === 'RUNNING' ? view.state : null, unread: null };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { run: null, unread: describeError(error).message };
  }
}
