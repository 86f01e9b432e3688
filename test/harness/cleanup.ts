/** A test, a suite's hooks (`{ after }` of node:test) or anything else that calls back when it is over. */
export interface Owner {
  after(cleanUp: () => void | Promise<void>): void;
}
