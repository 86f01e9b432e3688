import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { parse, stringify } from 'yaml';
import { createActivities, type ActivitiesByRole } from '../../activities/index.ts';
import type { SystemFileRef } from '../../workflows/contract.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { openLocalStore } from '../../activities/store/local.ts';
import { collect } from '../conformance/store.ts';
import { newGpgPair } from '../harness/gpg.ts';
import { newSecrets } from '../harness/keys.ts';
import { tempDir } from '../harness/temp-dir.ts';

interface Place {
  directory: string;
  file: string;
  activities: ActivitiesByRole;
  /** Writes the file so that its command says this. */
  says(word: string): void;
  keep(): Promise<SystemView>;
  /** Runs the command as an activity of a run that goes by this text; left out: by the file as it is. */
  said(systemFile?: SystemFileRef): Promise<string>;
}

const shipped = parse(readFileSync(join(import.meta.dirname, '..', '..', 'systems', 'demo.yaml'), 'utf8')) as SystemFile;
const shop = (digest: string, system = 'shop'): SystemFileRef => ({ system, sha256: digest });

/** A system with a store on this disk, and one command. @param key - for whom its keys are wrapped, and the files beside the system's that it names. */
async function place(t: TestContext, key: { config: Partial<SystemFile['key']>; files?: Record<string, string> } = { config: { id: 'shop', aes256: 'file:aes' } }): Promise<Place> {
  const directory = tempDir(t);
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = directory;
  t.after(() => void (before === undefined ? delete process.env['HOLDFAST_SYSTEMS'] : (process.env['HOLDFAST_SYSTEMS'] = before)));
  const secrets = newSecrets();
  const files = { aes: secrets['${AES}']!, private: secrets['${PRIVATE}']!, public: secrets['${PUBLIC}']!, ...key.files };
  for (const [name, secret] of Object.entries(files)) writeFileSync(join(directory, name), secret);
  const file = join(directory, 'shop.yaml');
  const activities = createActivities({ owner: 'test', reportsDirectory: join(directory, 'reports'), temporalUiUrl: null });
  const says = (word: string): void => {
    const changed = {
      ...shipped,
      system: 'shop',
      stores: [{ name: 'primary', kind: 'local', path: join(directory, 'store') }],
      key: { ...key.config, signing: { privateKey: 'file:private', publicKeys: ['file:public'] } },
      commands: { speak: { run: { argv: ['/bin/echo', `${word} of ${directory}`] } } },
    };
    writeFileSync(file, stringify(changed));
  };
  mkdirSync(join(directory, 'store'));
  const env = new MockActivityEnvironment({ heartbeatTimeoutMs: 10_000 });
  return {
    directory,
    file,
    activities,
    says,
    keep: async () => await env.run(activities.control.loadSystem, { system: 'shop', keep: true }),
    said: async (systemFile) => {
      const input = { system: 'shop', command: 'speak', environment: 'dr', run: 'R1', purpose: 'drill', ...(systemFile ? { systemFile } : {}) };
      return ((await env.run(activities.control.runCommand, input)) as { summary: string }).summary.replace(/.*said: /, '').replace(` of ${directory}`, '');
    },
  };
}

test('an activity of a run goes by the text that the run began with, whatever the file says now, and all others by the file', async (t) => {
  const { says, keep, said, file, directory } = await place(t);
  says('as it was');
  const { digest, unkept } = await keep();
  assert.equal(unkept, undefined);
  says('as it is');
  // This process has not opened the text for any run yet: it is the store's that it is given.
  assert.equal(await said(shop(digest)), 'as it was');
  assert.equal(await said(), 'as it is');
  assert.equal(await said(shop(digest, 'another')), 'as it is', 'what another system goes by is nothing to this one');
  rmSync(file);
  assert.equal(await said(shop(digest)), 'as it was', 'a file that is gone, too');
  await assert.rejects(said(), { type: 'UnknownSystem' });

  await t.test('the copy is sealed, and one start after another adds none', async () => {
    says('as it was');
    assert.equal((await keep()).unkept, undefined);
    const kept = readdirSync(join(directory, 'store'), { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('system-files') && name.includes(digest));
    const bytes = kept.filter((name) => !name.endsWith('system-files')).map((name) => readFileIfFile(join(directory, 'store', name))).filter((text) => text !== undefined);
    assert.equal(bytes.length, 1, kept.join(', '));
    assert.doesNotMatch(bytes[0]!, /as it was|mongodb:/);
  });
});

function readFileIfFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

test('where keys are wrapped by public halves alone, age’s or gpg’s, whoever has the private one opens the text that a run began with', async (t) => {
  const identity = await generateX25519Identity();
  const gpg = await newGpgPair(t);
  const recipients: { config: Partial<SystemFile['key']>; files: Record<string, string> }[] = [
    { config: { recipients: { paper: { kind: 'age', publicKey: await identityToRecipient(identity), privateKey: 'file:age' } } }, files: { age: identity } },
    ...(gpg ? [{ config: { recipients: { ops: { kind: 'gpg' as const, recipient: 'backup@shop.example', publicKey: 'file:gpg-public', privateKey: 'file:gpg-private' } } }, files: { 'gpg-public': gpg.publicKey, 'gpg-private': gpg.privateKey } }] : []),
  ];
  for (const [at, key] of recipients.entries()) {
    const { says, keep, said } = await place(t, key);
    says(`as it was ${at}`);
    const { digest, unkept } = await keep();
    assert.equal(unkept, undefined);
    says('as it is');
    assert.equal(await said(shop(digest)), `as it was ${at}`);
  }
});

test('where the text can be had nowhere, or what is there is something else, nothing is done, and the error names both files and the ways out', async (t) => {
  const { says, keep, said, directory } = await place(t);
  says('as it is');
  const { digest: now } = await keep();
  const wanted = randomUUID().replaceAll('-', '').repeat(2);
  const lost = { type: 'BadSystemFile', nonRetryable: true, message: new RegExp(`systems/shop.yaml has the digest ${now} now, this run goes by ${wanted}, and the store has no copy of that: nothing was done.*HINT: put the file back as it was.*retry with "file"`) };
  await assert.rejects(said(shop(wanted)), lost);
  // Somebody puts another text of the system in its place.
  const store = join(directory, 'store');
  const local = await openLocalStore({ name: 'primary', path: store, prefix: 'holdfast' });
  const [version] = await collect(local, `shop/system-files/${now}.json`);
  await local.put(`shop/system-files/${wanted}.json`, await local.getVersion(version!));
  await assert.rejects(said(shop(wanted)), { type: 'WrongKey' });
  local.close();
});

test('a store that takes no copy is said, and holds up no start', async (t) => {
  const { says, keep, said, directory } = await place(t);
  rmSync(join(directory, 'store'), { recursive: true });
  writeFileSync(join(directory, 'store'), 'no directory');
  says('as it is');
  const { unkept, digest } = await keep();
  assert.match(unkept ?? '', /store/);
  assert.ok(digest);
  await assert.rejects(said(shop(digest)), (error: Error) => !/no copy/.test(error.message), 'the file is the one: it is the store that is missing');
});
