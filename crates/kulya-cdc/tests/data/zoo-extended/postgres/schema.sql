-- Schema of the second zoo of PostgreSQL: limits of the types, names, keys, replica identities, partitions.
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS ltree;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE SCHEMA zoo;
CREATE SCHEMA hidden;
CREATE TABLE zoo.marker (id int PRIMARY KEY); -- parts of the changes end with a row of it

-- types
CREATE TYPE zoo."odd enum" AS ENUM ('', 'with space', 'with,comma', 'with''quote', 'with"double', 'back\slash', 'ünï', '{brace}', 'NULL');
CREATE TYPE zoo.size AS ENUM ('small', 'large');
CREATE DOMAIN zoo.short AS varchar(5) DEFAULT 'dom';
CREATE DOMAIN zoo.shorter AS zoo.short CHECK (length(VALUE) < 4);
CREATE DOMAIN zoo.sizes AS zoo.size[];
CREATE DOMAIN zoo.ints AS int[];
CREATE DOMAIN zoo.moment AS timestamptz(3);
CREATE TABLE zoo.decimals (id int PRIMARY KEY, n numeric, n1 numeric(1,0), n10 numeric(10,10), wide numeric(100,50), tiny numeric(2,5), n19 numeric(19,4), m money);
CREATE TABLE zoo.floats (id int PRIMARY KEY, f4 real, f8 double precision, fp float(10));
CREATE TABLE zoo.strings (id int PRIMARY KEY, c1 char, c10 char(10), bare bpchar, vc varchar, ic "char", t text, ct citext, e zoo."odd enum", d zoo.short, dd zoo.shorter, cl text COLLATE "C");
CREATE TABLE zoo.moments (id int PRIMARY KEY, d date, t time, t0 time(0), t6 time(6), tz timetz, tz0 timetz(0), ts timestamp, ts1 timestamp(1), ts3 timestamp(3), ts6 timestamp(6), tstz timestamptz, tstz0 timestamptz(0), tstz6 timestamptz(6), dm zoo.moment);
CREATE TABLE zoo.intervals (id int PRIMARY KEY, iv interval, iy interval year to month, im interval minute, i0 interval(0), i3 interval second(3));
CREATE TABLE zoo.bits (id int PRIMARY KEY, b1 bit, b8 bit(8), b9 bit(9), b33 bit(33), vb varbit, vb1 varbit(1), by bytea);
CREATE TABLE zoo.documents (id int PRIMARY KEY, j json, jb jsonb, x xml, h hstore, l ltree, lq lquery, tv tsvector, tq tsquery, jp jsonpath);
CREATE TABLE zoo.networks (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8);
CREATE TABLE zoo.internals (id int PRIMARY KEY, o oid, x xid, x8 xid8, ci cid, ti tid, rc regclass, rt regtype, rp regproc, lsn pg_lsn, iv int2vector, ov oidvector, sn pg_snapshot, nm name);
CREATE TABLE zoo.ranges (id int PRIMARY KEY, i4 int4range, i8 int8range, n numrange, ts tsrange, tz tstzrange, d dateRange, mi8 int8multirange, md datemultirange);
CREATE TABLE zoo.points (id int PRIMARY KEY, p point, ls lseg, pa path, b box, c circle);
CREATE TABLE zoo.array_numbers (id int PRIMARY KEY, i2 smallint[], i4 int[], i8 bigint[], f4 real[], f8 double precision[], n numeric[], n2 numeric(8,3)[], m money[], b boolean[], o oid[], bt bit(4)[], vb varbit[], dom zoo.ints);
CREATE TABLE zoo.array_texts (id int PRIMARY KEY, c char(3)[], vc varchar(9)[], t text[], ci citext[], u uuid[], j json[], jb jsonb[], x xml[], h hstore[], l ltree[], e zoo."odd enum"[], ed zoo.sizes, nm name[], ic "char"[], i inet[], cd cidr[], ma macaddr[]);
CREATE TABLE zoo.array_moments (id int PRIMARY KEY, d date[], t time[], t3 time(3)[], tz timetz[], ts timestamp[], ts3 timestamp(3)[], tstz timestamptz[], iv interval[]);
CREATE TABLE zoo.array_ranges (id int PRIMARY KEY, i4 int4range[], n numrange[], d daterange[], ts tsrange[]);

-- names
CREATE TABLE zoo."quo""te" (id int PRIMARY KEY, "col""quote" text, "sp ace" int, "dot.ted" int, "back\slash" int, "dash-ed" int, "$dollar" int, "ünï 表😀" text);
CREATE TABLE zoo."dotted.table" (id int PRIMARY KEY, v int);
CREATE TABLE zoo."select" ("from" int PRIMARY KEY, "where" text, "ORDER" int);
CREATE TABLE zoo."表 ünï" ("主键" int PRIMARY KEY, "値" text);
CREATE TABLE zoo."1starts" (id int PRIMARY KEY, "2col" int);
CREATE TABLE zoo."a b" (id int PRIMARY KEY);
CREATE TABLE zoo."a-b" (id int PRIMARY KEY);
CREATE TABLE zoo."a_b" (id int PRIMARY KEY);
CREATE TABLE zoo.name_of_sixty_three_characters_which_is_the_limit_of_postgresql (column_name_of_sixty_three_characters_the_limit_in_postgresql_t int PRIMARY KEY, v int);
CREATE TABLE zoo.envelope (op int PRIMARY KEY, before text, after text, source text, transaction text, ts_ms bigint, schema text, payload text, "__deleted" text, id int);

-- keys
CREATE TABLE zoo.key_order (a int, b text, c date, d numeric(6,2), v text, PRIMARY KEY (d, b, a));
CREATE TABLE zoo.key_types (u uuid, ts timestamptz, by bytea, bo boolean, e zoo.size, n numeric, t time, PRIMARY KEY (u, ts, by, bo, e, n, t));
CREATE TABLE zoo.key_array (k int[] PRIMARY KEY, v int);
CREATE TABLE zoo.key_deferred (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
ALTER TABLE zoo.key_deferred REPLICA IDENTITY FULL;
CREATE TABLE zoo.unique_only (code text NOT NULL UNIQUE, v int);
CREATE TABLE zoo.unique_two (a int NOT NULL, b int NOT NULL, v int);
CREATE UNIQUE INDEX unique_two_ba ON zoo.unique_two (b, a);
ALTER TABLE zoo.unique_two REPLICA IDENTITY USING INDEX unique_two_ba;
CREATE TABLE zoo.unique_nullable (code text UNIQUE, v int);
CREATE TABLE zoo.unique_expression (id int NOT NULL, code text NOT NULL);
CREATE UNIQUE INDEX unique_expression_lower ON zoo.unique_expression (lower(code));
CREATE UNIQUE INDEX unique_expression_part ON zoo.unique_expression (id) WHERE id > 5;
CREATE TABLE zoo.key_include (id int, v int, w text, PRIMARY KEY (id) INCLUDE (v));

-- replica identities
CREATE TABLE zoo.identity_full (id int PRIMARY KEY, v text, big text);
ALTER TABLE zoo.identity_full SET (toast_tuple_target = 128), REPLICA IDENTITY FULL, ALTER big SET STORAGE EXTERNAL;
CREATE TABLE zoo.identity_nothing (id int PRIMARY KEY, v text);
ALTER TABLE zoo.identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE zoo.identity_index (id int PRIMARY KEY, a int NOT NULL, b text NOT NULL, v text);
CREATE UNIQUE INDEX identity_index_ba ON zoo.identity_index (b, a);
ALTER TABLE zoo.identity_index REPLICA IDENTITY USING INDEX identity_index_ba;
CREATE TABLE zoo.identity_changes (id int PRIMARY KEY, v text);

-- generated values and defaults
CREATE TABLE zoo.generated (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, label text GENERATED ALWAYS AS ('#' || a) STORED, z int);
CREATE TABLE zoo.defaults (id serial PRIMARY KEY, b boolean DEFAULT true, bf boolean NOT NULL DEFAULT false, i2 smallint DEFAULT -1, i8 bigint NOT NULL DEFAULT 9223372036854775807, n numeric(6,2) NOT NULL DEFAULT 12.50, nn numeric NOT NULL DEFAULT 0.5, f real DEFAULT 1.5, f8 double precision NOT NULL DEFAULT -1e10, t text NOT NULL DEFAULT 'it''s "x"', vc varchar(9) DEFAULT 'a'::varchar, c char(3) NOT NULL DEFAULT 'c', e zoo.size NOT NULL DEFAULT 'large', d date NOT NULL DEFAULT '2024-02-29', tm time NOT NULL DEFAULT '12:34:56.789', ts timestamp NOT NULL DEFAULT '2024-02-29 12:34:56', tz timestamptz NOT NULL DEFAULT '2024-02-29 12:34:56Z', iv interval NOT NULL DEFAULT '1 day', j jsonb NOT NULL DEFAULT '{"a": 1}', by bytea NOT NULL DEFAULT '\x0102', bi bit(3) NOT NULL DEFAULT B'101', ia int[] NOT NULL DEFAULT '{1,2}', u uuid NOT NULL DEFAULT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', m money NOT NULL DEFAULT 1.25, ex int NOT NULL DEFAULT 1 + 1, nul int DEFAULT NULL, em text NOT NULL DEFAULT '', dm zoo.short NOT NULL);
CREATE TABLE zoo.default_nulls (id int PRIMARY KEY, i int DEFAULT 5, t text DEFAULT 'd', b boolean DEFAULT true, n numeric(4,1) DEFAULT 1.5, ts timestamp DEFAULT '2024-02-29 12:34:56');

-- unchanged TOAST of each type
CREATE TABLE zoo.toast (id int PRIMARY KEY, v int, t text, vc varchar, by bytea, j json, jb jsonb, x xml, h hstore, n numeric, ia int[], ba bigint[], ta text[], na numeric[], da date[], tza timestamptz[], ua uuid[], bta bytea[], fa double precision[], ct citext, vb varbit) WITH (toast_tuple_target = 128);
ALTER TABLE zoo.toast ALTER t SET STORAGE EXTERNAL, ALTER vc SET STORAGE EXTERNAL, ALTER by SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL, ALTER jb SET STORAGE EXTERNAL, ALTER x SET STORAGE EXTERNAL, ALTER h SET STORAGE EXTERNAL, ALTER n SET STORAGE EXTERNAL, ALTER ia SET STORAGE EXTERNAL, ALTER ba SET STORAGE EXTERNAL, ALTER ta SET STORAGE EXTERNAL, ALTER na SET STORAGE EXTERNAL, ALTER da SET STORAGE EXTERNAL, ALTER tza SET STORAGE EXTERNAL, ALTER ua SET STORAGE EXTERNAL, ALTER bta SET STORAGE EXTERNAL, ALTER fa SET STORAGE EXTERNAL, ALTER ct SET STORAGE EXTERNAL, ALTER vb SET STORAGE EXTERNAL;
CREATE TABLE zoo.toast_key (k text PRIMARY KEY, v int);
ALTER TABLE zoo.toast_key ALTER k SET STORAGE EXTERNAL;

-- related tables, triggers, inheritance, partitions
CREATE TABLE zoo.parent (id int PRIMARY KEY, v text);
CREATE TABLE zoo.child (id int PRIMARY KEY, parent int REFERENCES zoo.parent ON DELETE CASCADE ON UPDATE CASCADE, v text);
CREATE TABLE zoo.child_null (id int PRIMARY KEY, parent int REFERENCES zoo.parent ON DELETE SET NULL ON UPDATE SET NULL);
CREATE TABLE zoo.audit (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
CREATE FUNCTION zoo.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO zoo.audit (what) VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON zoo.parent FOR EACH ROW EXECUTE FUNCTION zoo.note();
CREATE TABLE zoo.base (id int PRIMARY KEY, v text);
CREATE TABLE zoo.derived (w text, PRIMARY KEY (id)) INHERITS (zoo.base);
CREATE TABLE zoo.by_list (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE zoo.by_list_eu PARTITION OF zoo.by_list FOR VALUES IN ('eu', 'uk');
CREATE TABLE zoo.by_list_rest PARTITION OF zoo.by_list DEFAULT;
CREATE TABLE zoo.by_hash (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE zoo.by_hash_0 PARTITION OF zoo.by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE zoo.by_hash_1 PARTITION OF zoo.by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE zoo.nested (id int, y int, r text, v text, PRIMARY KEY (id, y, r)) PARTITION BY RANGE (y);
CREATE TABLE zoo.nested_2024 PARTITION OF zoo.nested FOR VALUES FROM (2024) TO (2025) PARTITION BY LIST (r);
CREATE TABLE zoo.nested_2024_a (v text, r text, id int NOT NULL, y int NOT NULL, PRIMARY KEY (id, y, r));
ALTER TABLE zoo.nested_2024 ATTACH PARTITION zoo.nested_2024_a FOR VALUES IN ('a');

-- tables whose definition changes
CREATE TABLE zoo.columns (id int PRIMARY KEY, a int, b varchar(5) NOT NULL DEFAULT 'b');
CREATE TABLE zoo.retyped (id int PRIMARY KEY, i int, t text, n numeric(5,2), ts timestamp(3), e zoo.size);
CREATE TABLE zoo.rekeyed (id int PRIMARY KEY, code text NOT NULL, v int);
CREATE TABLE zoo.renamed (id int PRIMARY KEY, v int);
CREATE TABLE zoo.dropped (id int PRIMARY KEY, v int);
CREATE TABLE zoo.accounts (id int PRIMARY KEY, balance numeric(10,2) NOT NULL, note text);
CREATE TABLE zoo.account_log (id int, account int, delta numeric(10,2), PRIMARY KEY (account, id));
CREATE TABLE hidden.accounts (id int PRIMARY KEY, v text);
CREATE UNLOGGED TABLE zoo.unlogged (id int PRIMARY KEY, v text);

-- rows of the snapshot
INSERT INTO zoo.decimals VALUES (1, 0, 9, 0.9999999999, 1, 0.00099, 123456789012345.6789, 92233720368547758.07);
INSERT INTO zoo.floats VALUES (1, 1.17549435e-38, 2.2250738585072014e-308, 1e10);
INSERT INTO zoo.strings VALUES (1, 'x', 'ten', 'bare  ', 'vc', 'q', E'tab\tnew\nline\u0001\u2028', 'Ci', 'with,comma', 'short', 'abc', 'c');
INSERT INTO zoo.moments VALUES (1, '0001-01-01', '00:00', '23:59:59', '23:59:59.999999', '00:00:00+14', '12:00:00-03:30', '0001-01-01 00:00:00', '2024-02-29 12:34:56.7', '1582-10-04 00:00:00', '1970-01-01 00:00:00.000001', '0001-01-01 00:00:00Z', '2024-02-29 12:34:56Z', '2024-02-29 12:34:56.000001Z', '2024-02-29 12:34:56.789Z');
INSERT INTO zoo.intervals VALUES (1, '1 year -2 mons 3 days -04:05:06.789', '3-4', '90 min', '1.6 sec', '12.3456 sec');
INSERT INTO zoo.bits VALUES (1, B'1', B'10000001', B'100000001', B'100000000000000000000000000000001', B'1', B'', '\xdeadbeef');
INSERT INTO zoo.ranges VALUES (1, 'empty', '(,5]', '(1.5,]', '[2024-01-01 00:00,)', '(,2024-01-01 00:00Z)', '[2024-01-01,2024-01-05]', '{}', '{[2024-01-01,2024-01-03),[2024-02-01,)}');
INSERT INTO zoo.array_numbers VALUES (1, '{1,-2}', '{{1,2},{3,4}}', '{9223372036854775807}', '{1.5,NaN,Infinity}', '{NaN,-Infinity,0.1}', '{1,2.50,NULL}', '{1.5,2.125}', '{1.25,-3}', '{t,NULL}', '{1,4294967295}', '{1010,0001}', '{1,101}', '{7,8}');
INSERT INTO zoo.array_texts VALUES (1, '{a,bcd}', '{x,"y z"}', '{"NULL",NULL,"{}"}', '{Ci}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}', array['{"a": 1}'::json, NULL], array['[1]'::jsonb], array['<a/>'::xml], array['a=>1'::hstore], '{A.B}', '{"","with,comma",NULL,"NULL","with\"double"}', '{small,large}', '{nm}', '{a}', '{10.0.0.1/8}', '{10.0.0.0/8}', '{08:00:2b:01:02:03}');
INSERT INTO zoo.array_moments VALUES (1, '{2024-02-29,NULL,infinity}', '{12:34:56.789012}', '{12:34:56.789}', '{12:34:56+02}', '{2024-02-29 12:34:56.789012}', '{2024-02-29 12:34:56.789}', '{2024-02-29 12:34:56.789012+02,NULL}', '{1 day,2 mons}');
INSERT INTO zoo."quo""te" VALUES (1, 'q', 1, 2, 3, 4, 5, '表');
INSERT INTO zoo.envelope VALUES (1, 'b', 'a', 's', 't', 42, 'sc', 'p', 'd', 2);
INSERT INTO zoo.key_order VALUES (1, 'b', '2024-02-29', 1.50, 'v');
INSERT INTO zoo.identity_full SELECT 1, 'v', string_agg(md5(i::text), '') FROM generate_series(1, 80) i;
INSERT INTO zoo.generated (a, z) VALUES (1, 10);
INSERT INTO zoo.defaults DEFAULT VALUES;
INSERT INTO zoo.default_nulls VALUES (1, NULL, NULL, NULL, NULL, NULL);
INSERT INTO zoo.default_nulls (id) VALUES (2);
INSERT INTO zoo.toast SELECT 1, 1, s, s, convert_to(s, 'UTF8'), to_json(s), to_jsonb(s), ('<a>' || s || '</a>')::xml, hstore('k', s), repeat('1234567890', 70)::numeric, (SELECT array_agg(i) FROM generate_series(1, 60) i), (SELECT array_agg(i) FROM generate_series(1, 30) i), array[s, s], array[repeat('1234567890', 60)::numeric], (SELECT array_agg('2024-01-01'::date + i) FROM generate_series(1, 60) i), (SELECT array_agg('2024-01-01 00:00Z'::timestamptz) FROM generate_series(1, 20) i), (SELECT array_agg(md5(i::text)::uuid) FROM generate_series(1, 10) i), array[convert_to(s, 'UTF8')], (SELECT array_agg(i::float8) FROM generate_series(1, 30) i), s, repeat('10', 1200)::varbit FROM (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 6) i) AS t(s);
INSERT INTO zoo.base VALUES (1, 'base');
INSERT INTO zoo.derived VALUES (2, 'derived', 'w');
INSERT INTO zoo.by_list VALUES ('eu', 1, 'snapshot'), ('us', 2, 'snapshot');
INSERT INTO zoo.columns VALUES (1, 1, 'one');
INSERT INTO zoo.retyped VALUES (1, 1, '1', 1.25, '2024-02-29 12:34:56.789', 'small');
INSERT INTO zoo.rekeyed VALUES (1, 'A', 1);
INSERT INTO zoo.accounts VALUES (1, 100, 'one'), (2, 200, 'two'), (3, 300, NULL);
INSERT INTO hidden.accounts VALUES (1, 'hidden');
INSERT INTO zoo.unlogged VALUES (1, 'unlogged');
