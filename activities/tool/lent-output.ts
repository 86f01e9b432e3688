import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { findProgram } from './find-tool.ts';
import { runTool } from './run-tool.ts';

/** Whose memory it is that a program's output is read into. */
export interface Lender {
  /** Memory for what comes next, at least one byte. */
  room(): Buffer;
  /** This lies at the beginning of the last room now. @returns whether more may come at once; false: not before the next `read`. */
  took(chunk: Buffer): boolean;
}

/**
 * What a program writes, read to where it is to stay: node's own pipes take new memory for every 64 KiB and hand them on through a chain of streams, which is more work than the bytes are.
 *
 * The rule: a room is the reader's from `room` until `took`, and then its owner's again, who gives none twice before that. It is read when there is something, in this thread, and never behind
 * the owner's back: once `took` has said no, and once this is destroyed, nothing is written to any room. A room is asked for as soon as the one before is taken, so its owner has one in advance.
 *
 * The pipe has a name for as long as its two ends are opened, in a directory that is ours alone.
 */
export class LentOutput {
  readonly #lender: Lender;
  readonly #ours: number;
  #theirs: number | undefined;
  #room: Buffer | undefined;
  #socket: Socket | undefined;
  #reading: PromiseWithResolvers<boolean> | undefined;
  #over: { error?: unknown } | undefined;
  bytesRead = 0;

  /** @param directory - private (0700). */
  static async open(directory: string, lender: Lender): Promise<LentOutput> {
    // Not a name that a file of a system file may have.
    const path = join(directory, '.output');
    await runTool({ path: findProgram('mkfifo') }, ['-m', '600', path]);
    // Without waiting for a writer, which is the next one.
    const ours = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const theirs = openSync(path, constants.O_WRONLY);
      rmSync(path);
      return new LentOutput(lender, ours, theirs);
    } catch (error) {
      closeSync(ours);
      throw error;
    }
  }

  private constructor(lender: Lender, ours: number, theirs: number) {
    this.#lender = lender;
    this.#ours = ours;
    this.#theirs = theirs;
  }

  /** @param start - is given the file descriptor that the program writes to; from then on it is the program's alone, so that its end is the end. */
  handOver<T>(start: (descriptor: number) => T): T {
    try {
      return start(this.#theirs!);
    } finally {
      this.#closeTheirs();
    }
  }

  /** Whether nothing is read now, because its reader has not asked for more. */
  get isHeldUp(): boolean {
    return !this.#reading && !this.#over;
  }

  /** Reads until `took` says no. @returns false at the end. @throws what `took` throws. */
  async read(): Promise<boolean> {
    if (this.#over) return this.#result(this.#over);
    const { promise } = (this.#reading = Promise.withResolvers<boolean>());
    if (this.#socket) this.#socket.resume();
    else this.#socket = this.#begin();
    return await promise;
  }

  /** Reads no more; the program is told when it writes on. */
  destroy(): void {
    this.#closeTheirs();
    if (this.#socket) this.#socket.destroy();
    else if (!this.#over) closeSync(this.#ours);
    this.#end({});
  }

  #begin(): Socket {
    const socket = new Socket({
      fd: this.#ours,
      writable: false,
      onread: { buffer: () => (this.#over ? this.#room! : (this.#room = this.#lender.room())), callback: (bytes) => this.#took(bytes) },
    });
    return socket.on('error', (error) => this.#end({ error })).on('end', () => this.#end({})).on('close', () => this.#end({}));
  }

  #took(bytes: number): boolean {
    this.bytesRead += bytes;
    try {
      if (this.#lender.took(this.#room!.subarray(0, bytes))) return true;
      this.#reading?.resolve(true);
      this.#reading = undefined;
    } catch (error) {
      this.#end({ error });
    }
    return false;
  }

  #end(over: { error?: unknown }): void {
    this.#over ??= over;
    const reading = this.#reading;
    this.#reading = undefined;
    if (this.#over.error === undefined) reading?.resolve(false);
    else reading?.reject(this.#over.error);
  }

  #result({ error }: { error?: unknown }): boolean {
    if (error !== undefined) throw error;
    return false;
  }

  #closeTheirs(): void {
    if (this.#theirs !== undefined) closeSync(this.#theirs);
    this.#theirs = undefined;
  }
}
