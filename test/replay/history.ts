import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

interface HistoryType {
  toObject(history: History, options: { longs: StringConstructor; enums: StringConstructor; bytes: StringConstructor }): unknown;
  fromObject(plain: unknown): History;
}

/**
 * The worker's own type of a history. The SDK's reader of histories in JSON cannot be used: it checks a type by the class of one copy of
 * protobufjs, and makes it by that of another, wherever npm installs more than one ("type must be a Type").
 */
const { temporal } = createRequire(fileURLToPath(import.meta.resolve('@temporalio/worker')))('@temporalio/proto') as {
  temporal: { api: { history: { v1: { History: HistoryType } } } };
};
const { History } = temporal.api.history.v1;

/** Which machine recorded it, and where the project lay there, is left out. */
export function writeHistory(path: string, history: History): void {
  const plain = History.toObject(history, { longs: String, enums: String, bytes: String });
  const impersonal = JSON.stringify(plain, (key, value: unknown) => (key === 'identity' ? 'recorder' : key === 'stackTrace' ? '' : value));
  writeFileSync(path, `${impersonal}\n`);
}

export const readHistory = (path: string): History => History.fromObject(JSON.parse(readFileSync(path, 'utf8')));
