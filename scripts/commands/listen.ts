import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { listSystems, loadSystemFile } from '../../activities/system-files.ts';
import { serveAlerts, type AlertStart } from '../../workers/listen/serve-alerts.ts';
import { openLog } from '../../workers/log.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';
import { openTemporal, type Temporal } from '../client.ts';

/** PagerDuty waits five seconds for an answer: both together must be less. */
const connectWithinMs = 2_000;
const startWithinMs = 2_500;

/** `holdfast listen`: takes the webhooks of Alertmanager and PagerDuty, and opens incidents. docs/incidents.md */
export function listen(cli: Cli): void {
  cli.add<[], { host: string; port: string; cert?: string; key?: string }>(
    'listen',
    'take the webhooks of Alertmanager and PagerDuty, and open incidents by the listen block of each system file, until ctrl-C or SIGTERM',
    (command) =>
      command
        .option('--host <address>', 'without a certificate a loopback address only', '127.0.0.1')
        .option('--port <port>', '0: any free one', '8484')
        .option('--cert <file>', 'certificate chain, PEM')
        .option('--key <file>', 'its private key, PEM'),
    async (printer, { host, port, cert, key }) => {
      const tls = await readTls(cert, key);
      if (!tls && !/^(localhost|::1|127(\.\d{1,3}){3})$/.test(host)) {
        throw new HoldfastError('BadInput', `--host ${host}: tokens would go over the network in plain HTTP`, { hint: 'give --cert and --key, or put a proxy with TLS in front of a loopback address' });
      }
      const paths = await pathsOf();
      if (paths.length === 0) throw new HoldfastError('BadInput', 'no system file has a listen block: there is nothing to listen for', { hint: 'docs/incidents.md' });
      const starter = new Starter();
      const server = await serveAlerts({ start: async (of) => await starter.start(of), log: openLog(process.env['HOLDFAST_LOG_LEVEL'] ?? 'info'), host, port: portOf(port), tls });
      const url = `${tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}`;
      printer.result({ url, paths }, () => paths.map((path) => `listens        ${url}${path}`).join('\n'));
      await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
      // What was asked gets its answer.
      server.closeIdleConnections();
      await new Promise((resolve) => server.close(resolve));
      await starter.close();
    },
  );
}

/** Connects when the first alert comes, and again after a failure: Temporal may come later than this, and go. */
class Starter {
  #temporal: Promise<Temporal> | undefined;

  /** @throws - Temporal does not answer in time. */
  async start({ workflowId, input }: AlertStart): Promise<boolean> {
    const opened = (this.#temporal ??= openTemporal(connectWithinMs));
    opened.catch(() => (this.#temporal = this.#temporal === opened ? undefined : this.#temporal));
    const { client } = await opened;
    try {
      await client.withDeadline(Date.now() + startWithinMs, async () =>
        await client.workflow.start('openIncident', {
          taskQueue: taskQueues.control,
          workflowId,
          args: [input],
          staticSummary: `alert ${input.alert.name} of ${input.system}`,
          // What was told once is not told again, unless it was refused: the file may have been mended since.
          workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
      throw error;
    }
  }

  async close(): Promise<void> {
    await (await this.#temporal?.catch(() => undefined))?.client.connection.close();
  }
}

/** A file that cannot be read is said when its alerts come: it must not silence the others. */
async function pathsOf(): Promise<string[]> {
  const found: string[] = [];
  for (const name of await listSystems()) {
    const listens = await loadSystemFile(name).then(({ system }) => system.listen, () => undefined);
    if (listens?.alertmanager) found.push(`/alertmanager/${name}`);
    if (listens?.pagerduty) found.push(`/pagerduty/${name}`);
  }
  return found;
}

async function readTls(cert: string | undefined, key: string | undefined): Promise<{ cert: string; key: string } | undefined> {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new HoldfastError('BadInput', '--cert and --key belong together');
  const read = async (path: string): Promise<string> => await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new HoldfastError('BadInput', `${path} cannot be read (${error.code ?? 'unreadable'})`);
  });
  return { cert: await read(cert), key: await read(key) };
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new HoldfastError('BadInput', `--port ${text}: expected a number from 0 to 65535`);
}
