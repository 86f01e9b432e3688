import pg from 'pg';

/**
 * Tells every session of these databases to end; it is gone a moment later. Who tidies up on the server's behalf (autovacuum) goes by itself, writes no data, and is nobody's to end.
 * @returns which processes there were, and whose are not ours to end (a superuser's, or pg_signal_backend is missing).
 */
export async function endSessions(client: pg.Client, oids: readonly string[]): Promise<{ pids: number[]; mayNot: string[] }> {
  const { rows } = await client.query<{ pid: number; who: string }>(
    `SELECT pid, COALESCE(usename, backend_type, 'somebody') AS who FROM pg_catalog.pg_stat_activity WHERE datid = ANY ($1::oid[]) AND pid <> pg_catalog.pg_backend_pid() AND backend_type IS DISTINCT FROM 'autovacuum worker'`,
    [oids],
  );
  const mayNot = new Set<string>();
  for (const { pid, who } of rows) {
    try {
      await client.query('SELECT pg_catalog.pg_terminate_backend($1)', [pid]);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== '42501') throw error;
      mayNot.add(who);
    }
  }
  return { pids: rows.map(({ pid }) => pid), mayNot: [...mayNot] };
}
