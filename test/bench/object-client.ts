import { S3Client } from '@aws-sdk/client-s3';

/** The peers' client, of the processes in their pipelines: address and credentials come from the environment. */
export const openClient = (): S3Client => new S3Client({
  endpoint: process.env['BENCH_S3']!,
  region: 'us-east-1',
  forcePathStyle: true,
  requestChecksumCalculation: 'WHEN_REQUIRED',
  credentials: { accessKeyId: process.env['BENCH_S3_ID']!, secretAccessKey: process.env['BENCH_S3_SECRET']! },
});
