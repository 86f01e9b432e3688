import { checkReadiness } from '../../activities/readiness/check-readiness.ts';
import { listSystems } from '../../activities/system-files.ts';
import { describeReadiness } from '../../workflows/domain/describe-readiness.ts';
import { describeError } from '../../workflows/domain/errors.ts';
import { judgeReadiness, unknownReadiness } from '../../workflows/domain/judge-readiness.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { readinessQuery, type ReadinessAnswer } from '../../workflows/domain/readiness-watch.ts';
import type { Readiness } from '../../workflows/domain/readiness.ts';
import { minutes } from '../../workflows/domain/units.ts';
import { withoutTemporal } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { openTemporal, workflowLink, type Temporal } from '../client.ts';

const connectWithinMs = 2_000;
/** A watch that answers with what it found longer ago than its own time between two checks, and this, has stopped looking. */
const staleAfterMs = minutes(15);

interface Said {
  system: string;
  /** watch: what the last check of `ready/<system>` found; here: looked at now, by this command */
  from: 'watch' | 'here';
  /** why it was looked at here; null: the watch answered */
  why: string | null;
  /** when people were told last; null: they were not, it is over, or the watch did not answer */
  toldAt: string | null;
  link: string | null;
  readiness: Readiness;
}

/**
 * `holdfast ready`: if disaster struck now. It asks the watch of each system, and where none answers looks here, as the watch's worker would:
 * on the night when Temporal is lost too, the answer must be had.
 */
export function ready(cli: Cli): void {
  cli.add<[string[]], { here?: boolean }>(
    'ready [systems...]',
    'whether each system could be recovered now, within its objectives (query readiness of ready/<system>); looks itself where no watch answers; exit code 0: all are ready, 1: not',
    (command) => command.option('--here', 'look now and here, whatever the watch says'),
    async (printer, { here = false }, names) => {
      const systems = names.length > 0 ? names : await listSystems();
      const temporal = here ? 'asked to' : await openTemporal(connectWithinMs).catch((error: unknown) => describeError(error).message);
      const said: Said[] = [];
      try {
        for (const system of systems) said.push(await answerOf(system, temporal));
      } finally {
        if (typeof temporal !== 'string') await temporal.client.connection.close();
      }
      const ok = said.every(({ readiness }) => readiness.verdict === 'ready');
      printer.result({ ready: ok, systems: said }, () => said.flatMap(describe).join('\n'));
      return ok ? 0 : 1;
    },
  );
}

async function answerOf(system: string, temporal: Temporal | string): Promise<Said> {
  if (typeof temporal === 'string') return await lookHere(system, temporal);
  const workflowId = lockIds.ready(system);
  try {
    const handle = temporal.client.workflow.getHandle(workflowId);
    const { status } = await handle.describe();
    if (status.name !== 'RUNNING') return await lookHere(system, `${workflowId} does not run (\`holdfast apply\` starts it)`);
    const { readiness, everyMs, paged } = await handle.query<ReadinessAnswer>(readinessQuery);
    if (!readiness) return await lookHere(system, `${workflowId} has not looked yet`);
    // By this machine's clock, and generously: it only decides who looks.
    if (Math.abs(Date.now() - Date.parse(readiness.at)) > everyMs + staleAfterMs) return await lookHere(system, `${workflowId} looked last at ${readiness.at}`);
    return { system, from: 'watch', why: null, toldAt: paged?.at ?? null, link: workflowLink(temporal, workflowId), readiness };
  } catch (error) {
    return await lookHere(system, `${workflowId} does not answer: ${describeError(error).message}`);
  }
}

async function lookHere(system: string, why: string): Promise<Said> {
  return { system, from: 'here', why, toldAt: null, link: null, readiness: await judgedHere(system) };
}

/** What keeps one system from being looked at is that system's answer, and not the end of the others'. */
async function judgedHere(system: string): Promise<Readiness> {
  try {
    return judgeReadiness((await checkReadiness({ system }, withoutTemporal())).facts);
  } catch (error) {
    const { type, message, hint } = describeError(error);
    return unknownReadiness(null, { system, at: new Date().toISOString(), kind: type === 'UnknownSystem' || type === 'BadSystemFile' ? 'file' : 'check', what: `${type}: ${message}`, hint });
  }
}

function describe({ from, why, toldAt, link, readiness }: Said): string[] {
  const { heading, problems, lines } = describeReadiness(readiness);
  const source = from === 'watch' ? `  by the watch${toldAt === null ? '' : `; people were told at ${toldAt}`}${link === null ? '' : `; ${link}`}` : `  looked at here: ${why}`;
  return [heading, ...problems.map((line) => `  ${line}`), ...lines.map((line) => `  ${line}`), source];
}
