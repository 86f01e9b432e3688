import { SpillFile } from '../../../../../activities/engines/mongodb/spill-file.ts';

/** Spills what stdin says, again and again, says so, and waits to be killed. */
let text = '';
for await (const piece of process.stdin) text += String(piece);
const file = new SpillFile();
for (let record = 0; record < 20_000; record += 1) file.add([Buffer.from(`${record} ${text}`)]);
process.stdout.write(`spilled ${file.records}\n`);
setInterval(() => file.records, 1_000);
