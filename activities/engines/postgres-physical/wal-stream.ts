import pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import { formatLsn } from './segment.ts';

/** What of pg's client is used that its types do not say: what every `Submittable` is given (pg-copy-streams works by the same). */
interface Connection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  readonly stream: { pause(): void; resume(): void; destroy(): void };
}

export interface WalChunk {
  lsn: bigint;
  /** the stream's own memory: copy it */
  data: Buffer;
}

/** Where the server's log ended, and its clock, when it sent something. */
export interface ServerEnd {
  lsn: bigint;
  atMs: number;
}

/** Microseconds from 1970 to PostgreSQL's own epoch, 2000. */
const epochUs = 946_684_800_000_000n;
const statusEveryMs = seconds(5);

/**
 * The log of a server as it is written, by the streaming replication protocol. The server keeps in the slot what was not said to be durable, so nothing that we have
 * lost is lost: `durableTo` is said once it is in the store, and not before.
 *
 * pg_receivewal speaks the same, and says what lies on its own disk: a second place for log in the clear, lost with its machine after the server was told that it has it.
 *
 * @source PostgreSQL manual, Streaming Replication Protocol: XLogData `w`, keepalive `k`, standby status update `r`.
 */
export class WalStream {
  readonly #client: pg.Client;
  readonly #take: (end: ServerEnd, chunk: WalChunk | null) => void;
  readonly #ended = Promise.withResolvers<never>();
  #connection: Connection | undefined;
  #received: bigint;
  #durable: bigint;
  #timer: NodeJS.Timeout | undefined;

  private constructor(client: pg.Client, from: bigint, take: (end: ServerEnd, chunk: WalChunk | null) => void) {
    this.#client = client;
    this.#take = take;
    this.#received = from;
    this.#durable = from;
    this.#ended.promise.catch(() => undefined);
  }

  /**
   * Starts to stream, at a place that the slot still keeps. @param take - is told everything in order; a null chunk is a sign of life.
   * @throws what the server says, such as 58P01: it does not have that any more.
   */
  static async open(config: pg.ClientConfig, { slot, timeline, from }: { slot: string; timeline: number; from: bigint }, take: (end: ServerEnd, chunk: WalChunk | null) => void): Promise<WalStream> {
    const client = new pg.Client({ ...config, replication: 'true', keepAlive: true } as pg.ClientConfig);
    client.on('error', () => undefined);
    await client.connect();
    const stream = new WalStream(client, from, take);
    try {
      await stream.#start(`START_REPLICATION SLOT "${slot}" PHYSICAL ${formatLsn(from)} TIMELINE ${timeline}`);
    } catch (error) {
      stream.close();
      throw error;
    }
    return stream;
  }

  /** Rejects when the stream ends, whoever ended it. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  /** Up to here it lies in the store: the server may let it go. */
  durableTo(lsn: bigint): void {
    this.#durable = lsn;
    this.#say();
  }

  pause(): void {
    this.#connection?.stream.pause();
  }

  resume(): void {
    this.#connection?.stream.resume();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#ended.reject(new HoldfastError('SourceUnavailable', 'the stream was closed'));
    (this.#client as unknown as { connection: Connection }).connection.stream.destroy();
  }

  async #start(command: string): Promise<void> {
    const started = Promise.withResolvers<void>();
    const fail = (error: Error): void => {
      started.reject(error);
      clearInterval(this.#timer);
      this.#ended.reject(error);
    };
    this.#client.once('error', fail);
    this.#client.once('end', () => fail(new HoldfastError('SourceUnavailable', 'the server ended the stream of its log')));
    const none = (): void => undefined;
    const submittable = {
      submit: (connection: Connection) => {
        this.#connection = connection;
        (connection as unknown as NodeJS.EventEmitter).once('replicationStart', () => {
          this.#timer = setInterval(() => this.#say(), statusEveryMs);
          started.resolve();
        });
        connection.query(command);
      },
      handleCopyData: ({ chunk }: { chunk: Buffer }) => {
        try {
          this.#read(chunk);
        } catch (error) {
          fail(error as Error);
        }
      },
      handleError: (error: Error) => fail(error),
      handleReadyForQuery: () => fail(new HoldfastError('SourceUnavailable', 'the server ended the stream of its log')),
      handleRowDescription: none,
      handleDataRow: none,
      handlePortalSuspended: none,
      handleCommandComplete: none,
      handleCopyInResponse: none,
      handleEmptyQuery: none,
    };
    this.#client.query(submittable as unknown as pg.Submittable);
    await started.promise;
  }

  #read(chunk: Buffer): void {
    const kind = String.fromCharCode(chunk[0]!);
    if (kind === 'w') {
      const lsn = chunk.readBigUInt64BE(1);
      if (lsn !== this.#received) throw new HoldfastError('SourceUnavailable', `the server sent its log from ${formatLsn(lsn)}, and ${formatLsn(this.#received)} was next`);
      const data = chunk.subarray(25);
      this.#received = lsn + BigInt(data.length);
      this.#take({ lsn: chunk.readBigUInt64BE(9), atMs: msOf(chunk.readBigInt64BE(17)) }, { lsn, data });
    } else if (kind === 'k') {
      this.#take({ lsn: chunk.readBigUInt64BE(1), atMs: msOf(chunk.readBigInt64BE(9)) }, null);
      if (chunk[17] === 1) this.#say();
    }
  }

  #say(): void {
    const status = Buffer.alloc(34);
    status.write('r', 0, 'latin1');
    status.writeBigUInt64BE(this.#received, 1);
    status.writeBigUInt64BE(this.#durable, 9);
    status.writeBigUInt64BE(this.#durable, 17);
    status.writeBigInt64BE(BigInt(Date.now()) * 1000n - epochUs, 25);
    this.#connection?.sendCopyFromChunk(status);
  }
}

const msOf = (us: bigint): number => Number((us + epochUs) / 1000n);
