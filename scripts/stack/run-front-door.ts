import { parseArgs } from 'node:util';
import { runTool } from '../../activities/tool/run-tool.ts';
import { prepareFrontDoor } from './front-door-files.ts';

/**
 * The front door in the foreground, for a container: runs nginx until it is told to stop.
 *
 * `node scripts/stack/run-front-door.ts --directory DIR --listen ADDRESS --side NAME --upstream HOST:PORT`
 */
const { values } = parseArgs({
  options: { directory: { type: 'string' }, listen: { type: 'string' }, side: { type: 'string' }, upstream: { type: 'string' } },
});
const stopped = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopped.abort(signal));
try {
  await runTool('nginx', prepareFrontDoor(values.directory!, values.listen!, values.side!, values.upstream!), { signal: stopped.signal });
} catch (error) {
  if (!stopped.signal.aborted) throw error;
}
