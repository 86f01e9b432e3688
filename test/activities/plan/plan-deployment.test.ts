import assert from 'node:assert/strict';
import { chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse, stringify } from 'yaml';
import { recordDeployment, type DeploymentToRecord } from '../../../activities/deploy/deployments.ts';
import { openSystem } from '../../../activities/open-context.ts';
import { planDeployment } from '../../../activities/plan/plan-deployment.ts';
import { loadSystemFile } from '../../../activities/system-files.ts';
import type { DeployProposal } from '../../../workflows/domain/deployment.ts';
import type { Finding } from '../../../workflows/domain/recovery-plan.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { point as somePoint } from '../../workflows/stub-activities.ts';
import { newSecrets } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const demo = parse(readFileSync(join(import.meta.dirname, '..', '..', '..', 'systems', 'demo.yaml'), 'utf8')) as { runbook: { steps: object[] } };
const at = (time: string): RecoveryPoint => ({ ...somePoint, source: 'dictionary', reachesAt: `2026-01-01T${time}.400Z` });

interface Place {
  directory: string;
  /** writes the system file anew */
  write(change?: object): void;
  record(of: Partial<DeploymentToRecord> & { version: string }): Promise<void>;
  plan(asked?: { points?: RecoveryPoint[]; version?: string }): Promise<{ proposal: DeployProposal | undefined; findings: Finding[] }>;
}

/** The demo under the name `planned`, with a deployer, its store in a directory; HOLDFAST_SYSTEMS leads there. What runs in dr is what its file `running` says. */
function open(t: TestContext): Place {
  const directory = tempDir(t);
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = directory;
  t.after(() => (before === undefined ? delete process.env['HOLDFAST_SYSTEMS'] : (process.env['HOLDFAST_SYSTEMS'] = before)));
  const secrets = newSecrets();
  for (const [name, secret] of Object.entries({ aes: '${AES}', private: '${PRIVATE}', public: '${PUBLIC}' })) writeFileSync(join(directory, name), secrets[secret]!);
  const read = join(directory, 'read-version');
  writeFileSync(read, `#!/bin/sh\ncat "${directory}/running"\n`);
  chmodSync(read, 0o755);
  const file = {
    ...demo,
    system: 'planned',
    stores: [{ name: 'primary', kind: 'local', path: join(directory, 'store') }],
    key: { id: 'test', aes256: 'file:aes', signing: { privateKey: 'file:private', publicKeys: ['file:public'] } },
    deployer: { uses: 'command', deploy: { argv: [read, '{{version}}'] }, current: { argv: [read] } },
    runbook: { steps: [...demo.runbook.steps, { id: 'deploy', uses: 'deploy', needs: ['promote-standby'] }] },
  };
  const write = (change: object = {}): void => writeFileSync(join(directory, 'planned.yaml'), stringify({ ...file, ...change }));
  write();
  return {
    directory,
    write,
    record: async (of) => {
      const { store, keys } = await openSystem('planned');
      await recordDeployment({ store, keys }, { system: 'planned', id: of.version, environment: 'production', by: 'ci', why: null, ...of });
    },
    plan: async ({ points = [at('03:00:00')], version } = {}) => {
      const findings: Finding[] = [];
      const { system } = await loadSystemFile('planned');
      const proposal = await planDeployment(system, undefined, { points, version }, findings, { signal: t.signal, progress: () => undefined });
      return { proposal, findings };
    },
  };
}

test('a plan says which version ran at the recovery point and what runs at the target, and finds nothing wrong', async (t) => {
  const place = open(t);
  writeFileSync(join(place.directory, 'running'), '2.3.0\n');
  await place.record({ version: '2.4.1', at: '2026-01-01T02:10:00.000Z' });
  await place.record({ version: '2.5.0', at: '2026-01-01T03:00:01.000Z' });
  const { proposal, findings } = await place.plan();
  assert.deepEqual([proposal?.then?.version, proposal?.servedIn, proposal?.environment, proposal?.now, proposal?.asked], ['2.4.1', 'production', 'dr', { version: '2.3.0', read: true }, null]);
  assert.deepEqual(findings, []);
  const later = await place.plan({ points: [at('03:00:00'), at('03:00:05')] });
  assert.equal(later.proposal?.then?.version, '2.5.0', 'of several sources the one that reaches furthest counts');
});

test('a version that is asked for comes before the step’s own, and that before what ran; neither needs a record', async (t) => {
  const place = open(t);
  writeFileSync(join(place.directory, 'running'), '2.3.0\n');
  place.write({ runbook: { steps: [...demo.runbook.steps, { id: 'deploy', uses: 'deploy', needs: ['promote-standby'], with: { version: '2.2.0' } }] } });
  const asked = await place.plan({ version: '2.6.0' });
  assert.deepEqual([asked.proposal?.asked, asked.findings], ['2.6.0', []]);
  const fixed = await place.plan();
  assert.deepEqual([fixed.proposal?.asked, fixed.findings], ['2.2.0', []]);
});

test('where nothing says which version ran, or a record that may say it is not believed, the plan fails there and says what to say', async (t) => {
  const place = open(t);
  writeFileSync(join(place.directory, 'running'), '2.3.0\n');
  const unknown = await place.plan();
  assert.deepEqual(unknown.findings.map(({ effect, type }) => [effect, type]), [['fails', 'BadInput']]);
  assert.match(unknown.findings[0]!.message, /^step deploy would stop and ask a person\. Application: no record says which version ran in production at 2026-01-01T03:00:00Z; dr runs 2\.3\.0 now\.$/);
  assert.match(unknown.findings[0]!.hint!, /holdfast deployed VERSION --system planned --environment production --at 2026-01-01T03:00:00Z/);

  await place.record({ version: '2.4.1', at: '2026-01-01T02:10:00.000Z' });
  const [record] = readdirSync(join(place.directory, 'store'), { recursive: true, encoding: 'utf8' }).filter((path) => /deployments\/.*json@\/[^/]*[0-9a-f]$/.test(path));
  const path = join(place.directory, 'store', record!);
  chmodSync(path, 0o600);
  writeFileSync(path, readFileSync(path, 'utf8').replace('2.4.1', '6.6.6'));
  const forged = await place.plan();
  assert.deepEqual(forged.findings.map(({ effect }) => effect), ['fails']);
  assert.match(forged.findings[0]!.message, /it is not known which version ran in production at .*deployments\/0+1\.json: /);
  assert.equal(forged.proposal?.then, null);
});

test('what people deploy is a warning, as they are asked at the step anyway', async (t) => {
  const place = open(t);
  place.write({ deployer: { uses: 'manual' } });
  const { findings } = await place.plan();
  assert.deepEqual(findings.map(({ effect }) => effect), ['warns']);
  assert.match(findings[0]!.message, /what dr runs now is not known/);
});

test('a program that cannot say what runs now is a warning, and the version is proposed all the same', async (t) => {
  const place = open(t);
  await place.record({ version: '2.4.1', at: '2026-01-01T02:10:00.000Z' });
  const { proposal, findings } = await place.plan();
  assert.equal(proposal?.then?.version, '2.4.1');
  assert.deepEqual(findings.map(({ effect, type }) => [effect, type]), [['warns', 'ToolFailed']]);
  assert.match(findings[0]!.message, /^what runs in dr now could not be asked: .*read-version/);
});

test('a runbook that deploys nothing, or a point that is not known, asks nothing; a store that cannot be opened is a finding', async (t) => {
  const place = open(t);
  assert.deepEqual(await place.plan({ points: [] }), { proposal: undefined, findings: [] });
  place.write({ runbook: demo.runbook });
  assert.deepEqual(await place.plan(), { proposal: undefined, findings: [] });
  place.write({ key: { id: 'test', aes256: 'file:nowhere', signing: { privateKey: 'file:private', publicKeys: ['file:public'] } } });
  const { proposal, findings } = await place.plan();
  assert.equal(proposal, undefined);
  assert.deepEqual(findings.map(({ effect, type }) => [effect, type]), [['fails', 'BadSystemFile']]);
  assert.match(findings[0]!.message, /file:nowhere/);
});
