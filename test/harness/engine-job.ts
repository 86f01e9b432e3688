import { text } from 'node:stream/consumers';
import type { SourceContext } from '../../activities/context.ts';
import { copyBeside } from '../../activities/engines/mongodb/beside/copy-beside.ts';
import { swapBack, swapCollections } from '../../activities/engines/mongodb/beside/swap-collections.ts';
import { dumpGroup } from '../../activities/engines/mongodb/dump-group.ts';
import { prepareRestore } from '../../activities/engines/mongodb/prepare-restore.ts';
import { importGroup } from '../../activities/engines/mongodb/mongodump/import-group.ts';
import { planImport } from '../../activities/engines/mongodb/mongodump/plan-import.ts';
import { writeExport } from '../../activities/engines/mongodb/mongodump/write-export.ts';
import { replayLog } from '../../activities/engines/mongodb/replay/replay-log.ts';
import { restoreGroup } from '../../activities/engines/mongodb/restore-group.ts';
import { validateTarget } from '../../activities/engines/mongodb/validate-target.ts';
import { lookAtSource } from '../../activities/readiness/look-at-source.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { openContext } from './engine-place.ts';

/** Does the one job that stdin orders, and prints its result with the memory that it took. */
const jobs = { dumpGroup, prepareRestore, restoreGroup, replayLog, validateTarget, planImport, importGroup, writeExport, copyBeside, swapCollections, swapBack, lookAtSource } as unknown as Record<string, (context: SourceContext, input: unknown) => Promise<unknown>>;

interface Order {
  file: SystemFile;
  secrets: Record<string, string>;
  job: string;
  input: unknown;
}

const { file, secrets, job, input } = JSON.parse(await text(process.stdin)) as Order;
const context = await openContext(file, secrets, () => undefined);
const startedAtMs = Date.now();
const result = await jobs[job]!(context, input);
const tookMs = Date.now() - startedAtMs;
process.stdout.write(JSON.stringify({ result, tookMs, maxRssBytes: process.resourceUsage().maxRSS * 1024 }));
