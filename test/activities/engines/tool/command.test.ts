import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { mongodbEngine } from '../../../../activities/engines/mongodb/index.ts';
import { toolEngine } from '../../../../activities/engines/tool/index.ts';
import { planRecovery } from '../../../../activities/plan/plan-recovery.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { readArchiveStatus } from '../../../../activities/read-archive-status.ts';
import { makePrivateDirectory } from '../../../../activities/tool/private-files.ts';
import { groupLives } from '../../../../activities/tool/process-group.ts';
import { startStream } from '../../../../activities/tool/start-stream.ts';
import { scrub } from '../../../../activities/secrets.ts';
import { addressesOf } from '../../../../activities/tool/this-machine.ts';
import { partBytes } from '../../../../activities/engines/base/stored-parts.ts';
import { until } from '../../../harness/until.ts';
import { findCheckedPoint } from '../../../../activities/store/find-checked-point.ts';
import { listRecoveryPoints } from '../../../../activities/store/list-recovery-points.ts';
import { verifyRecoveryPoint } from '../../../../activities/store/verify.ts';
import { readManifest } from '../../../../activities/engines/base/read-base.ts';
import { describeArchiveStatus } from '../../../../workflows/domain/describe-archive-status.ts';
import { describePoints } from '../../../../workflows/domain/list-points.ts';
import { formatLogPosition, logPosition, logPositionAt } from '../../../../workflows/domain/log-position.ts';
import { backUpByTool, planInput, privateDirectoriesWith, restoreByTool, sh, tar, toolPlace, toolPoint, toolRef, toolTarget, type ToolPlace } from '../../../harness/tool-place.ts';

const secret = 'Pl4nted:secret/with$signs';

/** What the store holds, as it lies there. */
function storedText(place: ToolPlace): string {
  const files = readdirSync(place.storePath, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')).join('\n');
}

const nothingStored = async (place: ToolPlace): Promise<void> => assert.equal((await listRecoveryPoints(await place.open(), { limit: 10 })).totals.windows, 0);

test('a directory that tar dumps comes back, and the manifest claims no more than is known', async (t) => {
  const place = toolPlace(t);
  writeFileSync(join(place.sourcePath, 'a file'), 'as it was');
  const context = await place.open();
  const before = Date.now();
  const summary = await backUpByTool(context, 'b1');
  assert.equal(summary.program, 'tar');
  assert.match(summary.unproved[0]!.why, /only tar knows what is in its dump: nobody compared it with its source, and it is of no one moment/);
  const manifest = await readManifest(context, toolPoint(summary));
  assert.equal(manifest.engine, 'tool');
  assert.ok(manifest.origin?.form === 'stream');
  assert.match(manifest.origin.toolVersion, /^tar \(|^bsdtar/);
  assert.equal(manifest.origin.moment, null);
  assert.ok(Date.parse(manifest.origin.ranFrom) >= before && manifest.origin.ranTo >= manifest.origin.ranFrom);
  assert.equal(logPositionAt(manifest.end), `${manifest.origin.ranTo.slice(0, 19)}.000Z`, 'whole only after its program’s end');
  assert.deepEqual(await backUpByTool(context, 'b1'), summary, 'a second call finds the first one’s backup');

  assert.ok(place.said.some(({ phase, of }) => phase === 'dump by tar' && of === 0), 'how much it will be nobody knows');
  assert.equal((await toolEngine.planDump(context, planInput('b2'))).estimatedBytes, summary.plainBytes, 'the next one is estimated by it');

  writeFileSync(join(place.sourcePath, 'a file'), 'changed since');
  await restoreByTool(context, summary);
  assert.equal(readFileSync(join(place.targetPath, 'a file'), 'utf8'), 'as it was');
  assert.equal((await toolEngine.replayLog(context, { target: toolTarget, point: toolPoint(summary), limit: toolPoint(summary).limit })).appliedToAt, manifest.origin.ranFrom, 'the RPO counts from the program’s start');
});

test('points, the choice of one, verify and the status of the archive know a source without a log', async (t) => {
  // Its end lies in another second than its beginning.
  const place = toolPlace(t, { ...tar, dump: sh('at=$(date +%s); while [ "$(date +%s)" = "$at" ]; do sleep 0.05; done; exec tar -C "$1" -cf - .', '{{uri}}') });
  const context = await place.open();
  const first = await backUpByTool(context, 'b1');
  const points = await listRecoveryPoints(context, { limit: 10 });
  assert.match(describePoints(points).join('\n'), /^tools\/files: .* to .*, base b1, 0 slices, a stream of sh, of no one moment, 10\.0 KiB, timeline t00000001, without proof$/);
  const point = await findCheckedPoint(context, {}, { readForMs: 60_000 });
  assert.equal(point.base.backup, 'b1');
  assert.equal(point.limit, toolPoint(first).limit);
  assert.equal(point.checked!.parts.read, 1);
  const verified = await verifyRecoveryPoint(context, {});
  assert.deepEqual({ ok: verified.ok, parts: verified.parts, problems: verified.problems }, { ok: true, parts: 1, problems: [] });
  const status = await readArchiveStatus(context);
  assert.equal(status.rpoMs, null);
  assert.match(describeArchiveStatus(status), /data loss now unknown: no log is archived; nothing archived.*the engine "tool" has no log/);
});

test('what the engine cannot do is refused by name', async (t) => {
  const context = await toolPlace(t).open();
  await assert.rejects(toolEngine.archiveLog(context, { ...toolRef, epoch: 1, forMs: 1 }), { type: 'Unsupported', message: /tools\/files: the engine "tool" has no log: nothing can be archived/ });
  await assert.rejects(toolEngine.planImport(context, { ...planInput('i1'), path: '/x' }), { type: 'Unsupported', message: /imports no dumps/ });
  await assert.rejects(toolEngine.narrowPoint(context, { point: toolPoint(await backUpByTool(context, 'b1')), only: ['x'] }), { type: 'Unsupported', message: /whole or not at all/ });
  const drained = await toolEngine.drainLog(context, { ...toolRef, epoch: 1, timeline: 't00000001' });
  assert.equal(drained.drained, false);
  assert.match(drained.note, /has no log/);
});

test('a dump that fails names program, code and its last words without the secret, and leaves no recovery point', async (t) => {
  const place = toolPlace(t);
  const ref = place.secret('password', secret);
  const cases = [
    [sh('head -c 40000000 /dev/zero; kill -9 $$'), /^sh was ended by SIGKILL$/],
    [{ ...sh('echo "refused: $PASSWORD and $(cat "$1")" >&2; exit 3', '{{file:login}}'), env: { PASSWORD: ref }, files: { login: ref } }, /^sh ended with code 3; it said: refused: \[secret\] and \[secret\]$/],
    [{ ...sh('i=0; while [ $i -lt 3000 ]; do echo "$i $PASSWORD"; i=$((i+1)); done >&2; exit 1'), env: { PASSWORD: ref } }, /^sh ended with code 1; it said: [^P]*2999 \[secret\]$/],
    [sh('cat /dev/null'), /^sh ended with code 0 and wrote nothing/],
  ] as const;
  for (const [dump, message] of cases) {
    place.use({ ...tar, dump: dump as (typeof tar)['dump'] });
    await assert.rejects(backUpByTool(await place.open(), `b${cases.findIndex(([one]) => one === dump)}`), { type: 'ToolFailed', message });
  }
  await nothingStored(place);
  place.use({ ...tar, dump: { argv: ['no-such-program'] } });
  await assert.rejects(backUpByTool(await place.open(), 'b9'), { type: 'ToolMissing', message: /no-such-program, which the system file names, is not on PATH/ });
  assert.deepEqual(privateDirectoriesWith(secret), []);
});

test('what a program started before it ended is waited for, both ways, and a dump program finds the end of its input', async (t) => {
  const place = toolPlace(t);
  // The last of it is written, and read, by what its leader left.
  const restore = sh('exec 5<&0; { sleep 0.3; cat <&5 > "$1"; } & exit 0', '{{uri}}');
  place.use({ ...tar, dump: sh('cat; echo begun; { sleep 0.3; echo ended; } & exit 0'), restore });
  const context = await place.open();
  await restoreByTool(context, await backUpByTool(context, 'b1'));
  assert.equal(readFileSync(place.targetPath, 'utf8'), 'begun\nended\n');
});

test('points say of which moment a dump is, as its program promises it', async (t) => {
  const dump = sh('at=$(date +%s); while [ "$(date +%s)" = "$at" ]; do sleep 0.05; done; exec tar -C "$1" -cf - .', '{{uri}}');
  const place = toolPlace(t, { ...tar, dump, moment: 'start' });
  const { manifest } = await backUpByTool(await place.open(), 'b1').then(async (summary) => ({ manifest: await readManifest(await place.open(), toolPoint(summary)) }));
  place.use({ ...tar, dump, moment: 'end' });
  await backUpByTool(await place.open(), 'b2');
  const [newer, older] = describePoints(await listRecoveryPoints(await place.open(), { limit: 10 }));
  assert.match(newer!, /base b2, .*all of it of the program’s end at 20/);
  assert.ok(older!.includes(`all of it of the program’s start at ${formatLogPosition(manifest.start)}`) && manifest.start < manifest.end, older);
});

test('a program that passes nothing on is given up by name; one that is only slow, or has read everything, is not', async (t) => {
  const place = toolPlace(t, { ...tar, dump: sh('printf begun; exec sleep 1000'), quietFor: '300ms' });
  const hangs = async (what: RegExp, run: Promise<unknown>): Promise<void> => await assert.rejects(run, { type: 'ToolFailed', message: what });
  await hangs(/^sh has written nothing for 300ms: it hangs, and is ended.*HINT: .*tool\.quietFor/, backUpByTool(await place.open(), 'b1'));
  place.use({ ...tar, dump: sh('printf begun; exec sleep 1000 >&-'), quietFor: '300ms' });
  await hangs(/^sh has closed its output, and has not ended for 300ms/, backUpByTool(await place.open(), 'b2'));
  await nothingStored(place);

  const slow = 'for n in 1 2 3 4 5 6 7 8; do printf $n; sleep 0.4; done';
  writeFileSync(join(place.sourcePath, 'large'), Buffer.alloc(8 * 1024 * 1024, 'x'));
  place.use({ ...tar, dump: sh(`${slow}; exec cat "$1/large"`, '{{uri}}'), restore: sh('exec sleep 1000'), quietFor: '3s' });
  const whole = await backUpByTool(await place.open(), 'b3');
  await hangs(/^sh has read nothing for 3\.0s: it hangs, and is ended/, restoreByTool(await place.open(), whole));
  place.use({ ...tar, restore: sh('cat > "$1"; sleep 4', '{{uri}}'), quietFor: '3s' });
  await restoreByTool(await place.open(), whole);
  assert.equal(statSync(place.targetPath).size, whole.plainBytes);
});

test('a program that leaves behind what never ends has failed, and it is ended', async () => {
  const directory = await makePrivateDirectory({});
  const running = startStream('/bin/sh', ['-c', 'echo begun; sleep 1000 & exit 0'], { label: 'sh', removeOnLoss: directory.path, quietForMs: 200 });
  running.stdout.resume();
  await assert.rejects(running.done, { type: 'ToolFailed', message: /^sh ended with code 0 and left processes behind, which had to be ended/ });
  assert.equal(groupLives(running.pid), false);
  await directory.remove();
});

test('a secret reaches its program by environment and private file, and is nowhere else', async (t) => {
  const place = toolPlace(t);
  const ref = place.secret('password', secret);
  const argumentsOfItself = 'tr "\\0" " " < /proc/$$/cmdline';
  const restored = join(place.directory, 'seen-by-restore');
  place.use({
    ...tar,
    dump: { ...sh(`${argumentsOfItself}; echo; printf "%s\\n" "$PASSWORD"; cat "$1"; stat -c "%a" "$1" "$(dirname "$1")"; printf "%s" "$MODE"`, '{{file:login}}'), env: { PASSWORD: ref, MODE: { plain: 'at {{uri}}' } }, files: { login: ref } },
    restore: sh('cat > "$1"', restored),
  });
  const context = await place.open();
  const summary = await backUpByTool(context, 'b1');
  await restoreByTool(context, summary);
  const [argv, variable, content, ...modes] = readFileSync(restored, 'utf8').split('\n');
  assert.ok(!argv!.includes(secret));
  assert.deepEqual([variable, content], [secret, secret]);
  assert.deepEqual(modes, ['600', '700', `at ${place.sourcePath}`]);
  assert.ok(!storedText(place).includes(secret), 'neither plan nor manifest nor index');
  assert.ok(!JSON.stringify([summary, place.said, place.logged]).includes(secret));
  assert.deepEqual(privateDirectoriesWith(secret), []);
});

test('a program has no secret of the system that it is not given, and what a secret holds is not filled in', async (t) => {
  const [others, own, braces] = ['HOLDFAST_TEST_OTHERS', 'HOLDFAST_TEST_OWN', 'HOLDFAST_TEST_BRACES'] as const;
  Object.assign(process.env, { [others]: 'not for it', [own]: 'its own', [braces]: 'a{{file:login}}b' });
  t.after(() => [others, own, braces].forEach((name) => void delete process.env[name]));
  const place = toolPlace(t, { ...tar, dump: { ...sh(`printf "%s|%s|%s" "\${${others}-gone}" "$${own}" "$BRACES"`), env: { [own]: `\${${own}}`, BRACES: `\${${braces}}` } }, restore: sh('cat > "$1"', '{{uri}}') }, (file) => void (file.environments['dr']!.endpoints['files']!.credentials = { username: 'someone', password: `\${${others}}` }));
  const context = await place.open();
  await restoreByTool(context, await backUpByTool(context, 'b1'));
  assert.equal(readFileSync(place.targetPath, 'utf8'), 'gone|its own|a{{file:login}}b');
});

test('a program’s end is its own, not that of the store, and a source that has moved since the plan is not dumped', async (t) => {
  const place = toolPlace(t, { ...tar, dump: sh('echo something') });
  const context = await place.open();
  const plan = await toolEngine.planDump(context, planInput('b1'));
  const dump = { ...toolRef, plan, epoch: 1, group: plan.groups[0]!.group };
  let endedAt = '';
  const put: typeof context.store.put = async (...given) => {
    endedAt ||= await new Promise<string>((resolve) => setTimeout(() => resolve(new Date().toISOString()), 500));
    return await context.store.put(...given);
  };
  const slow = new Proxy(context.store, { get: (of, name) => (name === 'put' ? put : typeof of[name as keyof typeof of] === 'function' ? (of[name as keyof typeof of] as () => unknown).bind(of) : of[name as keyof typeof of]) });
  const group = await toolEngine.dumpGroup({ ...context, store: slow }, dump);
  const { origin } = await readManifest(context, toolPoint(await toolEngine.sealBackup(context, { ...toolRef, plan, epoch: 1, groups: [group] })));
  assert.ok(origin?.form === 'stream' && origin.ranTo < endedAt, `${JSON.stringify(origin)} ${endedAt}`);
  const second = await toolEngine.planDump(context, planInput('b2'));
  await toolEngine.startTimeline(context, { ...toolRef, epoch: 1, run: 'run-1', parent: { timeline: plan.timeline, limit: logPosition(1, 0) }, environment: 'dr' });
  await assert.rejects(toolEngine.dumpGroup(context, { ...dump, plan: second }), { type: 'BadInput', message: /backup b2 is of tools\/files\/t00000001, and the source has gone on in t00000002/ });
});

test('a program whose group cannot be noted is ended', async (t) => {
  const place = toolPlace(t);
  const pid = join(place.directory, 'pid');
  place.use({ ...tar, dump: sh('echo $$ > "$1"; sleep 1000', pid) });
  const context = await place.open();
  const plan = await toolEngine.planDump(context, planInput('b1'));
  const { rename } = fs;
  let renames = 0;
  // The second is the group's, once the program runs.
  t.mock.method(fs, 'rename', async (from: string, to: string) => {
    if (to.endsWith('.owner.json') && (renames += 1) === 2) {
      await until('the program runs', () => existsSync(pid) && readFileSync(pid, 'utf8').endsWith('\n'));
      throw new Error('no space left');
    }
    await rename(from, to);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  await assert.rejects(toolEngine.dumpGroup(context, { ...toolRef, plan, epoch: 1, group: plan.groups[0]!.group }), /no space left/);
  assert.equal(groupLives(Number(readFileSync(pid, 'utf8'))), false);
});

test('a secret that stands in the system file itself is refused, and not repeated', async (t) => {
  const place = toolPlace(t);
  for (const program of [{ ...sh('x'), env: { PASSWORD: secret } }, { ...sh('x'), files: { login: secret } }, { argv: ['x', `--password=\${${'PASSWORD'}}`, secret] }]) {
    place.use({ ...tar, dump: program });
    await assert.rejects(place.open(), (error: Error) => {
      assert.match(error.message, /sources\.files\.tool\.dump\.(env\.PASSWORD: a reference to a secret|files\.login: a reference|argv\.1: no \$\{NAME\} in an argument).*found a value that is not shown/);
      assert.ok(!error.message.includes(secret));
      return true;
    });
  }
});

test('a restore program that has not read everything has failed, also when it says that it has not', async (t) => {
  const place = toolPlace(t);
  writeFileSync(join(place.sourcePath, 'large'), Buffer.alloc(3_000_000, 'x'));
  const small = await backUpByTool(await place.open(), 'b1');
  const unread = /^sh ended with code 0 before it had read everything that it was given$/;
  const cases = [
    ['true', unread],
    ['head -c 100000 > /dev/null', unread],
    ['cat > /dev/null; echo disk full >&2; exit 4', /^sh ended with code 4; it said: disk full$/],
    // Reads all that there is so far, and closes: the last of it never comes.
    ['head -c 100000 > /dev/null; exec 0<&-; echo gave up >&2; sleep 1000', /^sh was ended by SIGTERM before it had read everything that it was given; it said: gave up$/],
  ] as const;
  for (const [restore, message] of cases) {
    place.use({ ...tar, restore: sh(restore) });
    await assert.rejects(restoreByTool(await place.open(), small), { type: 'ToolFailed', message }, restore);
  }
  // Less than a pipe holds: the kernel would take it all from us.
  place.use({ ...tar, dump: sh('echo little'), restore: sh('exit 0') });
  const little = await backUpByTool(await place.open(), 'b2');
  await assert.rejects(restoreByTool(await place.open(), little), { type: 'ToolFailed', message: unread });
  assert.ok(place.logged.some((line) => /restore of tools\/files by sh starts again from the beginning: a program’s stream cannot be resumed/.test(line)));
  assert.ok(place.said.some(({ phase }) => /^restore by sh, which starts again from the beginning/.test(phase)));
});

test('a part that was altered in the store is not passed on, and its program’s work is void', async (t) => {
  const place = toolPlace(t, { ...tar, dump: sh('head -c "$1" /dev/urandom', String(partBytes + 1000)) });
  const summary = await backUpByTool(await place.open(), 'b1');
  const parts = readdirSync(place.storePath, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.parentPath.includes('/parts/') && !entry.name.endsWith('.lock')).map((entry) => join(entry.parentPath, entry.name)).sort();
  assert.equal(parts.length, 2);
  const path = parts.at(-1)!;
  const bytes = readFileSync(path);
  bytes[bytes.length - 20]! ^= 1;
  assert.ok(statSync(path).size === bytes.length);
  writeFileSync(path, bytes);
  const seen = join(place.directory, 'seen');
  place.use({ ...tar, restore: sh('echo $$ > "$2"; cat > "$1"; echo ended > "$2.ended"', seen, join(place.directory, 'pid')) });
  await assert.rejects(restoreByTool(await place.open(), summary), { type: 'Tampered' });
  // It may be ended before it came that far.
  assert.ok(!existsSync(seen) || statSync(seen).size <= partBytes, 'nothing of the altered part');
  assert.ok(!existsSync(join(place.directory, 'pid.ended')), 'its end is not taken for the end of the data');
  assert.ok(!existsSync(join(place.directory, 'pid')) || !groupLives(Number(readFileSync(join(place.directory, 'pid'), 'utf8'))));
  assert.match(readFileSync(join(place.directory, 'claim', 'tool-restore.json'), 'utf8'), /"state":"begun"/);
});

test('a target that is the living source is refused, under whatever name, and one of another run too', async (t) => {
  const place = toolPlace(t, tar, (file) => void (file.environments['dr']!.endpoints['files']!.uri = `${'/.'}${file.environments['production']!.endpoints['files']!.uri}`));
  const summary = await backUpByTool(await place.open(), 'b1');
  await assert.rejects(restoreByTool(await place.open(), summary), { type: 'TargetNotEmpty', message: /the target in dr is the living source in production/ });
  const planned = await planRecovery({ system: toolRef.system }, { signal: t.signal, progress: () => undefined });
  assert.match(planned.findings.filter(({ effect }) => effect === 'fails').map(({ message }) => message).join('\n'), /tools\/files: the target in dr is the living source in production .*: a restore would write over it/, 'known before anything is made');
  const at = (source: string, target: string) => place.use(tar, (file) => {
    file.environments['production']!.endpoints['files']!.uri = source;
    file.environments['dr']!.endpoints['files']!.uri = target;
  });
  for (const [source, target] of [['postgres://127.0.0.1/a', 'postgres://localhost:5432/b'], ['redis://127.0.0.1:7000', 'redis://127.0.0.2:7000'], ['mongodb://10.255.255.1:1,127.0.0.1:27017/?x=1', 'mongodb://[::1]/'], ['mariadb://127.0.0.1/x', 'mysql://localhost:3306/x'], ['127.0.0.1:7000', 'redis://localhost:7000']] as const) {
    at(source, target);
    await assert.rejects(restoreByTool(await place.open(), summary), { type: 'TargetNotEmpty', message: /is the living source in production \(this machine:\d+\)/ }, `${source} ${target}`);
  }
  for (const [source, target] of [[place.sourcePath, join(place.sourcePath, 'not/there/yet')], [place.sourcePath, place.directory]] as const) {
    at(source, target);
    await assert.rejects(restoreByTool(await place.open(), summary), { type: 'TargetNotEmpty', message: /is the living source in production/ }, target);
  }
  at('postgres://127.0.0.1:5432', 'postgres://127.0.0.1:5433');
  const context = await place.open();
  await (await openProvisioner(context)).provision(context, toolTarget);
  await assert.rejects(toolEngine.prepareRestore(context, { target: { ...toolTarget, run: 'run-2' }, point: toolPoint(summary) }), { type: 'TargetNotEmpty', message: /belongs to run run-1, not to run-2/ });
});

test('a name that nobody answers for may be the living source: it is asked for again; one that nobody has is elsewhere', async () => {
  const failing = (code: string) => async () => await Promise.reject(Object.assign(new Error(code), { code }));
  await assert.rejects(addressesOf('db1', failing('EAI_AGAIN')), { type: 'TargetUnavailable', retryable: true, message: 'the name db1 cannot be looked up (EAI_AGAIN)' });
  assert.deepEqual(await addressesOf('db1', failing('ENOTFOUND')), ['db1']);
});

test('what was restored into another server is not restored into this one', async (t) => {
  const place = toolPlace(t);
  writeFileSync(join(place.sourcePath, 'a file'), 'as it was');
  const context = await place.open();
  const summary = await backUpByTool(context, 'b1');
  await restoreByTool(context, summary);
  const other = join(place.directory, 'other');
  place.use(tar, (file) => void (file.environments['dr']!.endpoints['files']!.uri = other));
  await restoreByTool(await place.open(), summary);
  assert.equal(readFileSync(join(other, 'a file'), 'utf8'), 'as it was');
});

test('an address that carries a password is refused, in the file and in what it stands for, and is told nowhere', async (t) => {
  const place = toolPlace(t);
  process.env['HOLDFAST_TEST_ADDRESS'] = '';
  t.after(() => void delete process.env['HOLDFAST_TEST_ADDRESS']);
  const at = (uri: string) => place.use({ ...tar, dump: sh('echo "$1"', '{{uri}}') }, (file) => void (file.environments['production']!.endpoints['files']!.uri = uri));
  for (const address of ['redis://:planted1@127.0.0.1:6379', 'postgres://u:planted1@127.0.0.1/x', 'postgres://u@127.0.0.1/x?sslmode=off&password=planted1']) {
    at(address);
    await assert.rejects(place.open(), { type: 'BadSystemFile', message: /an address without user and password/ }, address);
    at('${HOLDFAST_TEST_ADDRESS}');
    process.env['HOLDFAST_TEST_ADDRESS'] = address;
    await assert.rejects(backUpByTool(await place.open(), 'b1'), (error: Error) => {
      assert.match(error.message, /the address that "\$\{HOLDFAST_TEST_ADDRESS\}" stands for carries a password/);
      return !error.message.includes('planted1');
    });
    assert.ok(!scrub(`cannot reach ${address}: refused`).includes('planted1'), address);
  }
});

test('a dump of another engine is not given to a program, nor a program’s to another engine', async (t) => {
  const place = toolPlace(t);
  const summary = await backUpByTool(await place.open(), 'b1');
  place.use(tar, (file) => {
    file.sources['files'] = { engine: 'mongodb', environment: 'production' };
    file.standby.provision['files'] = { uses: 'local', directory: join(place.directory, 'dr') };
    file.fence['files'] = { uses: 'local', directory: join(place.directory, 'old') };
  });
  await assert.rejects(mongodbEngine.prepareRestore(await place.open(), { target: toolTarget, point: toolPoint(summary) }), { type: 'Unsupported', message: /backup b1 was made by the engine "tool", and source files has the engine "mongodb" HINT: set sources\.files\.engine to tool/ });
});

test('a validator’s program decides by its code, sees the target alone, and is not repeated with its secret', async (t) => {
  const place = toolPlace(t);
  const ref = place.secret('password', secret);
  writeFileSync(join(place.sourcePath, 'a file'), 'as it was');
  place.use(tar, (file) => {
    file.validators = [
      { id: 'there', uses: 'command', source: 'files', run: sh('grep -q "as it was" "$1/a file"', '{{uri}}') },
      { id: 'missing', uses: 'command', source: 'files', effect: 'warn', run: { ...sh('echo "$PASSWORD: 0 rows" >&2; exit 1'), env: { PASSWORD: ref } } },
    ];
  });
  const context = await place.open();
  const summary = await backUpByTool(context, 'b1');
  await restoreByTool(context, summary);
  const point = toolPoint(summary);
  const validate = async (validator: string) => await toolEngine.validateTarget(context, { target: toolTarget, point, limit: point.limit, validator });
  const there = await validate('there');
  assert.deepEqual([there.ok, there.problems], [true, []]);
  assert.match(there.claim, /^sh says that it holds: what it looked at, it alone knows$/);
  const missing = await validate('missing');
  assert.deepEqual([missing.ok, missing.effect, missing.problems], [false, 'warn', ['sh ended with code 1; it said: [secret]: 0 rows']]);
});
