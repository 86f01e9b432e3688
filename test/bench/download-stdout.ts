import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { openClient } from './object-client.ts';

/** Writes one object to stdout as it comes, for a peer that has no downloader of its own: `download-stdout.ts <bucket> <key>`. */
const [bucket, key] = process.argv.slice(2);
const { Body } = await openClient().send(new GetObjectCommand({ Bucket: bucket!, Key: key! }));
await pipeline(Body as Readable, process.stdout);
