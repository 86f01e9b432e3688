import { appendFile, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runTool } from '../activities/tool/run-tool.ts';
import { cells, nameOf } from '../test/faults/matrix.ts';
import { runCells } from '../test/faults/run-cell.ts';
import { shuffle } from '../test/faults/choose.ts';
import { writeReport, type ReportedCell } from '../test/faults/write-report.ts';

/**
 * `npm run test:faults [-- --seed N] [--only FAULT/PHASE]… [--json] [--results FILE] [--report FILE]`: every cell of the fault
 * matrix, in the order of the seed, and the table docs/faults.md. `--only` takes a cell, a fault (`store-500/`) or a phase
 * (`/restore`), and writes no table unless `--report` names one. `--results` keeps each cell's result as a line of JSON behind what
 * earlier runs left there, and the table then shows how often each cell held in a row.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
    results: { type: 'string' },
    report: { type: 'string' },
  },
});
const seed = Number(values.seed ?? process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const wanted = values.only ?? [];
const chosen = shuffle(cells.filter((cell) => wanted.length === 0 || wanted.some((part) => `/${nameOf(cell)}/`.includes(part.includes('/') ? part : `/${part}/`))), seed);
if (!values.json) console.log(`${chosen.length} cells, seed ${seed}`);
const report = values.report ?? (wanted.length === 0 ? 'docs/faults.md' : undefined);
const commit = (await runTool({ path: 'git' }, ['rev-parse', '--short', 'HEAD'])).stdout.trim();
const ended: ReportedCell[] = values.results ? await readResults(values.results) : [];
let written: Promise<void> = Promise.resolve();
const results = await runCells(chosen, (of) => {
  const result: ReportedCell = { ...of, seed, commit, at: new Date().toISOString() };
  ended.push(result);
  const line = JSON.stringify(result);
  // After each cell: a run that is ended early leaves what it saw.
  written = written.then(async () => {
    if (values.results) await appendFile(values.results, `${line}\n`);
    if (report) await writeReport(report, ended);
  });
  if (values.json) console.log(line);
  else console.log(`${result.outcome.padEnd(8)} ${nameOf(result).padEnd(32)} ${(result.ms / 1000).toFixed(1).padStart(6)} s  ${result.outcome === 'ok' ? `${result.seen} → ${result.end}` : result.error}`);
});
await written;
// Also when nothing was run: the table of what earlier runs left.
if (report) await writeReport(report, ended);
const failed = results.filter(({ outcome }) => outcome === 'failed' || outcome === 'no stack');
if (!values.json) console.log(`${results.length} cells, ${failed.length} failed, seed ${seed}`);
// The stack's sockets keep no process alive that has nothing more to say.
process.exit(failed.length === 0 ? 0 : 1);

async function readResults(path: string): Promise<ReportedCell[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line) as ReportedCell);
}
