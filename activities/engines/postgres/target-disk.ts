import { stat } from 'node:fs/promises';
import pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Unit } from '../../../workflows/domain/manifest.ts';
import { formatBytes, mib } from '../../../workflows/domain/units.ts';
import { freeBytes } from '../../tool/free-bytes.ts';
import { isThisMachine } from '../../tool/this-machine.ts';
import type { Place } from './connect.ts';
import { tableDetail } from './plan.ts';

/** Left free beside what is written next: a server that cannot write its log stops, and everybody's databases with it. */
const keptFreeBytes = mib(64);

/**
 * The disk that a server has its data on, before and while much is written there. It is looked at where it is this machine's, and seen to be the server's by
 * the directory itself, which must be of the same moments for both of us. Of any other server nobody can ask: that its disk is full it says itself, and loses nothing of what it had committed.
 */
export class TargetDisk {
  readonly #name: string;
  readonly #path: string;
  readonly #hint: string;

  private constructor(name: string, path: string, hint: string) {
    this.#name = name;
    this.#path = path;
    this.#hint = hint;
  }

  /** Of a server whose files are written here, before it runs. @param hint - what becomes of the restore once there is room. */
  static at({ name, path, hint }: { name: string; path: string; hint: string }): TargetDisk {
    return new TargetDisk(name, path, hint);
  }

  /** Undefined: nobody here can look at it. */
  static async find(client: pg.Client, { address: { host, port } }: Pick<Place, 'address'>): Promise<TargetDisk | undefined> {
    if (!(await isThisMachine(host))) return undefined;
    const asked = await directoryOf(client);
    const seen = asked && (await stat(asked.path).catch(() => undefined));
    if (!seen || asked.seconds !== Math.floor(seen.ctimeMs / 1000)) return undefined;
    return new TargetDisk(`${host}:${port}`, asked.path, fullDiskHint);
  }

  /** Before the first byte. @throws TargetFull - what is to come is known not to fit. */
  async requireFor(neededBytes: number, what: string): Promise<void> {
    const free = await this.#free();
    if (free === undefined || free >= neededBytes + keptFreeBytes) return;
    throw new HoldfastError('TargetFull', `the disk of ${this.#name} (${this.#path}) has ${formatBytes(free)} free, and ${what} needs about ${formatBytes(neededBytes)}; ${formatBytes(keptFreeBytes)} are left to the server`, { hint: 'make room there, or name another server; then retry' });
  }

  /** Before each piece. @throws TargetUnavailable - retryable: it would not fit; what is committed stays. */
  async requireNext(bytes: number): Promise<void> {
    const free = await this.#free();
    if (free === undefined || free >= bytes + keptFreeBytes) return;
    throw new HoldfastError('TargetUnavailable', `the disk of ${this.#name} (${this.#path}) is nearly full: ${formatBytes(free)} are free, and ${formatBytes(bytes + keptFreeBytes)} are wanted before more is written`, { hint: this.#hint });
  }

  /** Undefined: it cannot be looked at any more. */
  async #free(): Promise<number | undefined> {
    return await freeBytes(this.#path).catch(() => undefined);
  }
}

export const fullDiskHint = 'make room there: it goes on behind what was committed, by itself within a minute or two, or by a retry of the step';

/** Where the server says that its data lie, and when that directory last changed, by its own eyes. Undefined: its user may not ask. */
async function directoryOf(client: pg.Client): Promise<{ path: string; seconds: number } | undefined> {
  try {
    const { rows } = await client.query<{ path: string; seconds: string }>(`SELECT pg_catalog.current_setting('data_directory') AS path, floor(extract(epoch FROM (pg_catalog.pg_stat_file('.')).change))::int8::text AS seconds`);
    const { path, seconds } = rows[0]!;
    return { path, seconds: Number(seconds) };
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '42501') return undefined;
    throw error;
  }
}

/** Of a table that was full of dead rows less comes back than it took. */
const [timesItsText, bytesARow] = [4, 128];

/** What tables and their indexes will about take: what they took at the source, or much more than their rows are as text, whichever is less. Of another tablespace: nothing, since that is another disk. */
export function bytesOnDisk(units: readonly Unit[], elsewhere: ReadonlySet<string> = new Set()): number {
  return units.filter(({ name }) => !elsewhere.has(name)).reduce((sum, { plainBytes, documents, detail }) => {
    const { diskBytes } = tableDetail(detail);
    return sum + Math.min(diskBytes ?? plainBytes, timesItsText * plainBytes + bytesARow * documents);
  }, 0);
}
