import type { Socket } from 'node:net';
import type pg from 'pg';
import { kib } from '../../../workflows/domain/units.ts';

/** What of pg's client is used that its types do not say, as in `CopiedRows`. */
interface Connection {
  query(text: string): void;
  readonly stream: Socket;
}

const sentAtOnceBytes = kib(256);
/** PostgreSQL manual, Message Formats: CopyData and CopyDone. */
const [copyData, copyDone] = [0x64, Buffer.from([0x63, 0, 0, 0, 4])];

/**
 * Sends rows, as COPY's text, to a `COPY … FROM STDIN`. In place of pg-copy-streams, by which nobody knows when the kernel has a piece, and so when its memory can go.
 *
 * What fails on our side leaves the session in the middle: it has to be cut off.
 * @param onSent - told of each piece when it is on its way, and nobody here reads it any more.
 * @returns how many rows the server took. @throws what the server says, or `pieces`.
 */
export async function sendRows(client: pg.Client, sql: string, pieces: AsyncIterable<Buffer>, onSent: (piece: Buffer) => void): Promise<number> {
  const sending = new Sending(sql);
  client.query(sending as unknown as pg.Submittable);
  const stream = await sending.begun.promise;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += sentAtOnceBytes) {
      // The server may end it in the middle, and read no more.
      await Promise.race([send(stream, piece.subarray(at, at + sentAtOnceBytes)), sending.ended.promise]);
    }
    onSent(piece);
  }
  stream.write(copyDone);
  return await sending.ended.promise;
}

async function send(stream: Socket, bytes: Buffer): Promise<void> {
  const header = Buffer.alloc(5, copyData);
  header.writeUInt32BE(bytes.length + 4, 1);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.cork();
  stream.write(header);
  stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  stream.uncork();
  await promise;
}

/** What the client is told to do, and tells of it. */
class Sending {
  readonly begun = Promise.withResolvers<Socket>();
  readonly ended = Promise.withResolvers<number>();
  readonly #sql: string;
  #rowCount: number | undefined;

  constructor(sql: string) {
    this.#sql = sql;
    // Heard from the beginning: whoever waits for them comes later.
    for (const { promise } of [this.begun, this.ended]) promise.catch(() => undefined);
  }

  submit(connection: Connection): void {
    connection.query(this.#sql);
  }

  handleCopyInResponse({ stream }: Connection): void {
    this.begun.resolve(stream);
  }

  handleCommandComplete({ text }: { text: string }): void {
    const count = /^COPY (\d+)$/.exec(text)?.[1];
    if (count !== undefined) this.#rowCount = Number(count);
  }

  handleReadyForQuery(): void {
    if (this.#rowCount === undefined) this.handleError(new Error(`${this.#sql.slice(0, 40)}: no COPY`));
    else this.ended.resolve(this.#rowCount);
  }

  handleError(error: unknown): void {
    this.begun.reject(error);
    this.ended.reject(error);
  }
}
