import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { AesPayloadCodec } from './payload-codec.ts';
import { readPayloadKeys } from './payload-keys.ts';

const failureConverterPath = fileURLToPath(new URL('./failure-converter.ts', import.meta.url));

/**
 * How workers and clients turn values into what Temporal keeps: encrypted where HOLDFAST_PAYLOAD_KEYS names keys.
 * @throws BadInput - the keys cannot be read.
 */
export async function readDataConverter(env: NodeJS.ProcessEnv = process.env): Promise<DataConverter> {
  const keys = await readPayloadKeys(env);
  const payloadCodecs = [new AesPayloadCodec(keys)];
  return keys.length > 0 ? { payloadCodecs, failureConverterPath } : { payloadCodecs };
}
