import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { sourcesWithLog } from '../../../scripts/bucket/open-sources.ts';
import { tar, toolPlace } from '../../harness/tool-place.ts';

test('an archive is started for the sources that have a log; where none has, or one is named that has none, it is refused', async (t) => {
  const place = toolPlace(t);
  await assert.rejects(sourcesWithLog('tools'), { type: 'Unsupported', message: /^tools\/files: the engine "tool" has no log: nothing can be archived/ });
  place.use(tar, (file) => {
    file.sources['orders'] = { engine: 'mongodb', environment: 'production' };
    for (const { endpoints } of Object.values(file.environments)) endpoints['orders'] = { uri: 'mongodb://127.0.0.1:1/' };
    file.standby.provision['orders'] = { uses: 'local', directory: join(place.directory, 'dr') };
    file.fence['orders'] = { uses: 'local', directory: join(place.directory, 'old') };
  });
  const { logged, passedOver } = await sourcesWithLog('tools');
  assert.deepEqual(logged, ['orders']);
  assert.match(passedOver.join(), /^tools\/files: the engine "tool" has no log/);
  await assert.rejects(sourcesWithLog('tools', 'files'), { type: 'Unsupported' });
});
