import { connect } from 'node:net';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';
import type { Source, System } from '../../workflows/domain/system.ts';
import type { SourceContext } from '../context.ts';
import { findMuteReceivers } from '../notify/send-notice.ts';
import type { LoadedSystem } from '../system-files.ts';
import { findProgram, type ToolName } from '../tool/find-tool.ts';
import { finding } from './finding.ts';

const answersWithinMs = 2_000;

/** Programs that the steps of this system run, looked for here: a worker elsewhere has its own. */
export function checkTools(system: System, runbook: string | undefined): Finding[] {
  return [...new Set([...serversOf(system), ...programsOf(system), ...stepProgramsOf(system, runbook)])].flatMap((program) => {
    try {
      findProgram(program);
      return [];
    } catch (error) {
      const { message, hint } = describeError(error);
      return [finding('fails', error instanceof HoldfastError ? error.type : 'ToolMissing', message, hint)];
    }
  });
}

const targetServersOf = (system: System): ToolName[] => Object.entries(system.standby.provision).flatMap(([source, { uses }]) => (uses === 'local' ? targetServerOf(system.sources[source]) : []));

/** What a target on the worker's own machine is served by: a mongod, also for a program that restores into one. */
function targetServerOf(source: Source | undefined): ToolName[] {
  if (source?.tool?.uses === 'pgbackrest') return ['postgres'];
  if (source?.engine === 'postgres-physical') return ['postgres', 'pg_verifybackup', 'pg_controldata'];
  return (source?.engine as string | undefined) === 'postgres' ? ['postgres', 'initdb'] : ['mongod'];
}

const doorsOf = (system: System): ToolName[] => (system.traffic.uses === 'nginx' ? ['nginx'] : []);
const serversOf = (system: System): ToolName[] => [...targetServersOf(system), ...doorsOf(system)];

/** What a worker of this role runs for a system, so it must be there. */
export function programsOfRole(system: System, role: 'control' | 'data' | 'archive' | 'recover'): string[] {
  if (role === 'control') return [...doorsOf(system), ...stepProgramsOf(system, undefined)];
  if (role === 'recover') return [...targetServersOf(system), ...programsOf(system)];
  if (role === 'data') return Object.values(system.sources).flatMap(({ engine, tool }) => (tool ? [tool.uses === 'command' ? tool.dump.argv[0]! : tool.uses] : engine === 'postgres' ? ['pg_dump'] : engine === 'postgres-physical' ? ['pg_basebackup'] : []));
  return [];
}

/** What restores the sources of the tool engine, and makes and compares a PostgreSQL's definitions; dump programs run elsewhere. */
const programsOf = (system: System): string[] =>
  Object.values(system.sources).flatMap(({ engine, tool }) => {
    if (!tool) return engine === 'postgres' ? ['pg_restore', 'pg_dump'] : [];
    return [tool.uses === 'command' ? tool.restore.argv[0]! : { mongodump: 'mongorestore', pg_dump: 'pg_restore', pgbackrest: 'pgbackrest' }[tool.uses]];
  });

/** What the runbook's own steps run. A program whose name is a placeholder is none yet. */
function stepProgramsOf(system: System, runbook: string | undefined): string[] {
  const { deployer, commands = {} } = system;
  return expandRunbook(system, runbook).flatMap(({ uses, with: settings, undo }) => {
    const takesBack = undo?.command === undefined ? undefined : commands[undo.command];
    const back = takesBack ? [takesBack.run] : [];
    if (uses === 'deploy') return [...(deployer?.uses === 'command' ? [deployer.deploy, ...(deployer.current ? [deployer.current] : [])] : []), ...back];
    const command = uses === 'command' ? commands[String(settings?.['command'])] : undefined;
    return [...(command ? [command.run, ...(command.undo ? [command.undo] : [])] : []), ...back];
  }).flatMap(({ argv: [program] }) => (program!.includes('{{') ? [] : [program!]));
}

/** Who would not be told. Looked for here: the worker that tells them has its own files and environment. */
export async function checkReceivers(loaded: LoadedSystem): Promise<Finding[]> {
  return (await findMuteReceivers(loaded)).map(({ receiver, why }) => {
    const { message, hint } = describeError(why);
    return { about: 'people', ...finding('warns', 'BadSystemFile', `receiver "${receiver}" would not be told: ${message}`, hint) };
  });
}

/** The traffic switch must answer. The standby's own address is not asked: the provisioner refuses a taken one. */
export async function checkReach(context: SourceContext): Promise<Finding[]> {
  const url = new URL(context.address(context.system.traffic.url));
  if (await answers(url.hostname, Number(url.port || (url.protocol === 'https:' ? 443 : 80)))) return [];
  return [finding('fails', 'TargetUnavailable', `nothing answers at ${url.host}, where clients call: traffic could not be switched`, 'start the traffic switch (nginx)')];
}

async function answers(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: answersWithinMs });
    const settle = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('timeout', () => settle(false));
  });
}
