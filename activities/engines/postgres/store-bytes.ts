import { createHash } from 'node:crypto';
import type { GroupIndex, Part } from '../../../workflows/domain/manifest.ts';
import { InFlight } from '../base/in-flight.ts';
import type { WrittenRange } from '../base/put-index.ts';
import { nextPartName, putPart, type PartName, type PartStore } from '../base/stored-parts.ts';
import { StreamCutter } from '../tool/cut-stream.ts';

const uploadsAtOnce = 2;

/** Stores what is no row: its proof is the SHA-256 of all of it. */
export async function storeBytes(store: PartStore, of: { unit: string; range: string }, chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<WrittenRange> {
  const digest = createHash('sha256');
  const parts: Part[] = [];
  let plainBytes = 0;
  let name: PartName | undefined;
  const cutter = new StreamCutter();
  const uploads = new InFlight(uploadsAtOnce);
  const upload = async (plain: Parameters<typeof putPart>[3]): Promise<void> => {
    const own = (name = nextPartName(name));
    await uploads.add(async () => {
      parts[own.index] = await putPart(store, of, own, plain);
      cutter.release(plain);
    });
  };
  try {
    for await (const chunk of chunks) {
      digest.update(chunk);
      plainBytes += chunk.length;
      for (const plain of cutter.add(chunk)) await upload(plain);
    }
    for (const plain of cutter.flush()) await upload(plain);
    await uploads.settle();
  } finally {
    await uploads.abandon();
  }
  const range: GroupIndex['ranges'][number] = { ...of, documents: 0, plainBytes, hashSum: digest.digest('hex'), fuzzy: null, gone: false };
  return { parts, summary: () => range };
}
