import { readAudit } from '../../activities/audit/read-audit.ts';
import { openVerifier } from '../../activities/open-context.ts';
import { describeAudit, pageAudit, type SealedDays } from '../../workflows/domain/audit.ts';
import { parseInput, readAuditInput, sealAuditInput } from '../../workflows/domain/inputs.ts';
import { errorTable } from '../../workflows/domain/errors.ts';
import type { Cli } from '../cli.ts';
import { entryId, startEntry, withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { exitCodes } from '../exit-codes.ts';

/** `holdfast audit`: who asked for what, from the bucket alone. Whoever has bucket and key needs nobody's permission, so none is asked here. */
export function audit(cli: Cli): void {
  const group = cli.group('audit', 'who asked for what');
  const read = async (system: string, choice: Parameters<typeof pageAudit>[2], limit: number): Promise<ReturnType<typeof pageAudit>> => {
    const { store, keys } = await openVerifier(system);
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
    'whether each record is signed and follows the one before it, and each day that is over is sealed: what was altered, removed, hidden, slipped in or cut off is named; needs the bucket and the public keys, and no Temporal',
    (command) => command,
    async (printer, _options, system) => {
      const { entries: _entries, chosen: _chosen, ...page } = await read(system, {}, 1);
      printer.result({ ...page, ok: page.problemCount === 0 }, () => describeAudit({ ...page, entries: [], chosen: 0 }).join('\n'));
      return page.problemCount === 0 ? exitCodes.ok : errorTable.Tampered.exitCode;
    },
    group,
  );
  cli.add<[string], { by: string }>(
    'seal <system>',
    'seal the audit of each day that is over and not sealed yet (workflow sealAudit); a schedule that does seal-audit does it by itself',
    (command) => command.option('--by <name>', 'who asks', currentUser()),
    async (printer, { by }, system) => {
      const input = { system, requestedBy: by };
      parseInput('sealAudit', sealAuditInput, input);
      await withTemporal(async (temporal) => {
        const handle = await startEntry(temporal, 'sealAudit', entryId('seal-audit', system), input, `seal the audit of ${system}, asked for by ${by}`);
        printer.result((await handle.result()) as SealedDays, ({ days, upTo, to }) => (days.length === 0 ? (upTo === null ? 'no day of it is over yet' : `sealed up to ${upTo} already`) : `sealed ${days.join(', ')}, up to record ${to}`));
      });
    },
    group,
  );
}
