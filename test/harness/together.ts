import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { after } from 'node:test';

/**
 * The tests of several files in this process, one after the other: `node together.ts <test file>…` (scripts/test.ts). All are evaluated before the first test begins, since the runner
 * ends its run once all tests are over that it knows of then: one that awaits anything at its top, which would come too late, cannot be loaded so, and fails the process.
 */
after(() => {
  // What a failed test left open keeps the process. It is told then that nothing is left to do: so the runner sums up, and what it has to report has its time.
  setTimeout(() => process.emit('beforeExit', 0), 30_000).unref();
  setTimeout(() => process.exit(), 40_000).unref();
});

const require = createRequire(import.meta.url);
for (const file of process.argv.slice(2)) require(resolve(file));
