import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderRightsPage, renderRightsScript } from './render-rights.ts';

/** Writes `docs/rights.md` and `docs/rights.js` from the one definition. Run it after a change of `rights.ts`. */
const docs = join(import.meta.dirname, '..', 'docs');
await writeFile(join(docs, 'rights.md'), renderRightsPage());
await writeFile(join(docs, 'rights.js'), renderRightsScript());
process.stdout.write(`wrote rights.md and rights.js in ${docs}\n`);
