import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocksOf } from '../../../../activities/engines/postgres/archive-entries.ts';

const entry = (id: number) => ({ line: `${id}; 0 0 x`, id: String(id), oid: '0', name: 'x' });
const heading = (id: number): string => `--\n-- TOC entry ${id} (class 1259 OID 16384)\n-- Dependencies: 7 8\n-- Name: x${id}; Type: TABLE; Schema: public; Owner: app\n-- Data Pos: 0\n--\n`;

test('what a text of the database says is never taken for an entry of its own, or for a setting', () => {
  const body = `\nSET default_tablespace = '';\n\n${heading(1)}\nCREATE FUNCTION a() AS $$\nSET default_tablespace = mine; DROP TABLE x;\n$$;\n\n\nSET default_tablespace = "odd ""x";\n\n${heading(2)}\nCREATE TABLE b ();\n`;
  const blocks = blocksOf(body, [entry(1), entry(2)])!;
  assert.deepEqual([...blocks].map(([id, { settings }]) => [id, settings]), [['1', [`SET default_tablespace = '';`]], ['2', ['SET default_tablespace = "odd ""x";']]]);
  assert.match(blocks.get('1')!.sql, /^\nCREATE FUNCTION[^]*\$\$;\n/);
  // Then the program itself is asked for each piece.
  for (const forged of [2, 3]) assert.equal(blocksOf(body.replace('DROP TABLE x;', `\n${heading(forged)}`), [entry(1), entry(2)]), undefined);
  assert.equal(blocksOf(body, [entry(1), entry(2), entry(3)]), undefined);
});
