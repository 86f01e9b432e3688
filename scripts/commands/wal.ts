import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fetching, fetchSegment } from '../../activities/engines/postgres-physical/fetch-segment.ts';
import { pushSegment, sealSegment, type Pushed } from '../../activities/engines/postgres-physical/push-segment.ts';
import { SealAhead } from '../../activities/engines/postgres-physical/seal-ahead.ts';
import type { SourceContext } from '../../activities/context.ts';
import { forgetOpened, openContext, openSystem } from '../../activities/open-context.ts';
import { readHighestEpoch } from '../../activities/store/epoch.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import { parseDurationMs, seconds } from '../../workflows/domain/units.ts';
import { withoutTemporal } from '../bucket/open-sources.ts';
import type { Command } from 'commander';
import type { Cli } from '../cli.ts';

/**
 * `holdfast wal-push` and `wal-fetch`: PostgreSQL's archive_command and restore_command. They need the system file and its secrets on the machine of the database, and no Temporal.
 *
 * `wal-push` ends with code 0 once the segment is durable in the store, and with another code otherwise: then the server keeps it, and runs this again. `wal-fetch` ends with code 1 where the archive
 * holds no such file, which is the end of the log to a server, and with 126 or more for anything else: then the server ends its recovery, and does not take it for the end.
 */
export function wal(cli: Cli): void {
  cli.add<[string], { system?: string; source?: string }>(
    'wal-push <path>',
    "store a finished WAL segment, or a timeline’s history: archive_command = 'holdfast wal-push %p'; needs no Temporal",
    withSource,
    async (printer, options, path) => {
      const context = await openWal(options);
      const segment = resolve(path);
      printer.result(await pushSegment(context, segment, await stays?.ahead.take(segment)), describe);
      stays?.ahead.follow(segment, async (next) => await sealSegment(context, next));
    },
  );
  cli.add<[string, string], { system?: string; source?: string; wait: string }>(
    'wal-fetch <file> <path>',
    "bring a WAL segment or a history back: restore_command = 'holdfast wal-fetch %f %p'; needs no Temporal",
    (command) => withSource(command).option('--wait <duration>', 'how long a store, or a key service, that does not answer is asked again', '5m'),
    async (printer, { wait, ...options }, file, path) => {
      try {
        const waitMs = parseDurationMs(wait);
        if (waitMs === undefined) throw new HoldfastError('BadInput', `--wait ${wait}: expected a duration such as 90s or 5m`);
        const found = await untilAnswered(waitMs, async () => await fetchSegment(await openWal(options), { file, to: resolve(path) }, stays?.fetching));
        printer.result({ file, found }, () => `${file}: ${found ? 'brought' : 'not in the archive'}`);
        return found ? 0 : 1;
      } catch (error) {
        await cli.fail(printer, error);
        return endsRecovery;
      }
    },
  );
}

/** What a process keeps that is asked again. */
let stays: { ahead: SealAhead; fetching: Fetching } | undefined;

/** This process stays (scripts/wal/resident.ts). @returns `forget`: what it keeps is made anew. */
export function stayWith(): { forget: () => void } {
  stays = { ahead: new SealAhead(), fetching: new Fetching() };
  return {
    forget: () => {
      stays?.ahead.end();
      stays = { ahead: new SealAhead(), fetching: new Fetching() };
      forgetOpened();
    },
  };
}

/** @source PostgreSQL manual, restore_command: a code above 125 ends the recovery. */
const endsRecovery = 126;

const askAgainAfterMs = seconds(2);

/** A server that is told of an outage ends its recovery, and somebody has to start it again: one that passes it waits for. */
async function untilAnswered<T>(waitMs: number, attempt: () => Promise<T>): Promise<T> {
  const endsAtMs = performance.now() + waitMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const passes = error instanceof HoldfastError && (error.type === 'StoreUnavailable' || error.type === 'KeyUnavailable');
      if (!passes || performance.now() + askAgainAfterMs > endsAtMs) throw error;
      await sleep(askAgainAfterMs);
    }
  }
}

const withSource = (command: Command): Command =>
  command
    .option('--system <system>', 'left out: HOLDFAST_SYSTEM', process.env['HOLDFAST_SYSTEM'])
    .option('--source <source>', 'may be left out when the system has only one whose WAL is archived');

async function openWal({ system, source }: { system?: string; source?: string }): Promise<SourceContext> {
  if (!system) throw new HoldfastError('BadInput', 'it is not said of which system the WAL is', { hint: 'give --system, or set HOLDFAST_SYSTEM for the server' });
  const { loaded, store } = await openSystem(system);
  const physical = Object.entries(loaded.system.sources).flatMap(([name, { engine }]) => (engine === 'postgres-physical' ? [name] : []));
  const name = source ?? (physical.length === 1 ? physical[0]! : undefined);
  if (name === undefined || !physical.includes(name)) {
    throw new HoldfastError('BadInput', `WAL is of a source of the engine "postgres-physical", and ${system} has ${physical.join(', ') || 'none'}`, { hint: 'name one with --source' });
  }
  return await openContext({ system, source: name, epoch: await readHighestEpoch(store, system, {}) }, withoutTemporal());
}

const describe = ({ file, state, position }: Pushed): string =>
  state === 'not-kept' ? `${file}: nothing is kept of it: bases, or later histories, say what it says` : `${file}: ${state === 'known' ? 'was stored before, byte for byte' : 'stored'}${position === null ? '' : `, up to ${formatLogPosition(position)}`}`;
