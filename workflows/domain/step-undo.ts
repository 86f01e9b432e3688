import { z } from 'zod';

/**
 * What a step's `undo` may say: how what the step did is taken back, behind what its type takes back by itself. The program first, then the person, who is
 * told what the program said. Both are asked of a step that failed half-way or before it did anything, too: an undo is registered before the act.
 */
export const stepUndoSchema = z
  .strictObject({
    command: z.string('one of commands').optional().meta({ description: 'one of commands, by its name: what it runs takes back what the step did' }),
    inDrills: z.boolean('true or false').optional().meta({ description: 'true: that command runs in drills and partial restores too; left out: they pass it over, as a step that uses command' }),
    manual: z.string('what a person is to take back').trim().min(1, 'what a person is to take back').max(500, 'at most 500 characters').optional().meta({ description: 'what a person takes back by hand, and confirms: nothing else is undone before' }),
  })
  .refine(({ command, manual }) => command !== undefined || manual !== undefined, 'command (one of commands), manual (what a person is to take back), or both')
  .refine(({ command, inDrills }) => command !== undefined || inDrills === undefined, { path: ['inDrills'], message: 'inDrills is about a command, and there is none: what a person takes back is asked wherever the step ran' });

export type StepUndo = z.output<typeof stepUndoSchema>;

/** The item that a person confirms once they have taken back what the step did. */
export const undoItem = 'undo';

/** `undone by command dns-back, then by hand` */
export const describeUndo = ({ command, manual }: StepUndo): string => `undone by ${[...(command === undefined ? [] : [`command ${command}`]), ...(manual === undefined ? [] : ['hand'])].join(', then by ')}`;
