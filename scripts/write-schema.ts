import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemFileJsonSchema } from '../activities/system-file-errors.ts';

/** Writes `systems/system.schema.json`, which editors complete and check system files by. Run it after a change of the schema. */
const path = join(import.meta.dirname, '..', 'systems', 'system.schema.json');
await writeFile(path, `${JSON.stringify(systemFileJsonSchema(), null, 2)}\n`);
process.stdout.write(`wrote ${path}\n`);
