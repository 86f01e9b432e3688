import { readStackFile, stackEnvironment } from './stack/stack-file.ts';

/**
 * Gives this process what `systems/demo.yaml` refers to, where an embedded stack was made. What the environment says
 * already is left alone, and so is the address of Temporal: profiles may name one.
 */
export function loadStackEnvironment(): void {
  const stack = readStackFile();
  if (!stack) return;
  for (const [name, value] of Object.entries(stackEnvironment(stack))) {
    if (name !== 'TEMPORAL_ADDRESS') process.env[name] ??= value;
  }
}
