import { kib } from '../../workflows/domain/units.ts';

/** Larger than what Node hands small buffers out of, in which others' bytes lie beside them. */
const ownFromBytes = Math.max(kib(128), 2 * Buffer.poolSize);

/**
 * Gives large buffers back to the machine now, and does not leave them to the collection of garbage: for every 64 MiB of buffers that were made V8 marks its whole heap, by helper
 * threads too, which took more processor time than to compress what was in them. What is given back in time is not counted.
 *
 * The rule: a buffer is let go by whoever made it, or was given it to keep, once nobody reads it any more: no view of it is kept, and no work that was begun on it still runs. That is so behind a
 * compression, a cipher, a file that was written, an answer of a store that took it; not behind an attempt that failed or was aborted, whose socket may still be reading: that is left to V8.
 * Whoever breaks it finds an empty buffer, and never another one's bytes: memory is given back, and not used again for something else.
 *
 * Small buffers lie in memory that others share, and stay.
 */
export function letGo(...buffers: readonly Uint8Array[]): void {
  for (const { buffer } of buffers) {
    if (buffer instanceof ArrayBuffer && buffer.byteLength >= ownFromBytes) buffer.transfer(0);
  }
}

/** The same for a piece that a socket read, of any size: an object's come to as much as the object. Nothing where it is a view of memory in which there may be others. */
export function letGoPiece({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) buffer.transfer(0);
}
