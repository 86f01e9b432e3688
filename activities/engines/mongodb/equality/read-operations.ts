import { nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { classifyOperation } from '../oplog/classify-operation.ts';
import { TransactionGatherer } from '../oplog/gather-transactions.ts';
import { parseEntry, type Operation } from '../oplog/oplog-entry.ts';
import { splitDocuments } from '../oplog/raw-elements.ts';
import { coverFor, readLog, scopeOf } from '../oplog/read-log.ts';
import type { Selection } from '../selection/selection.ts';

/** Writes that are handed on together at most: those of a transaction of any size are not gathered once more. */
const together = { writes: 1_000, bytes: mib(8) };

/**
 * The operations that replay would do, in the order of their effect; index commands are left out. Views into the slice.
 * @param options.selection - of a partial restore: the others' operations are left out too.
 * @param options.onSlice - called with the stored bytes of each slice that was read.
 */
export async function* readOperations(
  context: SourceContext,
  point: RecoveryPoint,
  limit: LogPosition,
  { selection = null, onSlice }: { selection?: Selection | null; onSlice?: (bytes: number) => void } = {},
): AsyncGenerator<{ write: Operation[]; position: LogPosition } | { command: Operation; position: LogPosition }> {
  const cover = coverFor(point, limit);
  // A base at its own instant needs no log.
  if (nextLogPosition(point.base.start) >= cover) return;
  const after = point.base.logFrom < point.base.start ? point.base.logFrom : point.base.start;
  const transactions = new TransactionGatherer();
  try {
    for await (const { slice, plain } of readLog(context, scopeOf(point), { after, limit: cover })) {
      let write: Operation[] = [];
      let bytes = 0;
      let last = after;
      for (const raw of splitDocuments(plain)) {
        const entry = parseEntry(raw);
        if (entry.position >= limit) break;
        if (entry.position <= after) continue;
        const { operations } = transactions.take(entry);
        // Base holds it already; entries before it are read for the transactions that were open.
        if (entry.position <= point.base.start) continue;
        last = entry.position;
        for (const operation of operations) {
          if (selection && !selection.holds(operation)) continue;
          const kind = classifyOperation(operation, context.source, entry.position);
          if (kind === 'write') {
            write.push(operation);
            bytes += operation.o.length;
          }
          if (write.length > 0 && (kind === 'command' || write.length >= together.writes || bytes >= together.bytes)) {
            yield { write, position: last };
            write = [];
            bytes = 0;
          }
          if (kind === 'command') yield { command: operation, position: last };
        }
      }
      if (write.length > 0) yield { write, position: last };
      onSlice?.(slice.bytes);
    }
  } finally {
    transactions.close();
  }
}
