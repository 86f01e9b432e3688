import { readAudit } from '../../activities/audit/read-audit.ts';
import { openSystem } from '../../activities/open-context.ts';
import { describeAudit, pageAudit } from '../../workflows/domain/audit.ts';
import { parseInput, readAuditInput } from '../../workflows/domain/inputs.ts';
import { errorTable } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../errors.ts';

/** `holdfast audit`: who asked for what, from the bucket alone. Whoever has bucket and key needs nobody's permission, so none is asked here. */
export function audit(cli: Cli): void {
  const group = cli.group('audit', 'who asked for what');
  const read = async (system: string, choice: Parameters<typeof pageAudit>[2], limit: number): Promise<ReturnType<typeof pageAudit>> => {
    const { store, keys } = await openSystem(system);
    return pageAudit(system, await readAudit({ store, keys }, system), choice, limit);
  };
  cli.add<[string], { by?: string; act?: string; since?: string; limit?: string }>(
    'list <system>',
    'the newest acts that people asked for, and whether they were let; needs no Temporal (workflow readAudit)',
    (command) => command.option('--by <name>', 'only what this person asked for').option('--act <act>', 'only this act, such as export').option('--since <time>', 'only what was asked for since').option('--limit <count>', 'the newest so many; 50 when left out'),
    async (printer, { by, act, since, limit }, system) => {
      const input = parseInput('readAudit', readAuditInput, { system, by, act, since, limit: limit === undefined ? undefined : Number(limit) });
      printer.result(await read(system, input, input.limit), (page) => describeAudit(page).join('\n'));
    },
    group,
  );
  cli.add<[string], object>(
    'verify <system>',
    'whether each record is signed and follows the one before it: what was altered, removed, hidden or slipped in is named',
    (command) => command,
    async (printer, _options, system) => {
      const { entries: _entries, chosen: _chosen, ...page } = await read(system, {}, 1);
      printer.result({ ...page, ok: page.problemCount === 0 }, () => describeAudit({ ...page, entries: [], chosen: 0 }).join('\n'));
      return page.problemCount === 0 ? exitCodes.ok : errorTable.Tampered.exitCode;
    },
    group,
  );
}
