import { nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { classifyOperation } from '../oplog/classify-operation.ts';
import { TransactionGatherer } from '../oplog/gather-transactions.ts';
import { parseEntry, type Operation } from '../oplog/oplog-entry.ts';
import { splitDocuments } from '../oplog/raw-elements.ts';
import { coverFor, readLog, scopeOf } from '../oplog/read-log.ts';

/** The operations of one slice that replay would do, in the order of their effect; index commands are left out. */
export async function* readOperations(context: SourceContext, point: RecoveryPoint, limit: LogPosition): AsyncGenerator<{ write: Operation[]; position: LogPosition } | { command: Operation; position: LogPosition }> {
  const cover = coverFor(point, limit);
  // A base at its own instant needs no log.
  if (nextLogPosition(point.base.start) >= cover) return;
  const transactions = new TransactionGatherer();
  const after = point.base.logFrom < point.base.start ? point.base.logFrom : point.base.start;
  for await (const { plain } of readLog(context, scopeOf(point), { after, limit: cover })) {
    let write: Operation[] = [];
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
        const kind = classifyOperation(operation, context.source, entry.position);
        if (kind === 'write') write.push(operation);
        if (kind !== 'command') continue;
        if (write.length > 0) yield { write, position: entry.position };
        write = [];
        yield { command: operation, position: entry.position };
      }
    }
    if (write.length > 0) yield { write, position: last };
  }
}
