import { Command } from 'commander';
import { parseBytes } from '../../workflows/domain/units.ts';
import { describeLine, type BenchLine } from './line.ts';
import { measureBackup } from './measure-backup.ts';
import { measureArchive } from './measure-archive.ts';
import { measurePitr } from './measure-pitr.ts';
import { measureReplay } from './measure-replay.ts';
import { measureRestore } from './measure-restore.ts';
import { measureSourceImpact } from './measure-source-impact.ts';
import { describeFigure, writeFigures, type AloneOptions, type Figure } from './figures.ts';
import { measureEngine } from './measure-engine.ts';
import { measureForecast } from './measure-forecast.ts';
import { measureStanding } from './measure-standing.ts';
import { measureSystems } from './measure-systems.ts';
import { measureYear } from './measure-year.ts';
import { measureLogical } from './postgres/measure-logical.ts';
import { measurePhysical, physicalPrograms } from './postgres/measure-physical.ts';
import { writeLines, writeReport } from './report.ts';
import { Stages } from './stages.ts';
import type { ToolName } from '../../activities/tool/find-tool.ts';
import type { Owner } from '../harness/cleanup.ts';
import { owning, World, type Options } from './world.ts';

/**
 * `npm run bench -- <bench…>`: measures ours beside the tools that people use, in one run on this machine. What is said on the way goes to
 * stderr; stdout has the results, as text or with `--json` as one object a line.
 */
const benches: Record<string, (stages: Stages) => Promise<BenchLine[]>> = {
  backup: measureBackup,
  restore: measureRestore,
  replay: measureReplay,
  pitr: measurePitr,
  archive: measureArchive,
  'source-impact': measureSourceImpact,
};

/** Of ours alone, each on parts of its own; not among `all`. */
const alone: Record<string, { title: string; measure: (owner: Owner, options: AloneOptions) => Promise<Figure[]> }> = {
  engine: { title: 'What the engine costs', measure: measureEngine },
  forecast: { title: 'How far the forecast is off', measure: measureForecast },
  standing: { title: 'What a system that stands asks of the server', measure: measureStanding },
  systems: { title: 'A thousand systems', measure: measureSystems },
  year: { title: 'A year of what lives long', measure: measureYear },
};

/** Beside peers, each on parts of its own; not among `all`. */
const apart: Record<string, { title: string; size: string; programs: readonly ToolName[]; measure: (owner: Owner, options: Options) => Promise<BenchLine[]> }> = {
  postgres: { title: 'PostgreSQL', size: '1GiB', programs: [], measure: measureLogical },
  'postgres-physical': { title: 'PostgreSQL as files', size: '1GiB', programs: physicalPrograms, measure: measurePhysical },
};

interface Flags {
  size?: string;
  rounds: string;
  json?: boolean;
  quick?: boolean;
  report?: boolean;
}

const entriesPerByte = 190_000 / (400 * 1024 * 1024);

function optionsOf(flags: Flags, size = '400MiB'): Options {
  const bytes = flags.quick ? 4 * 1024 * 1024 : parseBytes(flags.size ?? size);
  const rounds = flags.quick ? 1 : Number(flags.rounds);
  if (bytes === undefined) throw new Error(`--size ${flags.size!}: expected a size such as 400MiB`);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${flags.rounds}: expected a whole number from 1`);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  return { bytes, rounds, quick: flags.quick === true, say, entries: Math.round(bytes * entriesPerByte) };
}

async function bench(named: string[], flags: Flags): Promise<void> {
  const known = [...Object.keys(benches), ...Object.keys(apart), ...Object.keys(alone)];
  for (const name of named) if (name !== 'all' && !known.includes(name)) throw new Error(`no bench "${name}"; known: ${known.join(', ')}, all`);
  const chosen = named.includes('all') ? Object.keys(benches) : named.filter((name) => benches[name]);
  const options = optionsOf(flags);
  const lines: BenchLine[] = [];
  const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`;
  for (const name of named.filter((one) => alone[one])) {
    options.say(`${name}:`);
    let printed = 0;
    const partly = (figures: readonly Figure[]): void => {
      for (const figure of figures.slice(printed)) process.stdout.write(`${flags.json ? JSON.stringify(figure) : describeFigure(figure)}\n`);
      printed = figures.length;
      if (flags.report) writeFigures(name, alone[name]!.title, figures, command);
    };
    partly(await owning(async (owner) => await alone[name]!.measure(owner, { ...options, partly })));
  }
  const print = (line: BenchLine): void => void process.stdout.write(`${flags.json ? JSON.stringify(line) : describeLine(line)}\n`);
  for (const name of named.filter((one) => apart[one])) {
    const { title, size, programs, measure } = apart[name]!;
    options.say(`${name}:`);
    const measured = await owning(async (owner) => await measure(owner, optionsOf(flags, size)));
    measured.forEach(print);
    if (flags.report) await writeLines(name, title, measured, command, programs);
  }
  if (chosen.length === 0) return;
  await owning(async (owner) => {
    const stages = new Stages(await World.open(owner, options));
    for (const name of chosen) {
      options.say(`${name}:`);
      for (const line of await benches[name]!(stages)) {
        lines.push(line);
        print(line);
      }
    }
  });
  if (flags.report) await writeReport(lines, command);
}

await new Command('bench')
  .description('Measures Holdfast beside the tools that people use. Peers are taken from PATH; one that is missing leaves ours alone.')
  .argument('<bench...>', `${Object.keys(benches).join(', ')}, all of these; ${Object.keys(apart).join(', ')}, beside peers too; ${Object.keys(alone).join(', ')}, which are of ours alone`)
  .option('--size <size>', 'plain data of the source; left out: 400MiB, of postgres and postgres-physical 1GiB')
  .option('--rounds <n>', 'how often each is measured', '3')
  .option('--json', 'one JSON object a line')
  .option('--report', 'writes docs/benchmarks.md and its chart')
  .option('--quick', 'a few MiB, one round: whether it works, nothing about speed')
  .action(bench)
  .parseAsync();
process.exit(0);
