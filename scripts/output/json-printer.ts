import { describeError } from '../../workflows/domain/errors.ts';
import type { Out, Printer } from './printer.ts';

/** One JSON document, or one object a line for a watch. An error is `{"error": {type, message, hint}}`, also on stdout. */
export class JsonPrinter implements Printer {
  readonly json = true;
  readonly #out: Out;
  #framed = false;

  constructor(out: Out) {
    this.#out = out;
  }

  result<T>(value: T): void {
    // After a watch's lines it is one more line.
    this.#out.write(`${this.#framed ? JSON.stringify(value) : JSON.stringify(value, null, 2)}\n`);
  }

  frame<T>(value: T): void {
    this.#framed = true;
    this.#out.write(`${JSON.stringify(value)}\n`);
  }

  endFrames(): void {}

  note(): void {}

  error(error: unknown): void {
    this.#out.write(`${JSON.stringify({ error: describeError(error) })}\n`);
  }
}
