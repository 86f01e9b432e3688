const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * A sortable id of 26 characters, in the form of a ULID: ten of time, sixteen of chance. Time and chance come in, so that a
 * workflow makes the same id again when it is replayed.
 * @param uuid - 32 hex digits with or without dashes; the first 80 bits are used.
 */
export function makeId(nowMs: number, uuid: string): string {
  let time = '';
  for (let rest = nowMs, place = 0; place < 10; place += 1) {
    time = digits[rest % 32]! + time;
    rest = Math.floor(rest / 32);
  }
  let chance = '';
  let bits = BigInt(`0x${uuid.replaceAll('-', '').slice(0, 20)}`);
  for (let place = 0; place < 16; place += 1) {
    chance = digits[Number(bits % 32n)]! + chance;
    bits /= 32n;
  }
  return time + chance;
}

/** When an id was made, milliseconds since the epoch; undefined: it is none of ours. */
export function timeOfId(id: string): number | undefined {
  if (!/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id)) return undefined;
  return [...id.slice(0, 10)].reduce((time, digit) => time * 32 + digits.indexOf(digit), 0);
}
