#!/usr/bin/env node
/** Holdfast's command line. What it needs is loaded behind the first look at what was typed: a segment of WAL is pushed several times a second, and most of that time would be the loading. */
const args = process.argv.slice(2);
const answer = args[0] === 'wal-push' ? await (await import('./wal/ask-pusher.ts')).askPusher(args) : undefined;
if (answer) {
  process.stdout.write(answer.out);
  process.stderr.write(answer.err);
}
const code = answer?.code ?? (await (await import('./run-command-line.ts')).runCommandLine(args, { out: process.stdout, err: process.stderr }));
// What stands in a pipe's buffer is written after this line only, and an exit would cut it off: the JSON of many systems in its middle.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.on('error', resolve).write('', resolve));
// What an interrupted command still waits for must not keep the process.
process.exit(code);
