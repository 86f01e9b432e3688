import { createInterface } from 'node:readline/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Printer } from './printer.ts';

/** @param otherwise - what to do where nobody is at a terminal. @throws BadInput - nobody is there to ask. @throws Aborted - they did not say `answer`. */
export async function askFor(printer: Printer, { question, answer, refused, otherwise }: { question: string; answer: RegExp; refused: string; otherwise: string }): Promise<void> {
  if (printer.json || !process.stdin.isTTY) throw new HoldfastError('BadInput', 'the plan was not agreed to: nobody is at a terminal', { hint: otherwise });
  const asked = createInterface({ input: process.stdin, output: process.stderr });
  try {
    if (!answer.test((await asked.question(question)).trim())) throw new HoldfastError('Aborted', refused);
  } finally {
    asked.close();
  }
}
