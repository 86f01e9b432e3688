/** A tablespace that the log makes: where its server had it. */
export interface MadeTablespace {
  oid: number;
  path: string;
}

const pageBytes = 8192;
const [shortHead, longHead] = [24, 40];
const recordHead = 24;
/** of the resource managers, as every PostgreSQL since 9 numbers them */
const tablespaceManager = 5;
const [shortData, longData] = [255, 254];

/** No record that makes a tablespace is longer: a head, a number and a path. */
const longestRecord = 2 * 1024;

/**
 * Walks the records of WAL segments, in any order, for those that make a tablespace. One that goes on in the next segment is put together once both were seen.
 *
 * @source PostgreSQL, xlogrecord.h and xlog_internal.h: a page's head says how much of a record it goes on with; records begin at multiples of eight bytes.
 */
export class LogWalk {
  /** by segment: how the record begins that it ends in, and how the one goes on that it begins in */
  readonly #ends = new Map<number, Buffer>();
  readonly #begins = new Map<number, Buffer>();

  /** @returns those that are whole with this segment. */
  add(segment: Buffer, number: number): MadeTablespace[] {
    const made: MadeTablespace[] = [];
    let isFirst = true;
    /** what has passed of a record that is not whole yet */
    let begun: Buffer = Buffer.alloc(0);
    for (let page = 0; page < segment.length; page += pageBytes) {
      // Zeros, or what a file held that is used again: the log ends before this page.
      if (segment.readUInt16LE(page) === 0 || segment.readBigUInt64LE(page + 8) !== segment.readBigUInt64LE(8) + BigInt(page)) break;
      const end = page + pageBytes;
      const goesOn = segment.readUInt32LE(page + 16);
      let at = page + (page === 0 ? longHead : shortHead);
      if (goesOn > 0) {
        const taken = Math.min(goesOn, end - at);
        begun = Buffer.concat([begun, segment.subarray(at, at + taken)].map((one) => one.subarray(0, longestRecord)));
        at += align(taken);
        if (goesOn > taken) continue;
      }
      if (isFirst) this.#begins.set(number, begun);
      else made.push(...readMade(begun));
      isFirst = false;
      begun = Buffer.alloc(0);
      while (at + 4 <= end) {
        const bytes = segment.readUInt32LE(at);
        // Nothing behind it: the rest of the segment was left empty.
        if (bytes === 0) break;
        if (at + bytes > end) {
          begun = segment.subarray(at, end);
          break;
        }
        made.push(...readMade(segment.subarray(at, at + bytes)));
        at += align(bytes);
      }
    }
    this.#ends.set(number, Buffer.from(begun));
    return [...made, ...this.#join(number - 1), ...this.#join(number)];
  }

  #join(number: number): MadeTablespace[] {
    const [end, begin] = [this.#ends.get(number), this.#begins.get(number + 1)];
    if (!end || !begin) return [];
    this.#ends.delete(number);
    this.#begins.delete(number + 1);
    return end.length === 0 ? [] : readMade(Buffer.concat([end, begin]));
  }
}

const align = (bytes: number): number => (bytes + 7) & ~7;

function readMade(record: Buffer): MadeTablespace[] {
  if (record.length <= recordHead || record[17] !== tablespaceManager || (record[16]! & 0xf0) !== 0) return [];
  const kind = record[recordHead];
  const at = recordHead + (kind === shortData ? 2 : kind === longData ? 5 : NaN);
  if (Number.isNaN(at)) return [];
  const end = record.indexOf(0, at + 4);
  return [{ oid: record.readUInt32LE(at), path: record.toString('utf8', at + 4, end === -1 ? record.length : end) }];
}
