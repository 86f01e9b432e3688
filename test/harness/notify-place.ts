import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Owner } from './cleanup.ts';
import { caFile, startHttpReceiver, type HttpReceiver } from './http-receiver.ts';
import { tempDir } from './temp-dir.ts';

export interface NotifyPlace {
  directory: string;
  receiver: HttpReceiver;
  /** writes the system file anew with these receivers */
  write(receivers: Record<string, unknown>): void;
  /** settings of a webhook that leads to the receiver */
  webhook: Record<string, unknown>;
}

/** The shipped ai-writing under the name `told`, with receivers of the test's own; HOLDFAST_SYSTEMS leads there. */
export async function openNotifyPlace(owner: Owner): Promise<NotifyPlace> {
  const directory = tempDir(owner);
  const receiver = await startHttpReceiver(owner, { status: 204, body: '' });
  writeFileSync(join(directory, 'webhook-secret'), 'a signing secret of 32 bytes, ok\n');
  const shipped = parse(readFileSync(join(import.meta.dirname, '..', '..', 'systems', 'ai-writing.yaml'), 'utf8')) as Record<string, unknown>;
  const write = (receivers: Record<string, unknown>): void =>
    writeFileSync(join(directory, 'told.yaml'), stringify({ ...shipped, system: 'told', notify: { external: { service: 'AI writing', impact: 'Documents cannot be opened.' }, receivers } }));
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = directory;
  owner.after(() => {
    if (before === undefined) delete process.env['HOLDFAST_SYSTEMS'];
    else process.env['HOLDFAST_SYSTEMS'] = before;
  });
  return { directory, receiver, write, webhook: { kind: 'webhook', url: `${receiver.url}/hook`, secret: 'file:webhook-secret', caFile } };
}
