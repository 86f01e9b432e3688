import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from '../../harness/cleanup.ts';
import { findTool } from '../../../activities/tool/find-tool.ts';
import { giveTo } from '../../../activities/tool/server-account.ts';
import { freePort } from '../../harness/free-port.ts';
import { newSecrets } from '../../harness/keys.ts';
import { startPostgres, type Postgres } from '../../harness/postgres.ts';
import { until } from '../../harness/until.ts';
import type { SystemFile } from '../../../workflows/domain/system.ts';
import type { Options } from '../world.ts';
import { database, loadData } from './data.ts';
import { serverSettings } from './world.ts';

export const of = { system: 'bench', source: 'server' };
export const target = { ...of, environment: 'dr', run: 'bench' };

/** The newest that Debian's pgBackRest 2.45 knows. */
export const major = 15;
const stanza = 'bench';

/**
 * A server of PostgreSQL 15 with data, two folders for repositories (ours, pgBackRest's) on the same disk, and finished WAL segments of that server. Both
 * compress by zstd at its lowest level and encrypt; pgBackRest may use as many processes as the machine has processors.
 */
export class PhysicalWorld {
  readonly options: Options;
  readonly source: Postgres;
  readonly directory: string;
  readonly targetPort: number;
  readonly diskBytes: number;
  /** paths of finished segments, in order */
  readonly segments: readonly string[];

  private constructor(options: Options, source: Postgres, directory: string, targetPort: number, diskBytes: number, segments: readonly string[]) {
    this.options = options;
    this.source = source;
    this.directory = directory;
    this.targetPort = targetPort;
    this.diskBytes = diskBytes;
    this.segments = segments;
  }

  static async open(owner: Owner, options: Options): Promise<PhysicalWorld> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
    chmodSync(directory, 0o755);
    owner.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
    const source = await startPostgres(owner, { version: major, durable: true, settings: { ...serverSettings(options.quick), archive_mode: true, archive_command: 'true' } });
    await source.query(`CREATE DATABASE ${database}`);
    const { diskBytes } = await loadData(await source.connect(database), options.bytes);
    const segments = await keepSegments(source, join(directory, 'segments'), options.quick ? 3 : 17);
    const targetPort = await freePort();
    const systems = join(directory, 'systems');
    mkdirSync(systems);
    const secrets = newSecrets();
    Object.assign(process.env, {
      HOLDFAST_SYSTEMS: systems, HOLDFAST_SYSTEM: of.system, BENCH_REPOSITORY: join(directory, 'ours'), BENCH_TARGET: join(directory, 'dr'),
      BENCH_KEY: secrets['${AES}'], BENCH_PRIVATE: secrets['${PRIVATE}'], BENCH_PUBLIC: secrets['${PUBLIC}'],
    });
    writeFileSync(join(systems, 'bench.yaml'), JSON.stringify(systemFile(source, directory, targetPort)));
    return new PhysicalWorld(options, source, directory, targetPort, diskBytes, segments);
  }

  /** The server archives by this command from now on; waits until it has taken what lay there. */
  async archiveBy(command: string): Promise<void> {
    await this.source.configure({ archive_command: command });
    const [before] = await this.source.query<{ count: string }>('SELECT archived_count AS count FROM pg_stat_archiver');
    await this.source.query('CREATE TABLE IF NOT EXISTS ticks (at timestamptz); INSERT INTO ticks VALUES (now()); SELECT pg_switch_wal()');
    await until(`the server archives by ${command}`, async () => Number((await this.source.query<{ count: string }>('SELECT archived_count AS count FROM pg_stat_archiver'))[0]!.count) > Number(before!.count), 60_000);
  }

  /** pgBackRest on a repository of its own below `name`, made anew. @returns its path and its arguments, without the command. */
  async pgBackRest(name: string): Promise<{ path: string; args: (dataDirectory?: string) => string[] }> {
    const home = join(this.directory, name);
    rmSync(home, { recursive: true, force: true });
    for (const folder of ['', 'repository', 'lock', 'log']) mkdirSync(join(home, folder), { recursive: true, mode: 0o700 });
    const { dataDirectory, port, socketDirectory, account } = this.source;
    writeFileSync(join(home, 'pgbackrest.conf'), [
      '[global]', `repo1-path=${home}/repository`, 'repo1-cipher-type=aes-256-cbc', `repo1-cipher-pass=${randomBytes(32).toString('hex')}`, 'repo1-retention-full=9',
      'compress-type=zst', 'compress-level=1', 'process-max=2', 'start-fast=y', `lock-path=${home}/lock`, `log-path=${home}/log`, 'log-level-file=off', 'log-level-console=warn',
      `[${stanza}]`, `pg1-path=${dataDirectory}`, `pg1-port=${port}`, `pg1-socket-path=${socketDirectory}`, 'pg1-user=postgres', '',
    ].join('\n'), { mode: 0o600 });
    giveTo(account, home);
    return {
      path: findTool('pgbackrest'),
      args: (data = dataDirectory) => [`--config=${home}/pgbackrest.conf`, `--stanza=${stanza}`, ...(data === dataDirectory ? [] : [`--pg1-path=${data}`])],
    };
  }

  /** A data directory as the server's account wants it, deleted when the owner is over. */
  emptyData(owner: Owner): string {
    const data = join(this.directory, 'theirs');
    mkdirSync(data, { mode: 0o700 });
    giveTo(this.source.account, data);
    owner.after(() => rmSync(data, { recursive: true, force: true, maxRetries: 5 }));
    return data;
  }
}

/** Of updates all over a table: new rows, and whole pages after a checkpoint. One after another without a hole; copied away, because the last may still be written. */
async function keepSegments(source: Postgres, kept: string, count: number): Promise<string[]> {
  mkdirSync(kept);
  giveTo(source.account, kept);
  await source.configure({ archive_command: `cp %p ${kept}/.%f && mv ${kept}/.%f ${kept}/%f` });
  const there = (): string[] => readdirSync(kept).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
  while (there().length < count + 1) await source.query('CHECKPOINT; UPDATE articles_00 SET views = views + 1; SELECT pg_switch_wal()', undefined, database);
  await source.configure({ archive_command: 'true' });
  // The first one was begun before.
  return there().slice(1, count + 1).map((name) => join(kept, name));
}

function systemFile(source: Postgres, directory: string, targetPort: number): SystemFile {
  return {
    system: of.system,
    title: 'A place for measuring',
    objectives: { rto: '1h', rpo: '1m' },
    environments: {
      production: { protection: 'production', endpoints: { server: { uri: `postgresql://127.0.0.1:${source.port}/postgres` } } },
      dr: { protection: 'production', endpoints: { server: { uri: `postgresql://127.0.0.1:${targetPort}/postgres` } } },
    },
    sources: { server: { engine: 'postgres-physical', environment: 'production' } },
    stores: [{ name: 'main', kind: 'local', path: '${BENCH_REPOSITORY}' }],
    key: { id: 'bench', aes256: '${BENCH_KEY}', signing: { privateKey: '${BENCH_PRIVATE}', publicKeys: ['${BENCH_PUBLIC}'] } },
    standby: { environment: 'dr', provision: { server: { uses: 'local', directory: '${BENCH_TARGET}' } } },
    fence: {},
    traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2' } },
    validators: [],
    runbook: { steps: [{ id: 'restore', uses: 'restore' }] },
  };
}

