import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { totpOf } from '../../activities/access/check-proof.ts';
import { renderReportHtml } from '../../activities/report/render-report.ts';
import { systemsDirectory } from '../../activities/system-files.ts';
import { errorTable } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { Owner } from '../harness/cleanup.ts';
import type { SystemStack } from '../harness/system-stack.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { textsOf } from '../harness/texts-of.ts';

interface Said {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** The shipped system with people and a second gate, both of which take nothing but a proof. */
function proving(directory: string): { dana: string; erik: string; erikPublic: string } {
  const shipped = readFileSync(join(systemsDirectory(), 'demo.yaml'), 'utf8');
  const files = { dana: join(directory, 'dana.totp'), erik: join(directory, 'erik.pem'), erikPublic: join(directory, 'erik.pub.pem') };
  const people = `people:
  ada: { name: ada, roles: [operator] }
  gina: { name: gina, roles: [administrator] }
  dana: { name: dana, roles: [dr-team], totp: 'file:${files.dana}' }
  erik: { name: erik, roles: [dr-team], publicKey: 'file:${files.erikPublic}' }
`;
  const withGates = shipped
    .replace(/^approvals:\n {2}approve-switch:\n(.*\n) {4}quorum: 1\n/m, `${people}\napprovals:\n  approve-data: { description: Is the data right?, people: [dana], notRequester: false, proof: totp }\n  approve-switch:\n$1    people: [dana, erik]\n    proof: any\n`)
    .replace('    - { id: approve-switch, uses: approval, title: Approve the switch, needs: [validate]', '    - { id: approve-data, uses: approval, needs: [validate] }\n    - { id: approve-switch, uses: approval, title: Approve the switch, needs: [approve-data]');
  assert.equal(withGates.match(/approve-data/g)?.length, 3, 'the shipped file is as it was when this was written');
  writeFileSync(join(directory, 'demo.yaml'), withGates);
  copyFileSync(join(systemsDirectory(), 'system.schema.json'), join(directory, 'system.schema.json'));
  const pair = generateKeyPairSync('ed25519');
  writeFileSync(files.erik, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(files.erikPublic, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  return files;
}

/**
 * A drill whose gates ask for proof, on the whole stack: a wrong code, a right one, the same again, a signature; and what Temporal keeps of it.
 * Ends with the worker of the shipped system file.
 */
export async function approveWithProof(owner: Owner, stack: SystemStack, holdfast: (env: Record<string, string>, ...args: string[]) => Promise<Said>): Promise<void> {
  const directory = tempDir(owner, 'holdfast-proof-');
  const files = proving(directory);
  const env = { HOLDFAST_SYSTEMS: directory };
  const enrolled = await holdfast(env, 'access', 'enrol', 'demo', 'dana', '--secret-file', files.dana);
  assert.match(enrolled.stdout, /otpauth:\/\/totp\//, enrolled.stderr);
  const secret = readFileSync(files.dana, 'utf8').trim();
  await stack.stopWorker();
  await stack.startWorker(env);

  const entry = await stack.start('recoverSystem', { system: 'demo', purpose: 'drill', requestedBy: 'ada' });
  await stack.stepIs('approve-data', 'waiting', 120_000);
  const approve = async (...args: string[]): Promise<Said> => await holdfast(env, 'approve', 'demo', ...args);
  const refused = ({ exitCode, stderr }: Said, why: RegExp): void => {
    assert.equal(exitCode, errorTable.NotPermitted.exitCode, stderr);
    assert.match(stderr, why);
  };
  refused(await approve('--by', 'dana'), /takes no name that is only claimed, but a one-time code/);
  const right = totpOf(secret, 'the test').generate();
  const wrong = String((Number(right) + 1) % 1_000_000).padStart(6, '0');
  refused(await approve('--by', 'dana', '--code', wrong), /one-time code of dana is wrong/);
  const code = totpOf(secret, 'the test').generate();
  const accepted = await approve('--gate', 'approve-data', '--by', 'dana', '--code', code);
  assert.match(accepted.stdout, /^approve: accepted, by dana \(proved by code\)$/m, accepted.stderr);
  await stack.stepIs('approve-switch', 'waiting');
  refused(await approve('--gate', 'approve-switch', '--by', 'dana', '--code', code), /has been used already/);
  const foreign = join(directory, 'foreign.pem');
  writeFileSync(foreign, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  refused(await approve('--gate', 'approve-switch', '--by', 'erik', '--sign', foreign), /signature/);
  const signed = await approve('--gate', 'approve-switch', '--by', 'erik', '--sign', files.erik);
  assert.match(signed.stdout, /^approve: accepted, by erik \(signed\)$/m, signed.stderr);

  const report = (await entry.result()) as RunReport;
  assert.deepEqual(report.state.gates.map(({ decisions }) => decisions.map(({ by, proof }) => [by, proof])), [[['dana', 'totp']], [['erik', 'signature']]]);
  const page = renderReportHtml(report);
  for (const said of [/approve by dana \(totp\)/, /approve by erik \(signature\)/, /\(proved by one-time code\)/, /\(proved by signature\)/]) assert.match(page, said);
  assert.doesNotMatch(page, /approve by \w+ \(claimed\)/);
  const privateKey = readFileSync(files.erik, 'utf8').split('\n')[1]!;
  for (const handle of [entry, stack.handle(lockIds.recover('demo'))]) {
    const history = textsOf(await handle.fetchHistory()).join('\n');
    assert.ok(history.includes('approve-data'), 'the history was looked at');
    for (const [what, text] of [['the secret', secret], ['the private key', privateKey]] as const) assert.ok(!history.includes(text), `${what} stands in the history`);
  }
  assert.ok(!JSON.stringify(report).includes(code), 'the code stands in the report');
  await stack.stopWorker();
  await stack.startWorker();
}
