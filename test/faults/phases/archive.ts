import assert from 'node:assert/strict';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import { scope, source } from '../bench.ts';
import type { Enter } from '../cell.ts';
import { detailsOf } from '../read-page.ts';
import { dataPlaneOf } from './data-planes.ts';
import { isPut, isSlice } from './requests.ts';

/** A slice with a write of ours is on its way. */
export const enterArchive: Enter = async (bench) => {
  const { stack } = bench;
  await stack.archiveIsUpToDate();
  const held = stack.store.hold((of) => isPut(of) && isSlice(of));
  await bench.note('in the slice that is held');
  await held.reached;
  return {
    workflowId: lockIds.archive('demo', source),
    activity: 'archiveLog',
    dataPlane: await dataPlaneOf(bench, 'archiveLog'),
    mongod: { pidFile: bench.primaryPidFile, start: async () => await bench.startSource() },
    release: () => held.release(),
    finish: async () => {
      await bench.note('after the fault');
      await stack.archiveIsUpToDate();
      const catalog = await rebuildCatalog(await stack.source(), { system: 'demo', source });
      assert.equal(catalog.spans.length, 1, 'one unbroken span');
      // The put that the fault met may arrive after all, behind the next try's of another length; and of a process that goes on where it stood, what it read meanwhile, which goes up as
      // one, before it is told that it was given up: slices that nobody needs.
      const spare = catalog.rejected.filter((of) => of.spare);
      assert.deepEqual([catalog.gaps, catalog.rejected.filter((of) => !of.spare)], [[], []]);
      assert.ok(spare.length <= 2, JSON.stringify(spare));
      const keys = await stack.keys(layout.slices(scope));
      assert.equal(new Set(keys).size, catalog.spans[0]!.slices + spare.length, 'no other slice lies beside the chain');
      assert.equal(keys.length, new Set(keys).size, 'no slice was written twice');
      assert.doesNotMatch(await detailsOf(bench, lockIds.archive('demo', source)), /gap from|base after the gap/, 'the page of the archive tells of no gap');
      return `one unbroken span of ${catalog.spans[0]!.slices} slices, none twice${spare.length > 0 ? `, ${spare.length} of a try that was given up beside it` : ''}`;
    },
  };
};
