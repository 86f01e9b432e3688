import type { Postgres } from '../../../harness/postgres.ts';

/** Everything that is not a plain table of numbers, in one database, with the roles that own it. */
export const oddDatabase = `
  CREATE ROLE "app Ünit" LOGIN PASSWORD 'a-password' CONNECTION LIMIT 7;
  CREATE ROLE readers NOLOGIN;
  GRANT readers TO "app Ünit" WITH ADMIN OPTION;
  ALTER ROLE "app Ünit" SET statement_timeout = '7min';
  CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION pg_trgm;
  CREATE SCHEMA "odd ""x" AUTHORIZATION "app Ünit";
  CREATE TYPE mood AS ENUM ('sad', 'it''s fine', 'happy');
  CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE FUNCTION plus_one(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + 1';
  CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
--
-- Name: not a heading of an archive
--
  NEW.changed := now();
  RETURN NEW;
END $$;
  CREATE TABLE "odd ""x"."Tä b; DROP TABLE x" (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "c ol""umn" text COLLATE "C" NOT NULL, twice int GENERATED ALWAYS AS (id * 2) STORED, feeling mood, h hstore, ci citext, f float8, r real, b bytea, n numeric(30, 9),
    at timestamptz, d date, iv interval, money money, ar int[], texts text[][], j json, jb jsonb, u uuid, ip inet, bits bit varying, p point, p2 pair, dom positive, x xml, rng int4range, tsv tsvector, cls regclass, nothing text, changed timestamptz
  );
  INSERT INTO "odd ""x"."Tä b; DROP TABLE x" ("c ol""umn", feeling, h, ci, f, r, b, n, at, d, iv, money, ar, texts, j, jb, u, ip, bits, p, p2, dom, x, rng, tsv, cls)
    SELECT E'tab\\t line\\n return\\r back\\\\slash \\\\. ünïcödé ' || chr(128512) || i, (ARRAY['sad', 'it''s fine', 'happy'])[1 + i % 3]::mood, hstore('k' || i, NULL), 'CaSe', random() * 10 ^ (i % 300 - 150), 0.1, decode(repeat('000aff5c', i % 9), 'hex'), i * 1.000000001,
      '2001-02-03 04:05:06.789012+00'::timestamptz + i * interval '1 h', '4713-01-01 BC'::date + i, make_interval(months => i, secs => i * 1.5), 1234.56, ARRAY[i, NULL, -i], '{{a,"b,c"},{"d\\"e",NULL}}', '{"b": 1,  "a" : [1,2 ]}', '{"b":1,"a":[1,2]}',
      md5(i::text)::uuid, '10.0.0.0/8', B'1010', point(i, 0.1), (i, 'x,)"')::pair, i, '<a>ü</a>', int4range(i, i + 5), to_tsvector('english', 'The quick fox'), 'pg_class'::regclass
    FROM generate_series(1, 997) AS i;
  INSERT INTO "odd ""x"."Tä b; DROP TABLE x" ("c ol""umn", f, at, d, n) VALUES ('', 'NaN', 'infinity', '-infinity', 'NaN'), ('\\N', '-0', NULL, NULL, NULL), (repeat('x', 100), 'Infinity', NULL, NULL, NULL);
  CREATE TABLE parts (id int, region text, amount numeric NOT NULL DEFAULT 0, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu', 'uk') PARTITION BY RANGE (id);
  CREATE TABLE parts_eu_low PARTITION OF parts_eu FOR VALUES FROM (MINVALUE) TO (500);
  CREATE TABLE parts_eu_rest PARTITION OF parts_eu DEFAULT;
  CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
  INSERT INTO parts SELECT i, (ARRAY['eu', 'us', 'uk', 'ap'])[1 + i % 4], i / 3.0 FROM generate_series(1, 1000) AS i;
  CREATE INDEX ON parts (amount);
  CREATE TABLE animals (name text PRIMARY KEY, legs int CHECK (legs = ANY (ARRAY[0, 2, 4])));
  CREATE TABLE cats (lives int DEFAULT 9) INHERITS (animals);
  INSERT INTO animals VALUES ('hen', 2); INSERT INTO cats VALUES ('tom', 4, 7), ('kit', 4, 9);
  CREATE TABLE nothing ();
  INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
  CREATE TABLE empty (id int PRIMARY KEY);
  CREATE UNLOGGED TABLE fleeting (id int); INSERT INTO fleeting VALUES (1);
  CREATE TABLE orders (id bigserial PRIMARY KEY, animal text REFERENCES animals (name), parent bigint REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED, changed timestamptz, status varchar(9) CHECK (status IN ('new', 'paid')), EXCLUDE USING btree (id WITH =));
  BEGIN; INSERT INTO orders (animal, parent, status) SELECT 'hen', NULLIF(i - 1, 0), 'new' FROM generate_series(1, 50) AS i; COMMIT;
  CREATE TABLE refs ("or;der" bigint CONSTRAINT "odd "" ; key" REFERENCES orders ON DELETE SET NULL, part int, region text, seen text, FOREIGN KEY (part, region) REFERENCES parts);
  INSERT INTO refs VALUES (1, 1, 'us', 'nobody'); ALTER TABLE refs ADD CONSTRAINT never_checked FOREIGN KEY (seen) REFERENCES animals (name) NOT VALID;
  CREATE TRIGGER note BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION note_change();
  CREATE RULE quiet AS ON DELETE TO orders DO INSTEAD NOTHING;
  CREATE VIEW paid AS SELECT id, plus_one(id::int) AS next FROM orders WHERE status = 'paid';
  CREATE MATERIALIZED VIEW totals AS SELECT region, sum(amount) AS total FROM parts GROUP BY region;
  CREATE MATERIALIZED VIEW grand AS SELECT sum(total) FROM totals;
  CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
  CREATE UNIQUE INDEX ON totals (region);
  CREATE INDEX ON "odd ""x"."Tä b; DROP TABLE x" USING gin ("c ol""umn" gin_trgm_ops);
  CREATE SEQUENCE "odd ""x"."se q" START 5 INCREMENT -3 MINVALUE -1000 MAXVALUE 1000; SELECT nextval('"odd ""x"."se q"'), nextval('"odd ""x"."se q"');
  CREATE SEQUENCE untouched START 42;
  CREATE TABLE secrets (id int, owner text); INSERT INTO secrets VALUES (1, 'a'), (2, 'b');
  ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
  CREATE POLICY own ON secrets USING (owner = current_user);
  GRANT SELECT ON secrets TO readers; GRANT USAGE ON SCHEMA "odd ""x" TO readers;
  ALTER TABLE orders OWNER TO "app Ünit";
  ALTER DEFAULT PRIVILEGES FOR ROLE "app Ünit" GRANT SELECT ON TABLES TO readers;
  COMMENT ON TABLE orders IS E'what people\\n--\\n-- Name: ordered; ''quoted''';
  CREATE STATISTICS about_parts ON id, region FROM parts_rest;
  CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert');
  SELECT lo_from_bytea(54321, decode(repeat('00ff0a5c', 3000), 'hex')), lo_create(54322), lo_from_bytea(54323, 'short');
  SELECT lo_put(54323, 1000000, 'behind a hole');
  ALTER LARGE OBJECT 54321 OWNER TO "app Ünit"; GRANT SELECT ON LARGE OBJECT 54323 TO readers; COMMENT ON LARGE OBJECT 54322 IS 'an empty one';
  COMMENT ON DATABASE ledger IS 'the books';
  ALTER DATABASE ledger SET search_path = "odd ""x", public;
  ALTER ROLE "app Ünit" IN DATABASE ledger SET work_mem = '5MB';
  GRANT CONNECT ON DATABASE ledger TO readers;
`;

/** What a person would look at: the same of a source and of what was restored from it. */
export async function lookAt({ query }: Postgres, database: string): Promise<Record<string, unknown>> {
  const one = async (sql: string): Promise<unknown> => await query(sql, [], database);
  return {
    rows: await one(`SELECT count(*) AS rows, md5(string_agg(t::text, ',' ORDER BY id)) AS sum FROM "odd ""x"."Tä b; DROP TABLE x" AS t`),
    parts: await one(`SELECT tableoid::regclass::text AS "table", count(*) AS rows, sum(amount) AS amount FROM public.parts GROUP BY 1 ORDER BY 1`),
    animals: await one('SELECT tableoid::regclass::text, name, legs FROM public.animals ORDER BY name'),
    others: await one(`SELECT (SELECT count(*) FROM public.nothing) AS nothing, (SELECT count(*) FROM public.fleeting) AS fleeting, (SELECT count(*) FROM public.empty) AS empty, (SELECT count(*) FROM public.secrets) AS secrets`),
    orders: await one('SELECT md5(string_agg(o::text, $$,$$ ORDER BY id)) AS sum FROM public.orders AS o'),
    views: await one('SELECT (SELECT json_agg(t ORDER BY region) FROM public.totals AS t) AS totals, (SELECT sum FROM public.grand) AS grand'),
    largeObjects: await one(`SELECT oid, pg_get_userbyid(lomowner) AS owner, lomacl::text, obj_description(oid, 'pg_largeobject') AS comment, md5(lo_get(oid)) AS content FROM pg_largeobject_metadata ORDER BY oid`),
    sequences: await one(`SELECT schemaname, sequencename, last_value, increment_by FROM pg_sequences ORDER BY 1, 2`),
    constraints: await one(`SELECT conrelid::regclass::text, conname, contype, convalidated FROM pg_constraint WHERE connamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'holdfast_restore') ORDER BY 1, 2`),
    indexes: await one(`SELECT schemaname, indexname, regexp_replace(indexdef, ' WHERE .*', '') AS def FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'holdfast_restore') ORDER BY 1, 2`),
    tablespaces: await one(`SELECT c.relname::text, t.spcname::text FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.relname LIKE 'far%' ORDER BY 1`),
    policies: await one('SELECT tablename, policyname, qual FROM pg_policies'),
    acls: await one(`SELECT relname, relacl::text, pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relnamespace IN ('public'::regnamespace, '"odd ""x"'::regnamespace) ORDER BY relnamespace::regnamespace::text, relname`),
    database: await one(`SELECT pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, shobj_description(oid, 'pg_database') AS comment, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) AS a) AS datacl FROM pg_database WHERE datname = current_database()`),
    settings: await one(`SELECT r.rolname, s.setconfig FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1`),
    roles: await one(`SELECT rolname, rolcanlogin, rolconnlimit, rolpassword FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY 1`),
    memberships: await one(`SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members WHERE member::regrole::text !~ '^pg_' ORDER BY 1, 2`),
  };
}
