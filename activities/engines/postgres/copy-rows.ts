import type pg from 'pg';
import { kib } from '../../../workflows/domain/units.ts';
import { lenderOf, type Lender } from './lending-socket.ts';
import { RowFrames } from './row-frames.ts';

/** What of pg's client is used that its types do not say: what every `Submittable` is given (pg-copy-streams works by the same). */
interface Connection {
  query(text: string): void;
  readonly stream: NodeJS.ReadableStream;
}

/** Read and not yet taken; above it the server waits. */
const waitingAtMostBytes = kib(512);

/**
 * Rows as COPY's text, in pieces of any length, as they come. The socket's own memory is given on: a piece is worth something until the next one is asked for.
 *
 * In place of pg-copy-streams, which makes some objects for every row, fills memory with zeros for each read and copies it all once more: three times the processor time.
 *
 * What is left before its end (by an error of whoever takes it) leaves its session in the middle: it has to be cut off.
 */
export class CopiedRows implements AsyncIterable<Buffer> {
  readonly #sql: string;
  readonly #frames = new RowFrames();
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #stream: NodeJS.ReadableStream | undefined;
  #lender: Lender | undefined;
  #theirs: ((chunk: Buffer) => void) | undefined;
  #heard = Promise.withResolvers<void>();
  #end: { error?: unknown } | undefined;
  /** what the server says that it sent; known at the end */
  rowCount: number | undefined;

  private constructor(sql: string) {
    this.#sql = sql;
  }

  static of(client: pg.Client, sql: string): CopiedRows {
    const rows = new CopiedRows(sql);
    client.query(rows as unknown as pg.Submittable);
    return rows;
  }

  /** Ends when the server has said that all is sent, and the session takes other questions. @throws what the server says. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = this.#waiting.shift();
      if (piece) {
        this.#waitingBytes -= piece.length;
        yield piece;
        this.#lender?.giveBack(piece);
      } else if (this.#end) {
        if ('error' in this.#end) throw this.#end.error;
        return;
      } else {
        this.#stream?.resume();
        await this.#heard.promise;
        this.#heard = Promise.withResolvers();
      }
    }
  }

  submit(connection: Connection): void {
    const { stream } = connection;
    this.#stream = stream;
    const [theirs, ...others] = stream.listeners('data') as ((chunk: Buffer) => void)[];
    if (!theirs || others.length > 0) throw new Error('the client reads its socket in another way than is known');
    this.#theirs = theirs;
    stream.removeListener('data', theirs);
    stream.on('data', this.#onData);
    this.#lender = lenderOf(stream);
    if (this.#lender) this.#lender.isLending = true;
    connection.query(this.#sql);
  }

  readonly #onData = (chunk: Buffer): void => {
    const { bytes, rest } = this.#frames.take(chunk);
    if (bytes.length > 0) {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    } else {
      this.#lender?.giveBack(chunk);
    }
    if (rest) this.#giveBack(rest);
    else if (this.#waitingBytes >= waitingAtMostBytes) this.#stream!.pause();
    this.#heard.resolve();
  };

  #giveBack(rest: Buffer): void {
    if (this.#lender) this.#lender.isLending = false;
    this.#stream!.removeListener('data', this.#onData);
    this.#stream!.on('data', this.#theirs!);
    this.#theirs!(rest);
  }

  handleCommandComplete({ text }: { text: string }): void {
    const count = /^COPY (\d+)$/.exec(text)?.[1];
    if (count !== undefined) this.rowCount = Number(count);
  }

  handleReadyForQuery(): void {
    this.#finish(this.rowCount === undefined ? { error: new Error(`${this.#sql.slice(0, 40)}: no COPY`) } : {});
  }

  handleRowDescription(): void {}

  handleDataRow(): void {}

  handleEmptyQuery(): void {}

  handleError(error: unknown): void {
    this.#finish({ error });
  }

  #finish(end: { error?: unknown }): void {
    this.#end ??= end;
    this.#heard.resolve();
  }
}
