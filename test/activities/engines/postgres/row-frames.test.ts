import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowFrames } from '../../../../activities/engines/postgres/row-frames.ts';

function message(code: string, content: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(code, 'latin1');
  head.writeUInt32BE(content.length + 4, 1);
  return Buffer.concat([head, Buffer.from(content, 'latin1')]);
}

test('rows come out of the messages of a COPY wherever those are cut; what ends it is left as it came', () => {
  const rows = ['1\ta\n', '2\t\\N\n', `3\t${'x'.repeat(300)}\n`, '\n'];
  const end = Buffer.concat([message('C', 'COPY 4\0'), message('Z', 'T')]);
  const sent = Buffer.concat([message('H', '\0\0\0'), message('d', rows[0]!), message('N', 'SNOTICE\0\0'), ...rows.slice(1).map((row) => message('d', row)), message('c', ''), end]);
  const receive = (chunks: Buffer[]): { taken: string; left: Buffer } => {
    const frames = new RowFrames();
    let taken = '';
    for (const [at, chunk] of chunks.entries()) {
      // What was taken is overwritten by nothing that comes later.
      const { bytes, rest } = frames.take(Buffer.from(chunk));
      taken += bytes.toString('latin1');
      if (rest) return { taken, left: Buffer.concat([rest, ...chunks.slice(at + 1)]) };
    }
    return { taken, left: Buffer.alloc(0) };
  };
  const wanted = { taken: rows.join(''), left: end };
  for (let cut = 0; cut <= sent.length; cut += 1) assert.deepEqual(receive([sent.subarray(0, cut), sent.subarray(cut)]), wanted, `cut at ${cut}`);
  assert.deepEqual(receive([...sent].map((byte) => Buffer.of(byte))), wanted);
  const failure = message('E', 'C42501\0\0');
  assert.deepEqual(receive([message('H', '\0'), message('d', 'half'), failure]), { taken: 'half', left: failure });
});
