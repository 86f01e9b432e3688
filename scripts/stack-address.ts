import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where the embedded stack keeps everything: HOLDFAST_HOME, or `.holdfast` in the project. */
export const stackDirectory = (): string => resolve(process.env['HOLDFAST_HOME'] ?? join(import.meta.dirname, '..', '.holdfast'));

/** Where the embedded stack's Temporal answers, from its own file; undefined when no stack was started here. */
export function readStackAddress(): { temporalAddress: string; uiUrl: string } | undefined {
  try {
    const { temporal } = JSON.parse(readFileSync(join(stackDirectory(), 'stack.json'), 'utf8')) as { temporal: { address: string; uiUrl: string } };
    return { temporalAddress: temporal.address, uiUrl: temporal.uiUrl };
  } catch {
    return undefined;
  }
}
