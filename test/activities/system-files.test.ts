import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { resolveAddress, resolveSecret, scrub } from '../../activities/secrets.ts';
import { stepSettings } from '../../workflows/domain/step-settings.ts';
import { systemFileJsonSchema } from '../../activities/system-file-errors.ts';
import { turnSystem } from '../../workflows/domain/homeward.ts';
import { loadSystemFile, toSystemView } from '../../activities/system-files.ts';

const shippedDirectory = join(import.meta.dirname, '..', '..', 'systems');
const good = `system: shop
title: Shop
objectives: { rto: 1h, rpo: 5m }
environments:
  production:
    protection: production
    endpoints:
      documents:
        uri: mongodb://127.0.0.1:27017/?replicaSet=rs0
        credentials: { username: holdfast, password: '\${SHOP_PASSWORD}' }
  dr:
    protection: production
    endpoints:
      documents: { uri: 'mongodb://127.0.0.1:27018/' }
sources:
  documents:
    engine: mongodb
    environment: production
stores:
  - name: primary
    kind: s3
    endpoint: http://127.0.0.1:8333
    bucket: shop
key:
  id: shop
  aes256: file:keys/shop.hex
  signing: { privateKey: file:keys/private.pem, publicKeys: [file:keys/public.pem] }
standby:
  environment: dr
  provision:
    documents: { uses: local, directory: '\${SHOP_HOME}/dr' }
fence:
  documents: { uses: local, directory: '\${SHOP_HOME}/production' }
traffic:
  uses: nginx
  directory: \${SHOP_HOME}/nginx
  url: http://127.0.0.1:8080
  sides: { production: '127.0.0.1:9001', dr: '127.0.0.1:9002' }
approvals:
  switch: { description: Switch? }
runbook:
  steps:
    - { id: declare, uses: declare }
    - { id: switch, uses: approval, needs: [declare] }
`;

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-systems-'));
  process.env['HOLDFAST_SYSTEMS'] = directory;
});
beforeEach(() => delete process.env['HOLDFAST_OVERLAY']);
after(async () => await rm(directory, { recursive: true }));

const load = async (text: string, overlay?: string): ReturnType<typeof loadSystemFile> => {
  await writeFile(join(directory, 'shop.yaml'), text);
  if (overlay !== undefined) {
    process.env['HOLDFAST_OVERLAY'] = join(directory, 'overlay.yml');
    await writeFile(join(directory, 'overlay.yml'), overlay);
  }
  return await loadSystemFile('shop');
};
const failure = async (text: string, overlay?: string): Promise<string> => {
  const error: unknown = await load(text, overlay).then(() => assert.fail('it was taken'), (reason: unknown) => reason);
  assert.ok(error instanceof HoldfastError, String(error));
  assert.equal(error.type, 'BadSystemFile');
  return error.message.replaceAll(`${directory}/`, '');
};

test('a good file is parsed, with defaults filled in and durations in milliseconds', async () => {
  const { system, digest } = await load(good);
  assert.equal(system.objectives.rto, 3_600_000);
  assert.equal(system.sources['documents']?.archive.every, 5_000);
  assert.match(digest, /^[0-9a-f]{64}$/);
});

test('what workflows see holds no address, no directory and no secret reference', async () => {
  const { system, digest } = await load(good);
  const text = JSON.stringify(toSystemView(system, digest));
  for (const hidden of ['127.0.0.1', 'SHOP_PASSWORD', 'SHOP_HOME', 'file:', 'holdfast']) assert.ok(!text.includes(hidden), hidden);
});

test('an unknown system lists the known ones', async () => {
  await load(good);
  await assert.rejects(loadSystemFile('shpo'), { name: 'UnknownSystem', message: /no system "shpo"; known: shop HINT: .*/ });
  await assert.rejects(loadSystemFile('../shop'), { name: 'UnknownSystem' });
});

test('a misspelt field names line, column, field and the fields that there are', async () => {
  assert.equal(
    await failure(good.replace('    engine: mongodb', '    engien: mongodb')),
    'shop.yaml:17:5 sources.documents.engine: missing; expected one of mongodb, tool\n' +
      'shop.yaml:17:5 sources.documents.engien: unknown field; expected one of engine, environment, archive, limits, namespaces, tool',
  );
});

test('a step’s settings are checked where the file is read, by line: a wrong value, a misspelt field, an unknown type', async () => {
  const message = await failure(`${good.slice(0, good.indexOf('runbook:'))}runbook:
  steps:
    - { id: declare, uses: declare, with: { loud: true } }
    - id: restore
      uses: restore
      with:
        width: many
        widht: 4
    - { id: check, uses: chekc }
`);
  const lines = message.split('\n').map((line) => line.replace(/^shop\.yaml:(\d+):\d+/, (_, at: string) => `line ${Number(at) - good.slice(0, good.indexOf('runbook:')).split('\n').length + 1}`));
  assert.deepEqual(lines, [
    'line 3 runbook.steps.0.with.loud: unknown field; a step that uses declare takes no settings; found true',
    'line 7 runbook.steps.1.with.width: expected a number; found "many"',
    'line 8 runbook.steps.1.with.widht: unknown field; a step that uses restore takes width; found 4',
    `line 9 runbook.steps.2.uses: unknown step type; known: ${[...Object.keys(stepSettings), 'runbook'].join(', ')}; found "chekc"`,
  ]);
});

test('an unknown field of a store lists the fields of that kind of store', async () => {
  const message = await failure(good.replace('    bucket: shop', '    bucket: shop\n    bukcet: shop'));
  assert.match(message, /^shop\.yaml:24:5 stores\.0\.bukcet: unknown field; expected one of name, kind, endpoint, region, bucket/);
});

test('a wrong value names what was expected and what was found', async () => {
  assert.match(await failure(good.replace('rto: 1h', 'rto: soon')), /^shop\.yaml:3:20 objectives\.rto: a duration such as 90s, 5m or 1h30m; found "soon"$/);
  assert.match(await failure(good.replace('engine: mongodb', 'engine: oracle')), /^shop\.yaml:17:13 sources\.documents\.engine: expected one of mongodb, tool; found "oracle"$/);
});

test('a reference to something that is not there names it', async () => {
  assert.match(await failure(good.replace('environment: dr', 'environment: moon')), /standby\.environment: unknown environment "moon"; known: production, dr/);
  assert.match(await failure(good.replace('needs: [declare]', 'needs: [declaer]')), /runbook\.steps\.1\.needs\.0: needs unknown step "declaer"; found "declaer"/);
});

test('a standby that traffic cannot go to, or that is the source’s own place, is refused', async () => {
  const sides = "sides: { production: '127.0.0.1:9001', dr: '127.0.0.1:9002' }";
  assert.match(await failure(good.replace(sides, "sides: { production: '127.0.0.1:9001' }")), /traffic\.sides: no side for the standby "dr": traffic could not be switched to it/);
  assert.match(await failure(good.replace(sides, "sides: { dr: '127.0.0.1:9002' }")), /traffic\.sides: no side for environment "production", where source "documents" lives/);
  assert.match(await failure(good.replace('environment: dr', 'environment: production')), /standby\.environment: "production" is where source "documents" lives: a standby is another place/);
});

test('a way home is held to what the way to the standby is held to, and no runbook turns round', async () => {
  const home = (failback: string, steps = ''): string => `${good}${failback}\nrunbooks:\n  home:\n    towards: home\n    steps:\n      - { id: declare, uses: declare${steps} }\n`;
  const declared = "failback: { provision: { documents: { uses: local, directory: '/h' } }, fence: { documents: { uses: local, directory: '/d' } } }";
  const { system } = await load(home(declared));
  const turned = turnSystem(system);
  assert.deepEqual([turned.sources['documents']!.environment, turned.standby.environment], ['dr', 'production']);
  assert.deepEqual([turned.fence['documents']!.directory, turned.standby.provision['documents']!.directory], ['/d', '/h']);
  assert.match(await failure(home('')), /runbooks\.home\.towards: .*home needs failback/);
  assert.match(await failure(home("failback: { provision: { documents: { uses: local, directory: '/h' } } }")), /failback\.fence: .*no fence for source "documents"/);
  assert.match(await failure(home('failback: { provision: {} }')), /failback\.provision: .*nothing provisions source "documents"/);
  assert.match(await failure(home(declared, ', onFailure: { escalate: main }')), /runbooks\.home: .*escalates to "main", which goes the other way/);
  assert.match(await failure(good.replace('runbook:\n', 'runbook:\n  towards: home\n')), /runbook\.towards: .*runbook is the way to the standby/);
});

test('a drill’s place is apart from all that serves or is kept', async () => {
  const test = "  test:\n    protection: open\n    endpoints:\n      documents: { uri: 'mongodb://127.0.0.1:27019/' }\n";
  const drill = (environment: string, directory: string, endpoint = test): string => `${good.replace('sources:\n', `${endpoint}sources:\n`)}drill: { environment: ${environment}, provision: { documents: { uses: local, directory: '${directory}' } } }\n`;
  const { system, digest } = await load(drill('test', '/drill'));
  assert.equal(toSystemView(system, digest).drillEnvironment, 'test');
  assert.match(await failure(drill('dr', '/drill')), /drill\.environment: .*or its standby: a drill is apart/);
  assert.match(await failure(drill('tset', '/drill')), /drill\.environment: .*unknown environment "tset"/);
  assert.match(await failure(drill('test', '${SHOP_HOME}/dr')), /drill\.provision\.documents\.directory: .*a drill deletes what it restored/);
  assert.match(await failure(drill('test', '/drill', test.replace('27019', '27018'))), /environments\.test\.endpoints\.documents\.uri: .*is an address of dr too/);
});

test('a secret that stands in the file is refused and not shown', async () => {
  const planted = 'Tr0ub4dor';
  for (const text of [
    good.replace("'${SHOP_PASSWORD}'", planted),
    good.replace('mongodb://127.0.0.1:27017', `mongodb://app:${planted}@127.0.0.1:27017`),
    good.replace('file:keys/shop.hex', planted),
    good.replace("'${SHOP_PASSWORD}'", `*${planted}`),
    good.replace("'${SHOP_PASSWORD}'", `"${planted}`),
    good.replace('aes256: file:keys/shop.hex', `aes: ${planted}`),
  ]) {
    const message = await failure(text);
    assert.match(message, /^shop\.yaml:\d+:\d+ /);
    assert.ok(!message.includes(planted), message);
  }
});

test('text that is not YAML names line and column', async () => {
  assert.match(await failure(good.replace('title: Shop', 'title: [Shop')), /^shop\.yaml:3:1 not valid YAML: /);
});

test('a file that names another system is refused', async () => {
  assert.match(await failure(good.replace('system: shop', 'system: store')), /^shop\.yaml:1:1 system: expected "shop"/);
});

test('an overlay changes addresses, credentials and directories', async () => {
  const { system, digest } = await load(
    good,
    'environments: { dr: { endpoints: { documents: { uri: "mongodb://127.0.0.1:5/" } } } }\nstores: [{ name: primary, endpoint: "http://127.0.0.1:6" }]\nfence: { documents: { directory: /old } }\n',
  );
  assert.equal(system.environments['dr']?.endpoints['documents']?.uri, 'mongodb://127.0.0.1:5/');
  assert.equal(system.environments['production']?.endpoints['documents']?.credentials?.username, 'holdfast');
  assert.deepEqual([system.stores[0]?.kind, system.stores[0]?.kind === 's3' && system.stores[0].endpoint], ['s3', 'http://127.0.0.1:6']);
  assert.equal(system.fence['documents']?.directory, '/old');
  delete process.env['HOLDFAST_OVERLAY'];
  assert.notEqual((await loadSystemFile('shop')).digest, digest);
});

test('an overlay that changes anything else is refused by the field’s name', async () => {
  assert.match(await failure(good, 'objectives: { rto: 9h }\n'), /^overlay\.yml:1:1 objectives: an overlay may not change this/);
  assert.match(await failure(good, 'stores:\n  - name: primary\n    lock: { retain: 1s }\n'), /^overlay\.yml:3:5 stores\.0\.lock: an overlay may not change this/);
  assert.match(await failure(good, 'fence: { documents: { uses: none } }\n'), /^overlay\.yml:1:23 fence\.documents\.uses: /);
});

test('a bad value of an overlay is located in the overlay', async () => {
  assert.match(await failure(good, 'fence: { documents: { directory: 7 } }\n'), /^overlay\.yml:1:34 fence\.documents\.directory: expected string/);
});

test('an overlay that names another system leaves this one alone', async () => {
  const { system } = await load(good, 'system: other\nfence: { documents: { directory: /old } }\n');
  assert.equal(system.fence['documents']?.directory, '${SHOP_HOME}/production');
});

test('a secret is read from environment or file, and a failure names the reference only', async () => {
  process.env['SHOP_PASSWORD'] = 'correct horse';
  await writeFile(join(directory, 'secret'), 'battery staple\n');
  await writeFile(join(directory, 'empty'), '\n');
  assert.equal(await resolveSecret('${SHOP_PASSWORD}', directory), 'correct horse');
  assert.equal(await resolveSecret('file:secret', directory), 'battery staple');
  assert.equal(scrub('a battery staple, mongodb://u:p@h and correct%20horse'), 'a [secret], mongodb://[credentials]@h and [secret]');
  await assert.rejects(resolveSecret('${NOT_SET}', directory), { message: /^secret \$\{NOT_SET\}: environment variable NOT_SET is not set HINT/ });
  await assert.rejects(resolveSecret('file:missing', directory), { message: /^secret file:missing: .*missing cannot be read \(ENOENT\)/ });
  await assert.rejects(resolveSecret('file:empty', directory), { message: 'secret file:empty is empty' });
});

test('an address names the variable that is not set', () => {
  process.env['SHOP_HOME'] = '/srv';
  assert.equal(resolveAddress('${SHOP_HOME}/dr'), '/srv/dr');
  assert.throws(() => resolveAddress('${SHOP_HOEM}/dr'), { message: /^"\$\{SHOP_HOEM\}\/dr": environment variable SHOP_HOEM is not set/ });
});

test('the schema for editors is current', async () => {
  const written: unknown = JSON.parse(await readFile(join(shippedDirectory, 'system.schema.json'), 'utf8'));
  assert.deepEqual(written, systemFileJsonSchema(), 'run: node scripts/write-schema.ts');
});

test('every shipped system file is good, for us and for an editor', async () => {
  const check = new Ajv2020({ strict: false }).compile(systemFileJsonSchema());
  for (const file of readdirSync(shippedDirectory).filter((name) => name.endsWith('.yaml'))) {
    const text = await readFile(join(shippedDirectory, file), 'utf8');
    assert.ok(check(parse(text)), `${file}: ${JSON.stringify(check.errors)}`);
    process.env['HOLDFAST_SYSTEMS'] = shippedDirectory;
    await loadSystemFile(file.replace('.yaml', '')).finally(() => (process.env['HOLDFAST_SYSTEMS'] = directory));
  }
});
