import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { mib } from '../../workflows/domain/units.ts';
import { owning } from '../bench/world.ts';
import { judge } from './judge.ts';
import { runScale } from './run-scale.ts';
import { describeLine, writeReport } from './report.ts';

/**
 * `npm run test:scale -- [--gb N] [--collections N] [--entries N] [--json] [--report FILE] [--trace FILE]`: one source of that size is backed up, archived,
 * restored, replayed and proved, each job in a data plane process as the worker runs it, with kills at nine tenths. What is said on
 * the way goes to stderr; stdout has one line a phase; the trace has one JSON line a second, of what a person would see. Ends with code 1 when a bound is broken, and names it.
 */
const { values } = parseArgs({
  options: {
    gb: { type: 'string', default: '20' },
    collections: { type: 'string', default: '5000' },
    entries: { type: 'string', default: '10000000' },
    json: { type: 'boolean', default: false },
    report: { type: 'string' },
    trace: { type: 'string' },
  },
});

function numberOf(name: 'gb' | 'collections' | 'entries'): number {
  const value = Number(values[name]);
  if (!(value > 0)) throw new Error(`--${name} ${values[name]}: expected a number above 0`);
  return value;
}

const trace = (line: object): void => {
  if (values.trace) appendFileSync(values.trace, `${JSON.stringify(line)}\n`);
};
const scale = { trace, bytes: numberOf('gb') * mib(1024), collections: numberOf('collections'), entries: numberOf('entries'), say: (line: string): void => void process.stderr.write(`${line}\n`) };
const result = await owning(async (owner) => {
  const cleanUps: (() => void | Promise<void>)[] = [];
  const interrupted = async (): Promise<void> => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
    process.exit(130);
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => void interrupted());
  const noted: typeof owner = {
    after: (cleanUp) => {
      cleanUps.push(cleanUp);
      owner.after(cleanUp);
    },
  };
  return await runScale(noted, scale);
});
for (const line of result.lines) process.stdout.write(`${values.json ? JSON.stringify(line) : describeLine(line)}\n`);
const broken = judge(result);
if (values.json) process.stdout.write(`${JSON.stringify({ ...result, lines: undefined, broken })}\n`);
for (const problem of broken) process.stderr.write(`BROKEN  ${problem}\n`);
if (values.report) writeReport(values.report, result, broken, `npm run test:scale -- ${process.argv.slice(2).join(' ')}`);
process.exit(broken.length === 0 ? 0 : 1);
