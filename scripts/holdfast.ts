#!/usr/bin/env node
import { runCommandLine } from './run-command-line.ts';

/** Holdfast's command line. */
const code = await runCommandLine(process.argv.slice(2), { out: process.stdout, err: process.stderr });
// What stands in a pipe's buffer is written after this line only, and an exit would cut it off: the JSON of many systems in its middle.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.on('error', resolve).write('', resolve));
// What an interrupted command still waits for must not keep the process.
process.exit(code);
