/**
 * Runs `work` on every item, at most `atOnce` side by side, so that memory is bounded however many items there are.
 * The first failure stops the taking of items; it is thrown when those under way are over, and so is what `items` throws.
 */
export async function inParallel<T>(items: AsyncIterable<T> | Iterable<T>, atOnce: number, work: (item: T) => Promise<void>, signal?: AbortSignal): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for await (const item of items) {
      signal?.throwIfAborted();
      const one: Promise<void> = work(item).catch((error: unknown) => void failures.push(error)).finally(() => running.delete(one));
      running.add(one);
      if (running.size >= atOnce) await Promise.race(running);
      if (failures.length > 0) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}
