import { Socket } from 'node:net';
import { kib } from '../../../workflows/domain/units.ts';

/** Read at once, at most: as much as Node takes by itself. */
const readBytes = kib(64);

/** Memory that a socket reads into, and gets back. */
export interface Lender {
  /** What is heard from now on is the socket's own memory, which has to be given back; else it is a copy, which is its taker's. */
  isLending: boolean;
  giveBack(chunk: Buffer): void;
}

const lenders = new WeakMap<object, Lender>();

/** Undefined: what this stream reads is its taker's. */
export const lenderOf = (stream: object): Lender | undefined => lenders.get(stream);

/**
 * A socket that reads into the same memory again and again. Node's own takes new memory for each read, outside of V8's heap, and for every 64 MiB of such memory V8 looks through all of its heap: of a dump
 * that was most of what it threw away.
 */
export function lendingSocket(): Socket {
  const free: Buffer[] = [];
  const lender: Lender = { isLending: false, giveBack: ({ buffer }) => void free.push(Buffer.from(buffer as ArrayBuffer)) };
  const socket: Socket = new Socket({
    onread: {
      buffer: () => free.pop() ?? Buffer.allocUnsafeSlow(readBytes),
      callback: (length, memory) => {
        const chunk = Buffer.from(memory.buffer as ArrayBuffer, 0, length);
        const isLent = lender.isLending;
        socket.emit('data', isLent ? chunk : Buffer.from(chunk));
        if (!isLent) lender.giveBack(chunk);
        return true;
      },
    },
  });
  lenders.set(socket, lender);
  return socket;
}
