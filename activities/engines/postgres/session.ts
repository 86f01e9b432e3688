/**
 * What a row, a default or a type looks like as text depends on these; they are set in every session, so that the same row is the same text on any server,
 * and what one server wrote another reads as it was meant. A setting that a version does not have is passed over.
 */
const settings: Record<string, string> = {
  search_path: '',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  lc_numeric: 'C',
  xmloption: 'content',
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  check_function_bodies: 'off',
  // A row that a policy hides is an error, never a row that is left out.
  row_security: 'off',
  synchronize_seqscans: 'off',
  jit: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  default_transaction_read_only: 'off',
  default_transaction_isolation: 'read committed',
  // A session of a machine that is gone is found out, and what it held is let go.
  tcp_keepalives_idle: '20',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '4',
};

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The same as a script for psql says it: of what any server since 14 has. */
export const sessionAsScript = Object.entries({ client_encoding: 'UTF8', ...settings })
  .filter(([name]) => !/^(tcp_|transaction_timeout|default_transaction|jit|synchronize_seqscans)/.test(name))
  .map(([name, value]) => `SET ${name} = ${literal(value)};`).join('\n');

export const canonicalSession = `SELECT pg_catalog.set_config(s.name, s.value, false) FROM (VALUES ${Object.entries(settings).map(([name, value]) => `(${literal(name)}, ${literal(value)})`).join(', ')}) AS s (name, value) WHERE EXISTS (SELECT FROM pg_catalog.pg_settings AS p WHERE p.name = s.name)`;
