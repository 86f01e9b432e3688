import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { parse, stringify } from 'yaml';
import { runTool } from '../../activities/tool/run-tool.ts';
import { Cli } from '../../scripts/cli.ts';
import { exitCodeOf } from '../../scripts/exit-codes.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { loadedPackages } from '../harness/loaded-packages.ts';
import { tempDir } from '../harness/temp-dir.ts';

const program = join(import.meta.dirname, '../../scripts/holdfast.ts');

interface Said {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs the command line as a person would, where no stack was ever started and nothing answers as Temporal. */
async function holdfast(t: TestContext, ...args: string[]): Promise<Said> {
  const env = { HOLDFAST_HOME: tempDir(t), TEMPORAL_ADDRESS: '127.0.0.1:1', HOLDFAST_DEBUG: '' };
  // Through a shell that swaps nothing but the outcome: what fails must be looked at, not thrown.
  const script = 'out=$("$0" "$@" 2>"$ERR"); code=$?; printf "%s\\n" "$out"; cat "$ERR" >&2; printf "%s" "$code" >"$ERR.code"; exit 0';
  const errorFile = join(tempDir(t), 'stderr');
  const { stdout, stderr } = await runTool({ path: '/bin/sh' }, ['-c', script, process.execPath, program, ...args], { env: { ...env, ERR: errorFile } });
  const { stdout: code } = await runTool({ path: '/bin/cat' }, [`${errorFile}.code`]);
  return { exitCode: Number(code), stdout, stderr };
}

test('--help lists every command and every exit code', async (t) => {
  const { exitCode, stdout } = await holdfast(t, '--help');
  assert.equal(exitCode, 0);
  const commands = ['up', 'down', 'doctor', 'worker', 'backup', 'archive', 'points', 'verify', 'plan', 'recover', 'status', 'approve', 'reject', 'retry', 'skip', 'abort', 'hold', 'resume', 'comment', 'extend', 'severity', 'choose', 'escalate', 'confirm', 'catalog', 'demo', 'import', 'export', 'mark', 'retention'];
  for (const command of commands) assert.match(stdout, new RegExp(`^ {2}${command}\\b`, 'm'));
  for (const type of Object.keys(errorTable)) assert.ok(stdout.includes(type), type);
});

test('each module declares the commands that the table says, so the one that was typed is found without the others', async () => {
  const { commandNames, declareCommands } = await import('../../scripts/commands.ts');
  const declare = async (typed?: string): Promise<string[]> => {
    const program = new Command();
    await declareCommands(new Cli(program, { out: process.stdout, err: process.stderr }), typed);
    return program.commands.map((command) => command.name());
  };
  assert.deepEqual(await declare(), commandNames);
  for (const name of commandNames) {
    const declared = await declare(name);
    assert.ok(declared.includes(name) && declared.length < 20, `${name}: ${declared.join(', ')}`);
  }
});

test('a command that asks nobody loads no driver, no client of a store and none of Temporal', async () => {
  const loaded = await loadedPackages(program, 'plan', '--help');
  assert.ok(loaded.includes('commander'));
  assert.deepEqual(loaded.filter((name) => ['mongodb', 'pg', '@aws-sdk/client-s3', '@aws-crypto/decrypt-node', 'execa', 'nodemailer', '@temporalio/client'].includes(name)), []);
});

test('an answer that is larger than a pipe is whole, and whoever reads only its beginning is answered, too', async (t) => {
  const directory = tempDir(t);
  const file = parse(readFileSync(join(import.meta.dirname, '../../systems/demo.yaml'), 'utf8')) as SystemFile;
  writeFileSync(join(directory, 'demo.yaml'), stringify({ ...file, people: Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`person-${n}`, { name: `Person ${n}`, roles: ['operator', 'administrator'] }])) }));
  const report = ['access', 'report', 'demo', '--json'];
  const env = { HOLDFAST_HOME: directory, HOLDFAST_SYSTEMS: directory, TEMPORAL_ADDRESS: '127.0.0.1:1' };
  // Nobody reads for a moment, so what the pipe does not hold waits in the process.
  const { stdout } = await runTool({ path: '/bin/sh' }, ['-c', '"$0" "$@" | (sleep 3; cat)', process.execPath, program, ...report], { env });
  assert.ok(stdout.length > 200_000, `${stdout.length} characters`);
  assert.equal((JSON.parse(stdout) as { people: unknown[] }).people.length, 400);
  const cut = await runTool({ path: '/bin/sh' }, ['-c', '"$0" "$@" | head -c 10', process.execPath, program, ...report], { env });
  assert.deepEqual([cut.stdout.length, cut.stderr], [10, '']);
});

test('a wrong command line is one clear line and a hint, and code 2', async (t) => {
  for (const args of [['frob'], ['backup'], ['recover', 'demo', '--frob'], ['demo', '--rate', 'many']]) {
    const { exitCode, stderr } = await holdfast(t, ...args);
    assert.equal(exitCode, 2, args.join(' '));
    assert.match(stderr, /^error: [^\n]+\n(HINT: [^\n]+\n)?$/, args.join(' '));
  }
});

test('input is refused before Temporal is asked: a misspelt purpose, two targets, no reason to skip', async (t) => {
  assert.match((await holdfast(t, 'recover', 'demo', '--purpose', 'frob')).stderr, /field "purpose" is "frob"/);
  const both = await holdfast(t, 'recover', 'demo', '--target-time', '2026-11-21T03:00:05Z', '--target-position', '1763717205-7');
  assert.match(both.stderr, /either targetTime or targetPosition/);
  assert.match((await holdfast(t, 'skip', 'demo')).stderr, /skip: reason/);
  assert.match((await holdfast(t, 'severity', 'demo', 'P0')).stderr, /severity: severity: P1, P2, P3 or P4/);
  assert.match((await holdfast(t, 'choose', 'demo', '--latest', '--older', '--reason', 'x')).stderr, /exactly one of targetTime/);
  assert.match((await holdfast(t, 'comment', 'demo', 'x')).stderr, /no Temporal server answers/);
  assert.match((await holdfast(t, 'export', 'demo', 'latest', '--to', 'x', '--as', 'tar')).stderr, /field "as" is "tar"/);
  assert.match((await holdfast(t, 'export', 'demo', 'latest')).stderr, /--to <path>/);
  assert.equal(both.exitCode, errorTable.BadInput.exitCode);
});

test('no Temporal server: the address and the way out, code 10, as JSON on request', async (t) => {
  const text = await holdfast(t, 'status', 'demo');
  assert.equal(text.exitCode, errorTable.TemporalUnavailable.exitCode);
  assert.equal(text.stderr, 'error: no Temporal server answers at 127.0.0.1:1\nHINT: start the embedded one with `holdfast up`, or set TEMPORAL_ADDRESS\n');
  const json = await holdfast(t, 'status', 'demo', '--json');
  assert.equal((JSON.parse(json.stdout) as { error: { type: string } }).error.type, 'TemporalUnavailable');
  assert.equal(json.stderr, '');
});

test('what needs the bucket alone names an unknown system without any Temporal', async (t) => {
  for (const command of [['points', 'nope'], ['plan', 'nope'], ['catalog', 'rebuild', 'nope'], ['archive', 'status', 'nope']]) {
    const { exitCode, stderr } = await holdfast(t, ...command);
    assert.equal(exitCode, errorTable.UnknownSystem.exitCode, command.join(' '));
    assert.match(stderr, /^error: no system "nope"; known: .*\bdemo\b.*\nHINT: /);
  }
});

test('an error that crossed a workflow keeps its type, exit code and hint', async () => {
  const { ApplicationFailure, WorkflowFailedError } = await import('@temporalio/client').then(async (client) => ({ ...client, ...(await import('@temporalio/common')) }));
  const { toNamedError } = await import('../../scripts/errors.ts');
  const inner = ApplicationFailure.create({ type: 'ChainBroken', message: 'no slice after a HINT: restore to a' });
  const failed = new WorkflowFailedError('Workflow execution failed', inner, 'RETRY_POLICY_NOT_SET' as never);
  const named = toNamedError(failed);
  assert.ok(named instanceof HoldfastError);
  assert.deepEqual({ type: named.type, hint: named.hint, code: exitCodeOf(named) }, { type: 'ChainBroken', hint: 'restore to a', code: 4 });
});

test('what Temporal’s authorizer refuses is said by name, and not as a call that failed', async () => {
  const { ServiceError } = await import('@temporalio/client');
  const { toNamedError } = await import('../../scripts/errors.ts');
  // As a server 1.32 with the default authorizer answered it.
  const refused = Object.assign(new Error('7 PERMISSION_DENIED: Request unauthorized.'), { code: 7, details: 'Request unauthorized.', metadata: {} });
  const failed = new ServiceError('Workflow Update failed', { cause: refused });
  const named = toNamedError(failed) as HoldfastError;
  assert.deepEqual([named.type, exitCodeOf(named)], ['NotPermitted', 3]);
  assert.match(named.message, /^Temporal’s authorizer refuses it: Request unauthorized\./);
});
