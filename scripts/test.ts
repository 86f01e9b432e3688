import { randomUUID } from 'node:crypto';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, constants, cpus, setPriority } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { inspect } from 'node:util';
import { run } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { formatDuration } from '../workflows/domain/units.ts';
import { startTimeOf } from '../activities/tool/process-group.ts';
import { startTool } from '../activities/tool/run-tool.ts';
import { isWhole, sampleName, sampleOf } from '../test/harness/sample.ts';

/**
 * `npm test`: all tests but some of the long ones, which take turns (`inTurn`), types and lint beside them, and a check that nothing was left running. With arguments (`npm test -- replay`)
 * only the test files whose path contains one of them, and no lint.
 *
 * Heavy files share the processors, so only a few run at a time (HOLDFAST_TEST_FILES_AT_ONCE changes how many), and half as many beside them of the
 * others, which wait more than they work; when the heavy ones are done, the others take their places. The longest begin first: one that began last would end alone.
 * While they wait (for a lock to end, for a server that hangs), processors stand idle: then one more file runs, and a second one where that waits too.
 *
 * What failed is told twice: in short at once, since a log may reach its reader in parts, and whole at the end.
 *
 * When all tests ran, the few files that failed run once more, alone. One that passes then is `UNSTABLE`: it is named with what it said, and it is a defect to be
 * mended, of the test or of what it tests; it does not keep everything else from being judged.
 */
const project = join(import.meta.dirname, '..');
const filters = process.argv.slice(2);
const filesAtOnce = Number(process.env.HOLDFAST_TEST_FILES_AT_ONCE ?? Math.min(4, Math.max(2, availableParallelism())));
/** Nothing remembers how long a file took, so the known long ones, the longest first, then by folder, and within one by name. */
const longestFirst = [
  ...['apply-under-fire', 'demo', 'failback', 'killed-worker', 'ai-writing', 'damage', 'in-place', 'command-line', 'postgres', ''].map((name) => `test/system/${name}`),
  ...['activities/store/hostile', 'workflows/killed-workers', 'workflows/shipped-runbooks', 'workflows/notify/', 'activities/store/s3', 'workflows/recover-system', 'scripts/status/read-state', 'activities/store/verify', 'activities/traffic/fence-local', 'workers/run-workers', 'activities/retention/expire', 'scripts/cli', 'workflows/long-life', 'activities/disposal/'].map((name) => `test/${name}`),
  ...['test/faults/', 'test/bench/', 'test/activities/engines/mongodb/oracle', 'test/activities/engines/mongodb/archive', 'test/activities/engines/postgres-physical/', 'test/activities/engines/mongodb/swap', ''],
];
const rankOf = (file: string): number => longestFirst.findIndex((start) => file.startsWith(start));
/** They bring up servers, and move data. */
const heavyFiles = /^test\/(system|faults|activities\/engines|bench|scale)\//;
/**
 * Files of which a good part of the time goes by until what they share is loaded, and warm: zod and the domain; Temporal's SDK and the thread that runs workflows (test/workflows/lab.ts).
 * So many of a group are run by one process, file by file; one that awaits at its top cannot be of it. Where the process itself fails, each of its files may be why: no more of them than are run again.
 */
const groups = [
  { of: /^test\/workflows\/(domain|runbook)\/(?!access-report)/, atMost: 100 },
  { of: /^test\/workflows\/(?!killed-workers|shipped-runbooks|long-life|journal|shared-domain|tool-source|scheduled|recover-system)[^/]+$/, atMost: 6 },
];
/**
 * Each takes both processors for half a minute or more, and most look as a whole at what other files look at in parts; the bench is nothing that people rely on at night. So many of them are run, by
 * HOLDFAST_SEED; HOLDFAST_WHOLE=1 runs all, and what is named on the command line is run in any case.
 */
const inTurn = { count: 2, of: ['test/system/ai-writing.test.ts', 'test/system/apply-under-fire.test.ts', 'test/system/damage.test.ts', 'test/system/dispose-all.test.ts', 'test/system/exchange.test.ts', 'test/system/forecast-error.test.ts', 'test/system/in-place.test.ts', 'test/system/interrupted-demo.test.ts', 'test/bench/bench.test.ts', 'test/activities/engines/mongodb/oracle.test.ts'] };
/** A test without servers of its own that takes longer hangs. */
const timeoutMsOf = (job: string): number => (heavyFiles.test(job) || isWhole ? 10 : 5) * 60_000;
/** More than these are no matter of a busy machine. */
const mostRunAgain = 6;
/** In the environment of everything that a test starts, and so in /proc, whoever its parent is by then. */
const runMark = `HOLDFAST_TEST_RUN=${randomUUID()}`;

/** What one process runs: a test file, or several. */
interface Job {
  name: string;
  files: string[];
}

interface TestResult {
  name: string;
  job: string;
  file: string;
  ms: number;
  error?: unknown;
  skip?: string;
}

// Every file is a process, and starts more: what they load is compiled once for all of them, where the command line has it too.
process.env['NODE_COMPILE_CACHE'] ??= join(project, 'node_modules', '.cache', 'holdfast');

const startedAt = Date.now();
const timesAtStart = processorTimes();
const problems: string[] = [];
const unstableFiles: string[] = [];
process.chdir(project);
problems.push(...(await runTests(findFiles())), ...(await findLeaks()));
for (const problem of problems) console.log(`\nFAILED  ${problem}`);
tellPictures();
console.log(`\n${problems.length === 0 ? 'ok' : `${problems.length} failed`}${unstableFiles.length === 0 ? '' : `, ${unstableFiles.length} unstable`}  ${formatDuration(Date.now() - startedAt)}, processors ${Math.round(busySince(timesAtStart) * 100)} % busy`);
process.exit(problems.length === 0 ? 0 : 1);

function findFiles(): string[] {
  const all = globSync('test/**/*.test.ts').sort();
  const left = inTurn.of.filter((file) => !sampleOf(inTurn.of, inTurn.count, () => []).includes(file));
  const files = filters.length === 0 ? all.filter((file) => !left.includes(file)) : all;
  if (files.length < all.length) console.log(`not in this run (${sampleName}; HOLDFAST_WHOLE=1 runs all): ${left.join(', ')}`);
  const chosen = filters.length === 0 ? files : files.filter((file) => filters.some((filter) => file.includes(filter)));
  if (chosen.length === 0) problems.push(`no test file matches ${filters.join(', ')}`);
  return chosen;
}

/** Types and lint, in one program: beside the tests it takes what processor time those leave. */
async function checkCode(): Promise<string[]> {
  const checkStartedAt = Date.now();
  const failed: string[] = [];
  try {
    // All types of the project at once are some 3 GB, more than a program may take by itself on a machine that has little more.
    const program = startTool('node', ['--max-old-space-size=4096', 'scripts/check-code.ts'], { collectStdout: true, input: '' });
    setPriority(program.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    await program.done;
  } catch (error) {
    const said = error instanceof HoldfastError ? String(error.details['stdoutTail'] ?? '').trim() : '';
    failed.push(`types and lint: scripts/check-code.ts\n${said || (error as Error).message}`);
  }
  console.log(`${failed.length === 0 ? 'ok    ' : 'FAILED'}  types and lint  ${formatDuration(Date.now() - checkStartedAt)}`);
  return failed;
}

async function runTests(files: string[]): Promise<string[]> {
  const [name, value] = runMark.split('=');
  process.env[name!] = value!;
  const inOrder = toJobs(files);
  const heavy = inOrder.filter(({ name }) => heavyFiles.test(name));
  const others = inOrder.filter(({ name }) => !heavyFiles.test(name));
  const results: TestResult[] = [];
  const output = new Map<string, string>();
  const lanes = [...Array.from({ length: filesAtOnce }, () => [heavy, others]), ...Array.from({ length: Math.ceil(filesAtOnce / 2) }, () => [others])];
  const whenIdle = async (): Promise<void> => {
    while (others.length + heavy.length > 0) if (await areIdle()) await runLane([heavy, others], results, output, 1);
  };
  const checks = filters.length === 0 ? checkCode() : Promise.resolve([]);
  await Promise.all([...lanes.map(async (queues) => await runLane(queues, results, output)), whenIdle(), whenIdle(), checks]);
  summarize(results);
  const failed = results.filter((result) => result.error !== undefined);
  if (filters.length === 0) unstableFiles.push(...(await runAgain([...new Set(failed.map(({ file }) => file))])));
  const told = failed.map((result) => ({ isUnstable: unstableFiles.includes(result.file), said: describe(result, output.get(result.job)) }));
  for (const { said } of told.filter(({ isUnstable }) => isUnstable)) console.log(`\nUNSTABLE  ${said}`);
  return [...(await checks), ...told.filter(({ isUnstable }) => !isUnstable).map(({ said }) => said)];
}

/** In the order in which they begin: of the same rank those of several files first. */
function toJobs(files: readonly string[]): Job[] {
  const grouped = groups.flatMap(({ of, atMost }) => {
    const all = files.filter((file) => of.test(file));
    const count = Math.ceil(all.length / atMost);
    return Array.from({ length: count }, (_, n) => all.filter((_file, index) => index % count === n));
  });
  const single = files.filter((file) => !grouped.flat().includes(file)).map((file) => [file]);
  const jobs = [...grouped, ...single].map((files) => ({ name: files.length === 1 ? files[0]! : `${files[0]} and ${files.length - 1} more`, files }));
  return jobs.sort((a, b) => rankOf(a.name) - rankOf(b.name));
}

/** Whether a fifth of the processors had nothing to do, for a while: not the same while for all who ask, or they would all begin at once. */
async function areIdle(): Promise<boolean> {
  const before = processorTimes();
  await sleep(3_000 + Math.random() * 4_000);
  return busySince(before) < 0.8;
}

function processorTimes(): { idle: number; all: number } {
  const times = cpus().map(({ times: { idle, ...busy } }) => ({ idle, all: idle + Object.values(busy).reduce((sum, ms) => sum + ms, 0) }));
  return { idle: times.reduce((sum, { idle }) => sum + idle, 0), all: times.reduce((sum, { all }) => sum + all, 0) };
}

/** The share of the machine's processors that was busy, with whatever. */
function busySince(before: { idle: number; all: number }): number {
  const now = processorTimes();
  return 1 - (now.idle - before.idle) / Math.max(1, now.all - before.all);
}

/** @returns the files that passed this time. */
async function runAgain(files: string[]): Promise<string[]> {
  if (files.length === 0 || files.length > mostRunAgain) return [];
  console.log(`\nonce more, alone: ${files.join(', ')}`);
  const passed: string[] = [];
  for (const file of files) {
    const results: TestResult[] = [];
    await runJob({ name: file, files: [file] }, results, new Map());
    if (results.length > 0 && results.every((result) => result.error === undefined)) passed.push(file);
  }
  return passed;
}

/** Takes from the first queue that has a job left, until none has, or it has run as many as it may. */
async function runLane(queues: Job[][], results: TestResult[], output: Map<string, string>, most = Infinity): Promise<void> {
  for (let count = 0; count < most; count += 1) {
    const job = queues.find((queue) => queue.length > 0)?.shift();
    if (job === undefined) return;
    await runJob(job, results, output);
  }
}

async function runJob({ name: job, files }: Job, results: TestResult[], output: Map<string, string>): Promise<void> {
  const isAlone = files.length === 1;
  const stream = run({
    files: [isAlone ? join(project, files[0]!) : join(project, 'test', 'harness', 'together.ts')],
    ...(isAlone ? {} : { argv: files }),
    concurrency: 1,
    timeout: timeoutMsOf(job),
    // A failed test may leave a connection open; its file must not wait for that until the time is up. Several files tell so much at once that an end by force could cut it off: together.ts has an end of its own.
    execArgv: [...(isAlone ? ['--test-force-exit'] : []), '--import', pathToFileURL(join(project, 'test', 'harness', 'untracked-promises.ts')).href],
  });
  const collect = ({ message }: { message: string }): void => void output.set(job, `${output.get(job) ?? ''}${message}`.slice(-8_000));
  stream.on('test:stderr', collect).on('test:stdout', collect);
  // An error that nobody caught, and of which it is not known whose it is.
  stream.on('test:diagnostic', ({ message }) => (message.startsWith('Error: ') ? collect({ message: `${message}\n` }) : undefined));
  let first: TestResult | undefined;
  const add = (data: { name: string; file?: string | undefined; skip?: string | boolean | undefined; details: { duration_ms: number; error?: unknown; type?: string | undefined } }): void => {
    if (data.details.type === 'suite') return;
    const from = relative(project, data.file ?? '');
    // What befell the process may be the work of any of its files.
    const found = (files.includes(from) ? [from] : files).map((file): TestResult => ({
      name: data.name,
      job,
      file,
      ms: data.details.duration_ms,
      ...(data.details.error === undefined ? {} : { error: data.details.error }),
      ...(data.skip ? { skip: String(data.skip) } : {}),
    }));
    results.push(...found);
    const [result] = found;
    if (result?.error === undefined) return;
    first ??= result;
    // The failures behind the first are often its consequences: they must not push it out of what is kept of a log.
    console.log(`failed  ${found.map(({ file }) => file).join(', ')}  ${result.name}\n        ${causeOf(result).slice(0, first === result ? 1_500 : 300).replaceAll('\n', '\n        ')}`);
  };
  stream.on('test:pass', add).on('test:fail', add);
  let isTold = false;
  stream.on('test:summary', (summary) => {
    if (summary.file === undefined) return;
    isTold = true;
    console.log(`${summary.success ? 'ok    ' : 'FAILED'}  ${job}  ${summary.counts.tests} tests  ${formatDuration(summary.duration_ms)}${first ? `; first: ${first.name}: ${causeOf(first).slice(0, 600).replaceAll(/\s+/g, ' ')}` : ''}`);
  });
  await new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject).resume());
  const silent = files.filter((file) => !isTold || !results.some((result) => result.file === file));
  for (const file of silent) results.push({ name: 'its tests', job, file, ms: 0, error: new Error(isTold ? 'none of them was run' : 'its process ended before it told how they went') });
}

function summarize(results: TestResult[]): void {
  const skipped = results.filter((result) => result.skip !== undefined);
  const failed = results.filter((result) => result.error !== undefined);
  console.log(`\n${results.length} tests, ${failed.length} failed, ${skipped.length} skipped`);
  for (const { name, file, skip } of skipped) console.log(`skipped ${file}  ${name}: ${skip === 'true' ? 'no reason given' : skip}`);
  const slowest = [...results].sort((a, b) => b.ms - a.ms).slice(0, 8).filter((result) => result.ms > 1_000);
  for (const { name, file, ms } of slowest) console.log(`slow    ${formatDuration(ms).padStart(6)}  ${basename(file)}  ${name}`);
}

/** Those that tests took in the browser, where they are kept. */
function tellPictures(): void {
  const directory = process.env['HOLDFAST_SCREENSHOTS'];
  if (directory) console.log(`\npictures  ${globSync('*.webp', { cwd: directory }).length} in ${resolve(directory)}`);
}

function causeOf({ error }: TestResult): string {
  return inspect((error as { cause?: unknown }).cause ?? error, { depth: 4 });
}

function describe(result: TestResult, output: string | undefined): string {
  const said = output?.trim();
  return `${result.file}  ${result.name}\n${causeOf(result)}${said ? `\nits file printed: ${said.slice(-2_000)}` : ''}`;
}

/** What still runs with this run's mark, after a moment to end; it is killed, and each is a failure. */
async function findLeaks(): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  const endsAt = Date.now() + 5_000;
  let leaked = findMarked();
  while (leaked.length > 0 && Date.now() < endsAt) {
    await sleep(100);
    leaked = findMarked();
  }
  for (const { pid } of leaked) process.kill(pid, 'SIGKILL');
  return leaked.map(({ pid, command }) => `a test left a process running: ${pid} ${command}`);
}

function findMarked(): { pid: number; command: string }[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.flatMap((pid) => {
    if (pid === process.pid || startTimeOf(pid) === undefined || !readProc(pid, 'environ').includes(runMark)) return [];
    return [{ pid, command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim() }];
  });
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
