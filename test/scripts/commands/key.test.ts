import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { Cli } from '../../../scripts/cli.ts';
import { key } from '../../../scripts/commands/key.ts';
import { errorTable } from '../../../workflows/domain/errors.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { backUpByTool, tar, toolPlace } from '../../harness/tool-place.ts';

async function run(...args: string[]): Promise<{ exitCode: number; said: string }> {
  let said = '';
  const out = { isTTY: false, write: (text: string) => ((said += text), true) };
  const cli = new Cli(new Command('holdfast').exitOverride(), { out, err: out });
  key(cli);
  await cli.program.parseAsync(['key', ...args], { from: 'user' });
  return { exitCode: cli.exitCode, said };
}

test('an offline key is made, and opens the newest base where there is nothing but the bucket, public keys and its file; another does not, and neither is ever shown', async (t) => {
  const directory = tempDir(t);
  const [file, other] = [join(directory, 'recovery.key'), join(directory, 'other.key')];
  const made = await run('new-recovery', '--out', file);
  assert.equal(made.exitCode, 0, made.said);
  const publicKey = /^age1\S+$/m.exec(made.said)![0];
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const secret = /AGE-SECRET-KEY-1\S+/.exec(readFileSync(file, 'utf8'))![0];
  const again = await run('new-recovery', '--out', file);
  assert.deepEqual([again.exitCode, again.said.includes('cannot be written (EEXIST)'), readFileSync(file, 'utf8').includes(secret)], [errorTable.BadInput.exitCode, true, true]);

  const tools = toolPlace(t, tar, (config) => void (config.key.recipients = { paper: { kind: 'age', publicKey } }));
  writeFileSync(join(tools.sourcePath, 'a'), 'what is kept');
  const prove = async (...more: string[]) => await run('prove-recovery', 'tools', '--no-record', ...more);
  const early = await prove('--key-file', file);
  assert.deepEqual([early.exitCode, /there is no base that the key could be tried on/.test(early.said)], [errorTable.NoRecoveryPoint.exitCode, true], early.said);
  await backUpByTool(await tools.open(), 'b1');
  // Of the system's own key and of the private signing key nothing is read.
  for (const name of ['aes', 'private']) writeFileSync(join(tools.directory, name), 'nobody has it');
  const proved = await prove('--key-file', file);
  assert.equal(proved.exitCode, 0, proved.said);
  assert.match(proved.said, /files: base b1, a part of it[\s\S]*not written down: readiness will ask for the proof all the same/);
  assert.match((await prove('--key-file', file, '--recipient', 'nobody')).said, /no offline key nobody; the system file names paper/);
  assert.match((await prove('--key-file', file, '--source', 'nothing')).said, /has no source "nothing"; known: files/);
  assert.match((await prove('--key-file', join(directory, 'gone'))).said, /cannot be read \(ENOENT\)/);

  await run('new-recovery', '--out', other);
  const refused = await prove('--key-file', other);
  assert.deepEqual([refused.exitCode, /privateKey: belongs to age1\w+, and not to age1/.test(refused.said)], [errorTable.BadSystemFile.exitCode, true], refused.said);
  for (const { said } of [made, again, early, proved, refused]) assert.doesNotMatch(said, /AGE-SECRET-KEY-1[A-Z0-9]{8}/);
});
