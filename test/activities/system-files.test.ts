import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { resolveAddress, resolveSecret, scrub } from '../../activities/secrets.ts';
import { stepTypeNames } from '../../workflows/domain/step-language.ts';
import { systemFileJsonSchema } from '../../activities/system-file-errors.ts';
import { turnSystem } from '../../workflows/domain/homeward.ts';
import { adopt, digestOfText, loadSystemFile, toSystemView } from '../../activities/system-files.ts';

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

test('what another process has made of the file counts as long as the file here has its text', async () => {
  const theirs = await load(good);
  const text = good.replace('title: Shop', 'title: Shop again');
  adopt({ ...theirs, system: { ...theirs.system, title: 'as they read it' }, digest: digestOfText(text) });
  assert.equal((await load(text)).system.title, 'as they read it');
  adopt({ ...theirs, system: { ...theirs.system, title: 'as it was' } });
  assert.equal((await load(text)).system.title, 'Shop again');
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
    'shop.yaml:17:5 sources.documents.engine: missing; expected one of mongodb, postgres-physical, tool, postgres\n' +
      'shop.yaml:17:5 sources.documents.engien: unknown field; expected one of engine, environment, archive, limits, wal, namespaces, contents, tool',
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
    `line 9 runbook.steps.2.uses: unknown step type; known: ${[...stepTypeNames, 'runbook'].join(', ')}; found "chekc"`,
  ]);
});

test('what a schedule says together is checked where the file is read, by line and field', async () => {
  const message = await failure(`${good}schedules:
  hourly: { does: backup, every: 1h, at: ['01:00'] }
  weekly: { does: backup, at: ['01:00'], on: mondays }
  night:
    does: verification
    with: { source: reports, deep: true }
    cron: 0 10 1-7 * 1
    zone: Europe/Nowhere
  drill: { does: drill, with: { runbook: small }, offset: 3h }
  nothing: { does: dance, at: ['25:00'] }
`);
  const lines = message.split('\n').map((line) => line.replace(/^shop\.yaml:(\d+):\d+/, (_, at: string) => `line ${Number(at) - good.split('\n').length + 1}`));
  assert.deepEqual(lines, [
    'line 3 schedules.weekly.on: expected days such as "monday, thursday", "weekdays", "first monday of the quarter", "second sunday of march" or "day 1 of the month" (1 to 28); found "mondays"',
    'line 8 schedules.night.zone: expected a time zone such as UTC or Europe/Berlin; found "Europe/Nowhere"',
    'line 10 schedules.nothing.does: expected one of backup, verification, incremental, drill, retention, report, seal-audit; found "dance"',
    'line 10 schedules.nothing.at.0: expected a time of day such as "01:00", in 24 hours; found "25:00"',
  ]);
  const together = await failure(`${good}schedules:
  hourly: { does: backup, every: 1h, at: ['01:00'] }
  night:
    does: verification
    with: { source: reports, deep: true }
    cron: 0 10 1-7 * 1
  drill: { does: drill, with: { runbook: small }, offset: 3h }
`);
  const fields = together.split('\n').map((line) => line.replace(/^shop\.yaml:(\d+):\d+/, (_, at: string) => `line ${Number(at) - good.split('\n').length + 1}`));
  assert.deepEqual(fields, [
    'line 2 schedules.hourly.every: both at and every say when: expected one of them; found "1h"',
    'line 6 schedules.night.cron: days of the month beside days of the week mean "or" to cron and "and" to Temporal: expected at and on, such as on: first monday of the month; found "0 10 1-7 * 1"',
    'line 5 schedules.night.with.deep: unknown field of verification; expected one of source, scope, shares, within; found true',
    'line 5 schedules.night.with.source: unknown source; known: documents; found "reports"',
    'line 7 schedules.drill.at: missing; nothing says when: expected one of at, every, cron',
    'line 7 schedules.drill.with.runbook: unknown runbook; known: none; found "small"',
  ]);
});

test('an unknown field of a store lists the fields of that kind of store', async () => {
  const message = await failure(good.replace('    bucket: shop', '    bucket: shop\n    bukcet: shop'));
  assert.match(message, /^shop\.yaml:24:5 stores\.0\.bukcet: unknown field; expected one of name, kind, endpoint, region, bucket/);
});

test('a wrong value names what was expected and what was found', async () => {
  assert.match(await failure(good.replace('rto: 1h', 'rto: soon')), /^shop\.yaml:3:20 objectives\.rto: a duration such as 90s, 5m or 1h30m; found "soon"$/);
  assert.match(await failure(good.replace('engine: mongodb', 'engine: oracle')), /^shop\.yaml:17:13 sources\.documents\.engine: expected one of mongodb, postgres-physical, tool, postgres; found "oracle"$/);
});

test('a reference to something that is not there names it', async () => {
  assert.match(await failure(good.replace('environment: dr', 'environment: moon')), /standby\.environment: unknown environment "moon"; known: production, dr/);
  assert.match(await failure(good.replace('needs: [declare]', 'needs: [declaer]')), /runbook\.steps\.1\.needs\.0: needs unknown step "declaer"; found "declaer"/);
});

test('how long a side may take to be well is longer than it has to be, and left out where the file says nothing', async () => {
  const traffic = async (health: string) => {
    const { system, digest } = await load(good.replace('traffic:\n', `traffic:\n  health: ${health}\n`));
    return toSystemView(system, digest).traffic;
  };
  assert.deepEqual(await traffic('{ watch: 3s }'), { admission: [10, 50, 100], healthWatchMs: 3_000 });
  assert.deepEqual(await traffic('{ watch: 3s, within: 2m }'), { admission: [10, 50, 100], healthWatchMs: 3_000, healthWithinMs: 120_000 });
  assert.match(await failure(good.replace('traffic:\n', 'traffic:\n  health: { watch: 3s, within: 3s }\n')), /traffic\.health\.within: longer than watch/);
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
  assert.deepEqual([turned.fence['documents'], turned.standby.provision['documents']!.directory], [{ uses: 'local', directory: '/d' }, '/h']);
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

test('ladders and the words for people outside are checked where the file is read, each by its line and field', async () => {
  const people = `people:
  ada: { roles: [administrator], contact: { email: ada@example.com } }
  ceo: { roles: [], contact: { email: ceo@example.com } }
notify:
  external:
    service: Shop
    impact: Nothing can be bought.
  receivers:
    ops: { kind: email, from: h@example.com, to: [o@example.com], smtp: { host: mail.example.com } }
    page: { kind: webhook, audience: external, url: 'https://status.example.com/', secret: 'file:s' }
`;
  const tail = `contacts:
  ops:
    - { after: 0m, to: [ada], receivers: [ops] }
    - { after: 15m, to: [ceo], severity: [P1], until: resolved }
incidents:
  contacts: [ops]
  outside: [P1]
`;
  const whole = `${good}${people}${tail}`;
  const { system, digest } = await load(whole);
  assert.deepEqual(toSystemView(system, digest).ladders!['ops']!.map(({ afterMs, to }) => [afterMs, to]), [[0, ['ada']], [900_000, ['ceo']]]);
  const lineOf = (text: string, within: string): string => String(text.slice(0, text.indexOf(within)).split('\n').length);
  const cases: [from: string, to: string, field: string, why: RegExp, at?: string][] = [
    ['to: [ada], receivers', 'to: [adda], receivers', 'contacts.ops.0.to.0', /"adda" is neither id nor name of one of the system’s people/],
    ['receivers: [ops] }', 'receivers: [opps] }', 'contacts.ops.0.receivers', /no internal receiver opps under notify; known: ops/],
    ['receivers: [ops] }', 'receivers: [page] }', 'contacts.ops.0.receivers', /no internal receiver page/],
    ['- { after: 0m, to: [ada], receivers: [ops] }', '- { after: 0m }', 'contacts.ops.0', /calls nobody: to, or receivers/],
    ['after: 15m', 'after: soon', 'contacts.ops.1.after', /a duration such as 90s/],
    ['severity: [P1]', 'severity: [P0]', 'contacts.ops.1.severity.0', /expected P1, P2, P3 or P4/],
    ['until: resolved', 'untill: resolved', 'contacts.ops.1.untill', /unknown field; expected one of after, to, receivers, severity, until/],
    ['contacts: [ops]', 'contacts: [op]', 'incidents.contacts.0', /there is no ladder "op" under contacts; known: ops/],
    ['outside: [P1]', 'outside: [all]', 'incidents.outside.0', /expected P1, P2, P3 or P4/],
    ['    impact: Nothing can be bought.\n', '    impact: Nothing can be bought.\n    templates: { served: "{service} lives in {host}" }\n', 'notify.external.templates.served', /of what stands in braces there is \{service\}, \{impact\}, \{since\}, \{back\}, \{next\}/, 'templates'],
    ['    impact: Nothing can be bought.\n', `    impact: Nothing can be bought.\n    templates: { served: ${'x'.repeat(301)} }\n`, 'notify.external.templates.served', /at most 12 lines of 300 characters/, 'templates'],
    ['    impact: Nothing can be bought.\n', '    impact: Nothing can be bought.\n  internal: { templates: { approval: "{who} and {secret}" } }\n', 'notify.internal.templates.approval', /no "\{secret\}": of what stands in braces there is \{system\}.*\{who\}.*write it out/, 'internal: { templates'],
    ['    impact: Nothing can be bought.\n', '    impact: Nothing can be bought.\n  internal: { templates: { approval: "{who and more" } }\n', 'notify.internal.templates.approval', /no "\{"/, 'internal: { templates'],
    ['    impact: Nothing can be bought.\n', '    impact: Nothing can be bought.\n  internal: { templates: { stuck: no } }\n', 'notify.internal.templates.stuck', /unknown field|expected one of started, update, approval/, 'internal: { templates'],
    ['    impact: Nothing can be bought.\n', '    impact: Nothing can be bought.\n    templates: { failed: no }\n', 'notify.external.templates.failed', /unknown field|expected one of started, update, served, resolved, aborted/, 'templates'],
  ];
  for (const [from, to, field, why, at] of cases) {
    const changed = whole.replace(from, to);
    assert.notEqual(changed, whole, from);
    const message = await failure(changed);
    const line = lineOf(changed, at ?? to);
    const said = message.split('\n').find((one) => one.includes(` ${field}: `));
    assert.ok(said?.startsWith(`shop.yaml:${line}:`), `${field}, line ${line}: ${message}`);
    assert.match(said!, why);
  }
  const outside = await failure(whole.replace(/  external:\n.*\n.*\n/, '').replace(/.*page:.*\n/, ''));
  assert.match(outside, /incidents\.outside: .*needs notify\.external/);
});

test('rules of retention are ages or counts of sources that there are, and a gate that it can wait at', async () => {
  const retention = (rules: string, more = ''): string => `${good}retention: { ${more}sources: { ${rules} } }\n`;
  const { system, digest } = await load(retention('documents: { daily: 7d, weekly: 4, yearly: 7y, log: 72h, atMost: 10GiB }', 'wait: 30m, '));
  assert.deepEqual(toSystemView(system, digest).retention, { waitMs: 1_800_000, approval: undefined });
  const { daily, weekly, yearly, log, atLeast } = system.retention!.sources['documents']!;
  assert.deepEqual([daily, weekly, yearly, log, atLeast], [{ forMs: 7 * 86_400_000 }, { count: 4 }, { forMs: 7 * 366 * 86_400_000 }, 72 * 3_600_000, 1]);
  assert.match(await failure(retention('docs: { daily: 7d }')), /retention\.sources\.docs: .*unknown source "docs"; known: documents/);
  assert.match(await failure(retention('documents: { daily: week }')), /retention\.sources\.documents\.daily/);
  assert.match(await failure(retention('documents: { fortnightly: 7d }')), /fortnightly/);
  assert.match(await failure(retention('documents: { daily: 7d }', 'approval: go, ')), /retention\.approval: .*unknown gate "go"/);
  const full = (atMost: string): string => retention(`documents: { daily: 7d, atMost: ${atMost} }`).replace(/^stores:\n(?: .*\n)+/m, 'stores: [{ name: own, kind: local, path: /backups, quota: 10GiB }]\n');
  assert.equal((await load(full('9GiB'))).system.stores[0]!.kind, 'local');
  assert.match(await failure(full('10GiB')), /retention\.sources\.documents\.atMost: .*stores\.0\.quota is 10\.0 GiB: nothing would go before the next base is refused/);
  const timed = retention('documents: { daily: 7d }', 'approval: go, ').replace('approvals:\n', 'approvals:\n  go: { description: may it go, expiresAfter: 1h }\n');
  const gated = (await load(timed)).system;
  assert.deepEqual([gated.retention!.approval, gated.approvals['go']!.expiresAfter], ['go', 3_600_000]);
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
  assert.deepEqual(system.fence['documents'], { uses: 'local', directory: '/old' });
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
  assert.deepEqual(system.fence['documents'], { uses: 'local', directory: '${SHOP_HOME}/production' });
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
    const loaded = await loadSystemFile(file.replace('.yaml', '')).finally(() => (process.env['HOLDFAST_SYSTEMS'] = directory));
    assert.deepEqual(structuredClone(loaded), loaded, `${file} goes whole to another process`);
  }
});

test('an editor knows the settings of each step type: what its schema takes and refuses, the loader does too', async () => {
  const check = new Ajv2020({ strict: false }).compile(systemFileJsonSchema());
  const plain = parse(good) as { runbook: { steps: object[] }; runbooks?: object };
  const file = { ...plain, deployer: { uses: 'manual' }, commands: { warm: { run: { argv: ['warm-cache', '{{environment}}'] } } } };
  const part = { steps: [{ id: 'tell', uses: 'notify', with: { text: 'half of it' } }] };
  const item = { id: 'phone', do: 'call the bank' };
  const known: [uses: string, good: (object | undefined)[], bad: (object | undefined)[]][] = [
    ['provision', [undefined, {}, { left: 'move-aside' }], [{ left: 'delete' }]],
    ['restore', [undefined, { width: 8 }], [{ width: 0 }, { width: 33 }, { width: 1.5 }, { width: 'many' }]],
    ['validate', [undefined, { validators: ['equality'] }], [{ validators: [] }, { validators: 'equality' }]],
    ['approval', [{ gate: 'switch' }], [{ gate: 3 }]],
    ['manual', [{ items: [item] }, { items: [item], instructions: 'by phone' }], [undefined, {}, { items: [] }, { items: [{ id: 'phone' }] }, { items: [{ ...item, id: 'Phone' }] }, { items: [{ ...item, by: 'erik' }] }]],
    ['protect', [undefined, { base: false }], [{ base: 'no' }]],
    ['notify', [{ text: 'it begins' }, { text: 'it begins', audience: 'external' }], [undefined, {}, { text: '' }, { text: 'x'.repeat(301) }, { text: 'it begins', audience: 'press' }]],
    ['deploy', [undefined, { version: '2.4.1' }], [{ version: '--force' }, { version: '' }]],
    ['command', [{ command: 'warm' }, { command: 'warm', inDrills: true }], [undefined, {}, { command: 'warm', inDrills: 'yes' }]],
    ['runbook', [{ runbook: 'part' }], [undefined, {}, { runbook: 3 }]],
    // Taken in runbooks of a mode, which these are not.
    ['safety-point', [], [{ any: 1 }]],
    ['copy-beside', [], [{ any: 1 }]],
    ['swap', [], [{ any: 1 }]],
    ['preview-rows', [], [{ changed: 'drop' }]],
    ['restore-rows', [], [{ any: 1 }]],
    // Without rules it masks nothing.
    ['mask', [], [{ any: 1 }]],
    ['restroe', [], [undefined]],
  ];
  const types = [...known, ...stepTypeNames.filter((uses) => !known.some(([one]) => one === uses)).map((uses): (typeof known)[number] => [uses, [undefined], [{ any: 1 }]])];
  assert.deepEqual(types.map(([uses]) => uses).sort(), [...stepTypeNames, 'runbook', 'restroe'].sort());
  for (const [uses, taken, refused] of types) {
    const bogus = taken.map((settings) => ({ ...settings, bogus: true }));
    for (const [settings, isGood] of [...taken.map((one) => [one, true] as const), ...[...refused, ...bogus].map((one) => [one, false] as const)]) {
      const step = { id: 'it', uses, ...(settings ? { with: settings } : {}) };
      const whole = { ...file, runbook: { steps: [...file.runbook.steps, step] }, runbooks: { part, other: { steps: [step] } } };
      const said = await load(JSON.stringify(whole)).then(() => undefined, (error: unknown) => String(error));
      assert.equal(said === undefined, isGood, `the loader, of ${JSON.stringify(step)}: ${said}`);
      assert.equal(check(whole), isGood, `the schema, of ${JSON.stringify(step)}: ${JSON.stringify(check.errors)}`);
    }
  }
});

test('a step that deploys needs a deployer, one that runs a command a command of that name, and their programs know their placeholders', async () => {
  const file = parse(good) as { runbook: { steps: object[] } };
  const refusal = async (step: object, more: object): Promise<string> => await load(JSON.stringify({ ...file, ...more, runbook: { steps: [...file.runbook.steps, { id: 'it', ...step }] } })).then(() => '', String);
  const deploy = (version: string): object => ({ deployer: { uses: 'command', deploy: { argv: ['deploy-app', version] } } });
  assert.match(await refusal({ uses: 'deploy' }, {}), /nothing deploys: a step that uses deploy needs deployer/);
  assert.equal(await refusal({ uses: 'deploy' }, deploy('{{version}}')), '');
  assert.match(await refusal({ uses: 'deploy' }, deploy('{{verison}}')), /unknown \{\{verison\}\}; known: \{\{system\}\}, \{\{environment\}\}, \{\{version\}\}/);
  assert.match(await refusal({ uses: 'deploy' }, deploy('${APP_VERSION}')), /no \$\{NAME\} in an argument/);
  assert.match(await refusal({ uses: 'command', with: { command: 'cool' } }, { commands: { warm: { run: { argv: ['warm'] } } } }), /unknown command "cool"; known: warm/);
  assert.match(await refusal({ uses: 'manual', with: { items: [{ id: 'a', do: 'x' }] }, undo: { command: 'cool' } }, { commands: { warm: { run: { argv: ['warm'] } } } }), /undo\.command: .*unknown command "cool"; known: warm/);
  assert.match(await refusal({ uses: 'report', undo: {} }, {}), /undo: .*command \(one of commands\), manual \(what a person is to take back\), or both/);
  assert.match(await refusal({ uses: 'report', undo: { manual: 'x', inDrills: true } }, {}), /undo\.inDrills: .*inDrills is about a command, and there is none/);
  assert.match(await refusal({ uses: 'report', undo: { manual: ' ' } }, {}), /undo\.manual: .*what a person is to take back/);
});

test('a runbook in place is refused where it could lose something, and one that writes into what lives unless that was proved, and shown', async () => {
  const file = parse(readFileSync(join(import.meta.dirname, '../../systems/demo.yaml'), 'utf8')) as { runbooks: Record<'in-place' | 'beside' | 'swap', { mode: string; towards?: string; steps: { id: string; uses: string; needs?: string[]; with?: object }[] }>; failback: { provision: { dictionary: { directory: string } } } };
  const refusal = async (change: (of: typeof file) => void): Promise<string> => {
    const changed = structuredClone(file);
    change(changed);
    return await load(JSON.stringify({ ...changed, system: 'shop' })).then(() => 'taken', (error: unknown) => String(error));
  };
  const step = (of: typeof file, id: string) => of.runbooks['in-place'].steps.find((one) => one.id === id)!;
  assert.equal(await refusal(() => undefined), 'taken');
  assert.match(await refusal((of) => (of.runbooks['in-place'].mode = 'over')), /runbooks\.in-place\.mode.*new, in-place, beside, swap or rows/);
  assert.match(await refusal((of) => (step(of, 'provision-in-place').needs = ['quiesce'])), /replaces what serves, so it must need, by way of others, steps that use safety-point, approval/);
  assert.match(await refusal((of) => delete step(of, 'provision-in-place').with), /left: move-aside/);
  assert.match(await refusal((of) => (step(of, 'safety-point').needs = ['find-recovery-point'])), /must need a step that uses fence/);
  const stepIn = (changed: typeof file, runbook: 'beside' | 'swap', id: string) => changed.runbooks[runbook].steps.find((one) => one.id === id)!;
  assert.match(await refusal((changed) => (stepIn(changed, 'beside', 'copy-beside').needs = ['restore'])), /step "copy-beside" writes into what lives, so it must need, by way of others, steps that use validate/);
  assert.match(await refusal((changed) => (stepIn(changed, 'swap', 'swap').needs = ['copy-beside'])), /step "swap" writes into what lives, so it must need, by way of others, steps that use approval/);
  assert.match(await refusal((changed) => (stepIn(changed, 'swap', 'approve-swap').needs = ['validate'])), /step "approve-swap" shows what would change places, so it must need a step that uses copy-beside/);
  assert.match(await refusal((changed) => (changed.runbooks.swap.mode = 'beside')), /belongs to a runbook with mode: swap/);
  assert.match(await refusal((changed) => delete (changed.runbooks.beside as { mode?: string }).mode), /belongs to a runbook with mode: beside or mode: swap/);
  assert.match(await refusal((changed) => (changed.runbooks.beside.towards = 'home')), /either towards or mode: beside/);
  assert.match(await refusal((of) => (of.failback.provision.dictionary.directory = '/elsewhere')), /expected the directory that fence\.dictionary fences/);
});
