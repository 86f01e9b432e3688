import { z } from 'zod';
import { defineStep } from './step.ts';

/** Writes the report to the store, as evidence, and to disk. */
export const report = defineStep({
  about: 'writes the report of the run, as a page and as JSON',
  settings: z.strictObject({}),
  async run(ctx) {
    const { paths, evidence } = await ctx.call('writeReport', { report: ctx.report() }, 'write the report');
    return { summary: `${paths.html}; ${evidence.length} objects in the store` };
  },
});
