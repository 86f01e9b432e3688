import { describeError } from '../../workflows/domain/errors.ts';
import type { Out, Printer } from './printer.ts';

/** Off a terminal a watch prints a line when something changed, and otherwise this often. */
const lineEveryMs = 10_000;

/** Cuts a line to the terminal's width: a wrapped line would break redrawing in place. */
const fit = (line: string, columns: number): string => (line.length < columns ? line : `${line.slice(0, columns - 2)}…`);

export class TextPrinter implements Printer {
  readonly json = false;
  readonly #out: Out;
  readonly #err: Out;
  readonly #now: () => number;
  #drawnLines = 0;
  #lastLine = '';
  #lastLineAtMs = -Infinity;

  constructor(out: Out, err: Out, now: () => number = Date.now) {
    this.#out = out;
    this.#err = err;
    this.#now = now;
  }

  result<T>(value: T, text: (value: T) => string): void {
    this.endFrames();
    const lines = text(value);
    if (lines !== '') this.#out.write(`${lines}\n`);
  }

  frame<T>(value: T, text: (value: T) => string, line: (value: T) => string): void {
    if (this.#out.isTTY) this.#redraw(text(value));
    else this.#printNowAndThen(line(value));
  }

  endFrames(): void {
    this.#drawnLines = 0;
  }

  note(line: string): void {
    this.endFrames();
    this.#out.write(`${line}\n`);
  }

  error(error: unknown): void {
    this.endFrames();
    const { message, hint } = describeError(error);
    this.#err.write(`error: ${message}\n`);
    if (hint) this.#err.write(`HINT: ${hint}\n`);
    if (process.env['HOLDFAST_DEBUG'] === '1' && error instanceof Error) this.#err.write(`${error.stack}\n`);
  }

  #redraw(text: string): void {
    const columns = this.#out.columns || 80;
    // More lines than the screen has could not be taken back: the top is left out then.
    const lines = text.split('\n').slice(-Math.max(1, (this.#out.rows || 24) - 1)).map((line) => fit(line, columns));
    const back = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A\r\u001b[J` : '';
    this.#out.write(`${back}${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  #printNowAndThen(line: string): void {
    const nowMs = this.#now();
    // Figures change all the time; what counts as news is the text around them.
    const news = line.replace(/\d[\d.,]*(ms|[smhd%]| [KMGT]?i?B)?(\/s)?/g, '').replace(/\s+/g, ' ');
    if (news === this.#lastLine && nowMs - this.#lastLineAtMs < lineEveryMs) return;
    this.#lastLine = news;
    this.#lastLineAtMs = nowMs;
    this.#out.write(`${line}\n`);
  }
}
