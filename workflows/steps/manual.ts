import { z } from 'zod';
import { defineStep } from './step.ts';

const item = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes'),
  do: z.string().min(1, 'what a person is to do').max(500, 'at most 500 characters'),
});

/** What no program can do: a checklist that people confirm, item by item, by the message `confirm`. Nothing is undone of it: the journal says what was done. */
export const manual = defineStep({
  about: 'a checklist that people confirm, item by item',
  settings: z.strictObject({
    instructions: z.string().max(2_000, 'at most 2,000 characters').optional(),
    items: z.array(item).min(1, 'at least one item').max(20, 'at most 20 items').refine((items) => new Set(items.map(({ id }) => id)).size === items.length, 'items with an id each'),
  }),
  run: (_ctx, { instructions, items }) => Promise.resolve({ summary: instructions ?? 'confirmed', confirms: items }),
});
