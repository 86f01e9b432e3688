import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { LedgerLine } from './ledger.ts';

/** Appends lines to a ledger; what `add` was given is in the file when this turn of the event loop ends. */
export class LedgerWriter {
  readonly #file: number;
  #waiting = '';

  constructor(path: string) {
    this.#file = openSync(path, 'a', 0o600);
  }

  add(line: LedgerLine): void {
    if (this.#waiting === '') setImmediate(() => this.flush());
    this.#waiting += `${JSON.stringify(line)}\n`;
  }

  flush(): void {
    const text = this.#waiting;
    this.#waiting = '';
    if (text !== '') writeSync(this.#file, text);
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

/** Reads a ledger that grows: each call returns the whole lines that were added since the last one. */
export class LedgerReader {
  readonly #file: number;
  readonly #buffer = Buffer.alloc(1 << 20);
  #offset = 0;
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#file = openSync(path, 'r');
  }

  readNew(): LedgerLine[] {
    const lines: LedgerLine[] = [];
    while (true) {
      const bytes = readSync(this.#file, this.#buffer, 0, this.#buffer.length, this.#offset);
      if (bytes === 0) return lines;
      this.#offset += bytes;
      // Cut at the byte of a line's end, so that a character is never cut.
      const all = Buffer.concat([this.#rest, this.#buffer.subarray(0, bytes)]);
      const end = all.lastIndexOf(10) + 1;
      this.#rest = Buffer.from(all.subarray(end));
      for (const text of all.toString('utf8', 0, end).split('\n')) if (text !== '') lines.push(JSON.parse(text) as LedgerLine);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
