import type pg from 'pg';
import type { SourceContext } from '../../context.ts';
import { sourcePlace, withClient, type Place } from '../postgres/connect.ts';

/** Runs `use` on the server where the source lives, in the address’ database if no other is named. @throws SourceUnavailable - retryable; names host and port. */
export async function withSource<T>(context: SourceContext, use: (client: pg.Client, place: Place) => Promise<T>, { environment, database }: { environment?: string; database?: string } = {}): Promise<T> {
  const place = await sourcePlace(context, environment);
  return await withClient(context, place, async (client) => await use(client, place), database === undefined ? {} : { database });
}
