import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * The tests of several files in this process, one after the other: `node together.ts <test file>…` (scripts/test.ts). Imported by one module, they are all evaluated before the first
 * test begins, as long as none of them awaits anything at its top: the runner ends the process once all tests are over that it knows of then.
 */
const all = process.argv.slice(2).map((file) => `import ${JSON.stringify(pathToFileURL(resolve(file)).href)};`).join('');
await import(`data:text/javascript,${encodeURIComponent(all)}`);
