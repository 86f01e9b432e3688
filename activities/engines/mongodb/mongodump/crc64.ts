/** CRC-64/ECMA, reflected: what each namespace of an archive ends with. */
const polynomial = 0xc96c5795d7870f42n;
const slices = 8;

const low = new Int32Array(256 * slices);
const high = new Int32Array(256 * slices);
for (let byte = 0; byte < 256; byte += 1) {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
  low[byte] = Number(BigInt.asIntN(32, crc));
  high[byte] = Number(BigInt.asIntN(32, crc >> 32n));
}
for (let at = 256; at < 256 * slices; at += 1) {
  const last = low[at - 256]!;
  const base = last & 255;
  low[at] = ((last >>> 8) | (high[at - 256]! << 24)) ^ low[base]!;
  high[at] = (high[at - 256]! >>> 8) ^ high[base]!;
}

/** A running sum. Eight bytes a step by tables of 32-bit halves, since a BigInt a byte would be a hundred times slower. */
export class Crc64 {
  #low = -1;
  #high = -1;

  add(bytes: Buffer): void {
    let a = this.#low;
    let b = this.#high;
    let at = 0;
    for (const whole = bytes.length - 7; at < whole; at += 8) {
      a ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      b ^= bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
      const a0 = 1792 + (a & 255), a1 = 1536 + ((a >>> 8) & 255), a2 = 1280 + ((a >>> 16) & 255), a3 = 1024 + (a >>> 24);
      const b0 = 768 + (b & 255), b1 = 512 + ((b >>> 8) & 255), b2 = 256 + ((b >>> 16) & 255), b3 = b >>> 24;
      a = low[a0]! ^ low[a1]! ^ low[a2]! ^ low[a3]! ^ low[b0]! ^ low[b1]! ^ low[b2]! ^ low[b3]!;
      b = high[a0]! ^ high[a1]! ^ high[a2]! ^ high[a3]! ^ high[b0]! ^ high[b1]! ^ high[b2]! ^ high[b3]!;
    }
    for (; at < bytes.length; at += 1) {
      const index = (a ^ bytes[at]!) & 255;
      a = ((a >>> 8) | (b << 24)) ^ low[index]!;
      b = (b >>> 8) ^ high[index]!;
    }
    this.#low = a;
    this.#high = b;
  }

  /** The sum so far, as the signed 64-bit number that BSON holds it in. */
  value(): bigint {
    const unsigned = (BigInt(~this.#high >>> 0) << 32n) | BigInt(~this.#low >>> 0);
    return BigInt.asIntN(64, unsigned);
  }
}
