import type { JobReading } from '../../context.ts';

/**
 * How far a dump is. Bytes are done once they are stored: what was read is still lost with the attempt. What was read and what an earlier dump
 * expected say together how much there will be, so that nothing is whole while something that was read is on its way.
 */
export class StoredProgress {
  readonly #tell: (reading: Pick<JobReading, 'done' | 'adopted' | 'of' | 'unit'>) => void;
  readonly #estimatedBytes: number;
  #readBytes = 0;
  #storedBytes = 0;
  #adoptedBytes = 0;

  /** @param estimatedBytes - 0: not known, so that there is no percent. */
  constructor(estimatedBytes: number, tell: (reading: Pick<JobReading, 'done' | 'adopted' | 'of' | 'unit'>) => void) {
    this.#estimatedBytes = estimatedBytes;
    this.#tell = tell;
  }

  /** Plain bytes; less than none of what has to be read again. */
  read(bytes: number): void {
    this.#readBytes += bytes;
    this.#said();
  }

  /** Plain bytes that were read and are in the store now; less than none of what counts no more. */
  stored(bytes: number): void {
    this.#storedBytes += bytes;
    this.#said();
  }

  /** Plain bytes that an earlier attempt stored. */
  adopted(bytes: number): void {
    this.#readBytes += bytes;
    this.#storedBytes += bytes;
    this.#adoptedBytes += bytes;
    this.#said();
  }

  #said(): void {
    const of = this.#estimatedBytes === 0 ? 0 : Math.max(this.#readBytes, this.#estimatedBytes);
    this.#tell({ done: this.#storedBytes, adopted: this.#adoptedBytes, of, unit: 'bytes' });
  }
}
