import { openContext } from '../../../../activities/open-context.ts';
import { postgresPhysicalEngine as engine } from '../../../../activities/engines/postgres-physical/index.ts';
import { physicalRef } from '../../../harness/physical-place.ts';

/** `node receive-rounds.ts`: receives the log of the test's source, in a process that can be killed. */
const context = await openContext({ ...physicalRef, epoch: 0 }, { signal: new AbortController().signal, progress: () => undefined });
await engine.archiveLog(context, { ...physicalRef, epoch: 0, forMs: 3_600_000 });
