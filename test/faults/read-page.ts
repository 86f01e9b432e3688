import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '../../workflows/domain/layout.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { Bench } from './bench.ts';

/**
 * The page that a run left, as a person opens it: its headline is that of the end that was seen, each step is on it, and what lies in the
 * store as evidence is the same.
 * @param headline - of the title of the system.
 */
export async function requirePage({ stack }: Bench, { state }: { state: RunReport['state'] }, outcome: RunReport['outcome'], headline: RegExp): Promise<void> {
  const runId = state.run!;
  const places = globSync(`demo/*-${runId.slice(0, 8)}`, { cwd: stack.reports });
  assert.equal(places.length, 1, `one page of run ${runId}`);
  const read = (name: string): string => readFileSync(join(stack.reports, places[0]!, name), 'utf8');
  const page = read('report.html');
  const report = JSON.parse(read('report.json')) as RunReport;
  assert.equal(report.outcome, outcome);
  assert.match(/<h1[^>]*>([^<]*)<\/h1>/.exec(page)?.[1] ?? '', headline);
  const wrong = state.steps.filter(({ id, state: is }) => report.state.steps.find((step) => step.id === id)?.state !== is || !page.includes(id));
  assert.deepEqual(wrong.map(({ id }) => id), [], 'the page shows each step as it ended');
  const { store } = await stack.source();
  for await (const version of store.list(layout.evidence('demo', runId, 'report.html'))) {
    // One whose write was tried again is there twice.
    if (!version.isLatest) continue;
    assert.equal((await store.getVersion(version)).toString('utf8'), page, 'the evidence in the store is that page');
    return;
  }
  assert.fail(`no page of run ${runId} in the store`);
}

/** What the Temporal UI shows of a workflow, in Markdown. */
export const detailsOf = async ({ stack }: Bench, workflowId: string): Promise<string> =>
  (await stack.handle(workflowId).query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails ?? '';
