import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatBytes, mib } from '../../../../workflows/domain/units.ts';
import type { PgBackRestConfig } from '../../../../workflows/domain/tool-source.ts';
import { scrub } from '../../../secrets.ts';
import { findTool } from '../../../tool/find-tool.ts';
import { serverAccount } from '../../../tool/server-account.ts';
import type { ProgramContext, ProgramSpec } from '../program-spec.ts';
import { outputOf, runProgram } from '../run-program.ts';

/**
 * pgBackRest with its stanza and a command. As root it is run as the account that PostgreSQL runs as: the server's own archive_command writes into the same repository.
 * @throws ToolMissing
 */
export function pgbackrest({ stanza, config, quietFor }: PgBackRestConfig, ...args: string[]): ProgramSpec {
  return {
    name: 'pgbackrest',
    path: findTool('pgbackrest'),
    args: [`--stanza=${stanza}`, ...(config === undefined ? [] : [`--config=${config}`]), '--log-level-file=off', '--log-level-stderr=warn', ...args],
    env: {},
    secrets: {},
    files: {},
    quietForMs: quietFor,
    account: serverAccount(),
  };
}

/** What it tells of each file, so that one that works is never quiet, and says how far it is. */
export const eachFile = ['--log-level-console=detail', '--no-log-timestamp'];

/** Some hundred bytes for each backup of the repository. */
const longestAnswer = mib(16);

/** All that it answers. @throws ToolFailed - it ended badly, or answers without end. */
export async function ask(context: ProgramContext, spec: ProgramSpec): Promise<string> {
  return await runProgram(context, spec, async (running) => {
    running.stdin.end();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of outputOf(running, spec)) {
      chunks.push(chunk);
      if ((size += chunk.length) > longestAnswer) throw new HoldfastError('ToolFailed', `${spec.name} answers more than ${formatBytes(longestAnswer)}`);
    }
    return Buffer.concat(chunks).toString('utf8');
  });
}

const keptCharacters = 64 * 1024;

/**
 * Runs it to its end, and is told how far it is.
 * @returns the last of what it said. @throws ToolFailed - it ended badly; code and the last lines of its stderr.
 */
export async function follow(context: ProgramContext, spec: ProgramSpec, see: (done: number, of: number) => void): Promise<string> {
  return await runProgram(context, spec, async (running) => {
    running.stdin.end();
    let said = '';
    let line = '';
    let doneBytes = 0;
    for await (const chunk of outputOf(running, spec)) {
      const text = chunk.toString('utf8');
      said = `${said}${text}`.slice(-keptCharacters);
      const lines = `${line}${text}`.split('\n');
      line = lines.pop()!;
      for (const one of lines) {
        const [, number, unit = '', percent] = fileLine.exec(one) ?? [];
        if (number === undefined) continue;
        doneBytes += Number(number) * 1024 ** ' KMGTP'.indexOf(unit || ' ');
        if (Number(percent) > 0) see(doneBytes, (doneBytes * 100) / Number(percent));
      }
    }
    return scrub(said);
  });
}

/** `backup file /…/base/1/2608 (440KB, 49.35%) checksum …`: the percent is of all, up to and with this file. */
const fileLine = /([\d.]+)([KMGTP]?)B, ([\d.]+)%\)/;
