import { appendFile, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { runTool } from '../activities/tool/run-tool.ts';
import { shuffle } from '../test/faults/choose.ts';
import { cells, nameOf } from '../test/faults/matrix.ts';
import { runCells } from '../test/faults/run-cell.ts';
import { writeReport, type ReportedCell } from '../test/faults/write-report.ts';

/**
 * `npm run test:faults [-- --seed N] [--part K/N] [--only FAULT/PHASE]… [--json] [--results FILE] [--report FILE] [--report-only]`: every cell of the
 * fault matrix, in the order of the seed. `--only` takes a cell, a fault (`store-500/`) or a phase (`/restore`); `--part 1/2` every other one, so that
 * two processes run a matrix side by side.
 *
 * `--results` keeps each cell's result as a line of JSON behind what is there, as soon as it has ended. `--report` writes the page of all that lies there;
 * with `--report-only` nothing is run, and the file may be compressed (`.gz`). What is committed of both is docs/faults.md and test/faults/results.jsonl.gz.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    part: { type: 'string', default: '1/1' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
    results: { type: 'string' },
    report: { type: 'string' },
    'report-only': { type: 'boolean', default: false },
  },
});
if (values.report !== undefined && values.results === undefined) usage('--report: a page of one run would replace that of all; give --results, where all are kept');
if (values['report-only'] && values.report === undefined) usage('--report-only: where to? Give --report');
if (values.results?.endsWith('.gz') && !values['report-only']) usage('--results: a compressed file is read by --report-only; others are written behind');
const failed = values['report-only'] ? 0 : await run();
if (values.report !== undefined) await writeReport(values.report, await readResults(values.results!), await countedCommits());
// The stack's sockets keep no process alive that has nothing more to say.
process.exit(failed === 0 ? 0 : 1);

/** @returns how many cells did not hold. */
async function run(): Promise<number> {
  const seed = Number(values.seed ?? process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const wanted = values.only ?? [];
  const [part, parts] = values.part.split('/').map(Number);
  if (!(part! >= 1 && part! <= parts!)) usage('--part: expected K/N, as 1/2');
  const all = shuffle(cells.filter((cell) => wanted.length === 0 || wanted.some((one) => `/${nameOf(cell)}/`.includes(one.includes('/') ? one : `/${one}/`))), seed);
  const chosen = all.filter((_, at) => at % parts! === part! - 1);
  if (!values.json) console.log(`${chosen.length} cells, seed ${seed}`);
  const commit = await whichCommit();
  let written: Promise<void> = Promise.resolve();
  const results = await runCells(chosen, (of) => {
    const result: ReportedCell = { ...of, seed, commit, at: new Date().toISOString() };
    const line = JSON.stringify(result);
    if (values.results !== undefined) written = written.then(async () => await appendFile(values.results!, `${line}\n`));
    if (values.json) console.log(line);
    else console.log(`${result.outcome.padEnd(8)} ${nameOf(result).padEnd(32)} ${(result.ms / 1000).toFixed(1).padStart(6)} s  ${result.outcome === 'ok' ? `${result.seen} → ${result.end}` : result.error}`);
  });
  await written;
  const bad = results.filter(({ outcome }) => outcome === 'failed' || outcome === 'no stack').length;
  if (!values.json) console.log(`${results.length} cells, ${bad} failed, seed ${seed}`);
  return bad;
}

async function git(...args: string[]): Promise<string> {
  return (await runTool({ path: 'git' }, args)).stdout.trim();
}

/** What is run; changed and not committed, it is told apart from the commit, and never counts. */
async function whichCommit(): Promise<string> {
  const [commit, changed] = [await git('rev-parse', 'HEAD'), await git('status', '--porcelain', '--untracked-files=no')];
  return changed === '' ? commit : `${commit}, changed`;
}

/** Commits of this history since the cells and their checks are what they are: of earlier ones, or of others, a result says nothing. */
async function countedCommits(): Promise<ReadonlySet<string>> {
  const other = ['results.jsonl.gz', 'sample.test.ts', 'seen.ts', 'write-report.ts'].map((name) => `:(exclude)test/faults/${name}`);
  const last = await git('log', '-1', '--format=%H', '--', 'test/faults', ...other);
  return new Set([last, ...(await git('rev-list', `${last}..HEAD`)).split('\n')]);
}

async function readResults(path: string): Promise<ReportedCell[]> {
  const bytes = await readFile(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line) as ReportedCell);
}

function usage(why: string): never {
  console.error(why);
  process.exit(2);
}
