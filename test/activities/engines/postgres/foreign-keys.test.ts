import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foreignKeyOf } from '../../../../activities/engines/postgres/foreign-keys.ts';

const entry = { line: '', id: '1', oid: '0', name: 'FK CONSTRAINT public a a_b_fkey app' };
const key = (sql: string): unknown[] | undefined => {
  const found = foreignKeyOf(entry, sql);
  return found && [found.table, found.name, found.refersTo, found.unchecked.trim()];
};

test('a foreign key between plain tables is made unchecked; one that is written in another way is made as it is written', () => {
  const plain = 'ALTER TABLE ONLY public.a\n    ADD CONSTRAINT a_b_fkey FOREIGN KEY (b) REFERENCES public.b(id)';
  assert.deepEqual(key(`\n${plain};\n\n\n`), ['public.a', 'a_b_fkey', 'public.b', `${plain} NOT VALID;`]);
  assert.deepEqual(key(`\n${plain} ON DELETE SET NULL (b) DEFERRABLE INITIALLY DEFERRED;\n\n\nSET default_tablespace = "odd ; x";\n\n`)?.[3], `${plain} ON DELETE SET NULL (b) DEFERRABLE INITIALLY DEFERRED NOT VALID;`);
  const odd = 'ALTER TABLE ONLY "odd ""x"."Tä b; DROP TABLE x"\n    ADD CONSTRAINT "k ; ADD CONSTRAINT y FOREIGN KEY (a)" FOREIGN KEY ("c ol""umn", "(") REFERENCES "odd ""x"."; REFERENCES z.z("(a, "b)") MATCH FULL';
  assert.deepEqual(key(`${odd};\n`), ['"odd ""x"."Tä b; DROP TABLE x"', '"k ; ADD CONSTRAINT y FOREIGN KEY (a)"', '"odd ""x"."; REFERENCES z.z("', `${odd} NOT VALID;`]);
  for (const other of [`${plain} NOT VALID;`, `${plain.replace('ONLY ', '')};`, `${plain};\nDROP TABLE x;`, `SELECT 1; ${plain};`]) assert.equal(key(other), undefined, other);
});
