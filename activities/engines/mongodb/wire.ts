import { connect, type Socket } from 'node:net';
import { BSON, type Document } from 'mongodb';

/**
 * One connection to a server without authentication on loopback, which is what a restore target is until it is
 * promoted. It exists because documents must arrive byte by byte as they were: the driver has no public way to send a
 * document that it has not encoded itself.
 *
 * OP_MSG is the server's public protocol: a header, flags, the command (kind 0) and document sequences (kind 1).
 * One command at a time; a lost connection fails the command, and the caller decides about another try. A command has no
 * time limit of its own: an applyOps may take long. Whoever opens a connection gives a signal for a server that hangs.
 *
 * @source MongoDB wire protocol, OP_MSG
 */
export class WireConnection {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #waiting: { resolve: (reply: Document) => void; reject: (error: Error) => void } | undefined;
  #requestId = 0;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (data) => this.#receive(data));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('connection closed by the server')));
  }

  /** @param signal - closes the connection; its reason is what the command that waits fails with. */
  static async connect(host: string, port: number, signal?: AbortSignal): Promise<WireConnection> {
    const socket = connect({ host, port });
    const connection = new WireConnection(socket);
    const onAbort = (): void => connection.close(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal?.removeEventListener('abort', onAbort));
    if (signal?.aborted) onAbort();
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('close', () => reject(connection.#failure!));
    });
    return connection;
  }

  /**
   * Runs one command; one that is encoded already may come in pieces. `sequence` are documents one after another, sent as they are.
   * The reply is given even when its `ok` is 0: some callers read single results of a failed command.
   */
  async run(command: Document | Uint8Array | readonly Uint8Array[], sequence?: { field: string; documents: readonly Uint8Array[] }): Promise<Document> {
    if (this.#failure) throw this.#failure;
    if (this.#waiting) throw new Error('a command is already running on this connection');
    const body = Array.isArray(command) ? command as readonly Uint8Array[] : [command instanceof Uint8Array ? command : BSON.serialize(command)];
    const chunks: Uint8Array[] = [Buffer.alloc(21), ...body];
    if (sequence) chunks.push(sequenceHeader(sequence), ...sequence.documents);
    const header = chunks[0] as Buffer;
    header.writeInt32LE(chunks.reduce((sum, chunk) => sum + chunk.length, 0), 0);
    header.writeInt32LE((this.#requestId += 1), 4);
    header.writeInt32LE(opMsg, 12);
    return await new Promise<Document>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.cork();
      for (const chunk of chunks) this.#socket.write(chunk);
      this.#socket.uncork();
    });
  }

  close(why: Error = new Error('connection closed')): void {
    this.#fail(why);
    this.#socket.destroy();
  }

  #receive(data: Buffer): void {
    this.#received.push(data);
    this.#receivedBytes += data.length;
    if (this.#receivedBytes < 16) return;
    const message = this.#received.length === 1 ? data : Buffer.concat(this.#received);
    this.#received = [message];
    if (message.length < message.readInt32LE(0)) return;
    this.#received = [];
    this.#receivedBytes = 0;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    // Header 16, flags 4, kind of the first section 1: a reply is one section of kind 0.
    waiting?.resolve(BSON.deserialize(message.subarray(21)));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}

const opMsg = 2013;

function sequenceHeader({ field, documents }: { field: string; documents: readonly Uint8Array[] }): Buffer {
  const name = Buffer.from(`${field}\0`);
  const header = Buffer.alloc(1 + 4 + name.length);
  header[0] = 1;
  header.writeInt32LE(4 + name.length + documents.reduce((sum, document) => sum + document.length, 0), 1);
  name.copy(header, 5);
  return header;
}

/**
 * `{applyOps: [<operations, as they are>], allowAtomic: false, $db: 'admin'}`, encoded by hand, since its array cannot be a sequence.
 *
 * Where the server applies all of them as one, it treats a document as an insert does: its own time in place of a Timestamp(0,0), `_id` moved to the front. One by one it
 * leaves them as they are.
 */
export function applyOpsCommand(operations: readonly Uint8Array[]): Buffer {
  const entries: Uint8Array[] = [];
  operations.forEach((operation, index) => entries.push(Buffer.from(`\x03${index}\0`, 'latin1'), operation));
  const array = rawDocument(entries);
  return rawDocument([Buffer.from('\x04applyOps\0', 'latin1'), array, Buffer.from('\x08allowAtomic\0\0', 'latin1'), Buffer.from('\x02$db\0\x06\0\0\0admin\0', 'latin1')]);
}

/** Elements that are encoded already, with length and end put around them. */
export function rawDocument(encodedElements: readonly Uint8Array[]): Buffer {
  const bytes = 4 + encodedElements.reduce((sum, element) => sum + element.length, 0) + 1;
  const length = Buffer.alloc(4);
  length.writeInt32LE(bytes, 0);
  return Buffer.concat([length, ...encodedElements, Buffer.alloc(1)], bytes);
}
