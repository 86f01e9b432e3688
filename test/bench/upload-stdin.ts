import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { openClient } from './object-client.ts';

/**
 * Uploads stdin as one object, for a peer that has no uploader of its own: parts of 16 MiB, four under way at a time.
 * `upload-stdin.ts <bucket> <key>`.
 */
const [bucket, key] = process.argv.slice(2);
const partBytes = 16 * 1024 * 1024;
const atOnce = 4;

const client = openClient();
const object = { Bucket: bucket!, Key: key! };
const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
const parts: { ETag: string | undefined; PartNumber: number }[] = [];
const underWay = new Set<Promise<void>>();

async function upload(body: Buffer): Promise<void> {
  const PartNumber = parts.push({ ETag: undefined, PartNumber: parts.length + 1 });
  const sent = client.send(new UploadPartCommand({ ...object, UploadId: UploadId!, PartNumber, Body: body })).then(({ ETag }) => {
    parts[PartNumber - 1]!.ETag = ETag;
  });
  const running: Promise<void> = sent.finally(() => underWay.delete(running));
  underWay.add(running);
  if (underWay.size >= atOnce) await Promise.race(underWay);
}

let waiting: Buffer[] = [];
let bytes = 0;
for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
  waiting.push(chunk);
  bytes += chunk.length;
  if (bytes < partBytes) continue;
  await upload(Buffer.concat(waiting));
  waiting = [];
  bytes = 0;
}
if (bytes > 0 || parts.length === 0) await upload(Buffer.concat(waiting));
await Promise.all(underWay);
await client.send(new CompleteMultipartUploadCommand({ ...object, UploadId: UploadId!, MultipartUpload: { Parts: parts } }));
