import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openContext } from '../../../activities/open-context.ts';
import { openProvisioner } from '../../../activities/provision/provisioner.ts';
import type { SourceContext } from '../../../activities/context.ts';
import { readEnvironment } from '../../../workers/environment.ts';
import type { SystemFile } from '../../../workflows/domain/system.ts';
import type { Owner } from '../../harness/cleanup.ts';
import { freePort } from '../../harness/free-port.ts';
import { startObjectStore, type ObjectStore } from '../../harness/object-store.ts';
import { startPostgres, type Postgres, type PostgresSettings } from '../../harness/postgres.ts';
import { benchKey, benchStore, bucket, setBenchEnvironment, type Options } from '../world.ts';
import { database } from './data.ts';

export const of = { system: 'bench', source: 'ledger' };
export const target = { ...of, environment: 'dr', run: 'bench' };

/** The same for every server, ours and the peers': as a person who has read about tuning sets a machine of a few GiB. */
export const serverSettings = (quick: boolean): PostgresSettings => ({ shared_buffers: quick ? '128MB' : '1GB', maintenance_work_mem: quick ? '64MB' : '512MB', max_wal_size: '4GB' });

/**
 * A PostgreSQL source, an S3 server with object lock, and a system file over both. What is ours runs as the worker runs it: each job in a data plane process of
 * its own. Temporal itself does not run here.
 */
export class PostgresWorld {
  readonly owner: Owner;
  readonly options: Options;
  readonly source: Postgres;
  readonly store: ObjectStore;
  readonly directory: string;
  readonly slots = readEnvironment({}).slots;
  /** our own restore target's place */
  readonly targetPort: number;

  private constructor(owner: Owner, options: Options, source: Postgres, store: ObjectStore, directory: string, targetPort: number) {
    this.owner = owner;
    this.options = options;
    this.source = source;
    this.store = store;
    this.directory = directory;
    this.targetPort = targetPort;
  }

  static async open(owner: Owner, options: Options): Promise<PostgresWorld> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
    chmodSync(directory, 0o755);
    owner.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
    const source = await startPostgres(owner, { durable: true, settings: serverSettings(options.quick) });
    await source.query(`CREATE DATABASE ${database}`);
    const store = await startObjectStore(owner);
    await store.createBucket(bucket, { lock: true });
    const targetPort = await freePort();
    const systems = join(directory, 'systems');
    mkdirSync(systems);
    writeFileSync(join(systems, 'bench.yaml'), JSON.stringify(systemFile(source, directory, targetPort, options.quick)));
    setBenchEnvironment(systems, store.endpoint, store);
    return new PostgresWorld(owner, options, source, store, directory, targetPort);
  }

  /** Store, keys and source, opened in this process as a worker opens them. */
  async context(signal = new AbortController().signal): Promise<SourceContext> {
    return await openContext({ ...of, epoch: 1 }, { signal, progress: () => undefined });
  }

  /** An empty server of our provisioner's, as a run has it; deleted when the owner is over. */
  async ourTarget(owner: Owner): Promise<{ pid: number }> {
    const context = await this.context();
    const provisioner = await openProvisioner(context);
    owner.after(async () => void (await provisioner.remove(context, target, { discard: true })));
    await provisioner.provision(context, target);
    return { pid: (await provisioner.describe(context)).pid! };
  }

  /** An empty server as people start it. */
  async theirTarget(owner: Owner): Promise<Postgres> {
    const server = await startPostgres(owner, { durable: true, settings: serverSettings(this.options.quick), initdb: ['--data-checksums'] });
    await server.query(`CREATE DATABASE ${database}`);
    return server;
  }
}

function systemFile(source: Postgres, directory: string, targetPort: number, quick: boolean): SystemFile {
  const { maintenance_work_mem, max_wal_size } = serverSettings(quick);
  return {
    system: of.system,
    title: 'A place for measuring',
    objectives: { rto: '1h', rpo: '24h' },
    environments: {
      production: { protection: 'production', endpoints: { ledger: { uri: `postgresql://127.0.0.1:${source.port}/${database}` } } },
      dr: { protection: 'production', endpoints: { ledger: { uri: `postgresql://127.0.0.1:${targetPort}/${database}` } } },
    },
    // Limits are left at their defaults: those are what a source is cared for by.
    sources: { ledger: { engine: 'postgres', environment: 'production' } },
    stores: [benchStore],
    key: benchKey,
    standby: { environment: 'dr', provision: { ledger: { uses: 'local', directory: join(directory, 'dr'), cache: quick ? '128MiB' : '1GiB', settings: { maintenance_work_mem: maintenance_work_mem!, max_wal_size: max_wal_size! } } } },
    fence: {},
    traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2' } },
    runbook: { steps: [{ id: 'restore', uses: 'restore' }] },
  };
}
