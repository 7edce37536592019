-- Changes while streaming; autocommit unless BEGIN. A part ends with a row of the table marker.

-- limits of the types
INSERT INTO zoo.decimals VALUES (2, 1e100, -9, -0.9999999999, ('-' || repeat('9', 50) || '.' || repeat('9', 50))::numeric, -0.00001, -123456789012345.6789, -92233720368547758.08);
INSERT INTO zoo.decimals VALUES (3, 1e-100, 0, 0, 0, 0, 0, 0), (4, 123000, NULL, NULL, 1000, 0.00009, 0.0001, NULL);
INSERT INTO zoo.decimals (id, n) VALUES (5, 0.000), (6, -0.0), (7, 1000000), (8, 1.000), (9, 255), (10, 256), (11, -128), (12, -129);
INSERT INTO zoo.decimals (id, n) VALUES (13, 'Infinity'), (14, '-Infinity'), (15, 'NaN');
INSERT INTO zoo.floats VALUES (2, 1.4e-45, 5e-324, 0), (3, -1.4e-45, -1.7976931348623157e308, 3.14), (4, 16777216, 9007199254740993, 1e-5), (5, 1e7, 1e7, 123456), (6, 1e-3, 1e-3, 1e6), (7, 0.3, 0.30000000000000004, -0.0), (8, 9999999, 123456789012345680, 1), (9, 'NaN', '-Infinity', 'Infinity');
INSERT INTO zoo.strings VALUES (2, '', '', '', '', '', '', '', '', '', '', '');
INSERT INTO zoo.strings VALUES (3, '表', '😀', '  ', 'null', 'z', E'\x7f\u0085\u200b\ufeff\uffff</script>&\\/"''', 'É', 'with''quote', 'ünï', 'é', 'ß'), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'NULL', NULL, NULL, NULL);
INSERT INTO zoo.strings (id, e) VALUES (5, 'back\slash'), (6, '{brace}'), (7, 'ünï'), (8, 'with"double'), (9, 'with space');
INSERT INTO zoo.moments VALUES (2, '5874897-12-31', '24:00', '24:00:00', '00:00:00.000001', '24:00:00-15:59', '00:00:00+15:59', '9999-12-31 23:59:59.999999', '1969-12-31 23:59:59.9', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999Z', '1969-12-31 23:59:59Z', '1582-10-15 00:00:00Z', '1900-01-01 00:00:00Z');
INSERT INTO zoo.moments VALUES (3, '-infinity', '12:00', '12:00', '12:00', '12:00Z', '12:00+01:30', '-infinity', 'infinity', '-infinity', '-infinity', '-infinity', 'infinity', '-infinity', 'infinity');
INSERT INTO zoo.moments (id, d, ts, tstz) VALUES (4, '0044-03-15 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00Z BC'), (5, '4713-01-01 BC', '4713-01-01 00:00:00 BC', '4713-01-01 00:00:00Z BC'), (6, '10000-01-01', '10000-01-01 00:00:00', '10000-01-01 00:00:00Z'), (7, '1500-02-28', '1500-02-28 00:00:00', '1883-11-18 12:00:00 America/New_York');
INSERT INTO zoo.moments (id, d, ts, ts3, tstz) VALUES (8, '4714-11-24 BC', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999', '294276-12-31 23:59:59.999999Z');
INSERT INTO zoo.intervals VALUES (2, '-178000000 years', '-3-4', '-1 min', '-0.4 sec', '-12.3456 sec'), (3, '2147483647 days', '0', '0', '0', '0'), (4, '1 mon', '1 year', '1 hour', '59.5 sec', '0.001'), (5, '1 day 24:00:00', NULL, NULL, NULL, NULL), (6, '-1 mons +1 day -00:00:01', NULL, NULL, NULL, NULL), (7, '100000:00:00', NULL, NULL, NULL, NULL);
INSERT INTO zoo.bits VALUES (2, B'0', B'00000000', B'000000001', repeat('0', 33)::bit(33), repeat('1', 70)::varbit, B'1', ''), (3, NULL, B'11111111', B'111111111', repeat('1', 33)::bit(33), B'00000000', B'0', '\x00'), (4, NULL, NULL, NULL, NULL, B'0000000100000000', NULL, convert_to('+/=-_~', 'UTF8')), (5, NULL, NULL, NULL, NULL, NULL, NULL, '\xfbff'), (6, NULL, NULL, NULL, NULL, NULL, NULL, '\x000102030405060708090a0b0c0d0e0f');
INSERT INTO zoo.documents VALUES (1, '  {"a" : 1e400, "a":0.10000000000000000000001, "z":-0, "u":"\u00e9\ud83d\ude00", "n":null }  ', '{"a": 1e3, "z": -0, "u": "\u00e9", "big": 12345678901234567890.123, "nested": [[], {}, [null, true]]}', '<?xml version="1.0"?><a b="c">&amp;é</a>', '"k e y"=>"v,a\"l", nul=>NULL, empty=>""', 'Top.A_1.b2', '*.A.*{1,2}', 'fat:1A cat:2,3B ''it''''s''', 'fat & (cat | !dog:AB)', '$.a[*] ? (@ > 1)');
INSERT INTO zoo.documents VALUES (2, '"s"', '"s"', 'text', '', '', '*', '', '', '$'), (3, '1', 'true', NULL, NULL, NULL, NULL, NULL, NULL, NULL), (4, '[]', '{}', '', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO zoo.networks VALUES (1, '2001:db8::1/64', '2001:db8::/32', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff'), (2, '0.0.0.0', '10.0.0.0/8', '00:00:00:00:00:00', '08:00:2b:01:02:03'), (3, '::ffff:1.2.3.4', '1.2.3.4/32', NULL, NULL), (4, '10.1.2.3/32', '0.0.0.0/0', NULL, NULL);
INSERT INTO zoo.internals VALUES (1, 0, '7', '18446744073709551615', '3', '(1,2)', 'pg_class', 'int4', 'pg_client_encoding', '16/B374D848', '1 2', '3 4', '10:20:10,14', 'a name');
INSERT INTO zoo.ranges VALUES (2, '[1,10]', '[-9223372036854775808,9223372036854775807)', '[1.10,2.200)', '[infinity,infinity]', '[2024-02-29 12:34:56.789+02,infinity)', '(,)', '{[1,2],[5,9223372036854775806]}', '{}'), (3, '[5,5)', 'empty', 'empty', '[-infinity,2024-02-29 12:34:56.7]', 'empty', 'empty', '{(,)}', NULL);
INSERT INTO zoo.points VALUES (1, '(1e308,-1e-308)', '[(0,0),(1,1)]', '[(0,0),(1,1)]', '(1,1),(0,0)', '<(0,0),1>'), (2, '(NaN,Infinity)', NULL, '((0,0),(1,1))', NULL, NULL), (3, '(-0,0)', NULL, NULL, NULL, NULL);
INSERT INTO zoo.array_numbers VALUES (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (3, '{NULL}', '[0:1]={1,2}', '{NULL,1}', '{NULL}', '{1e300,5e-324}', '{1e30,-1e-5}', '{NULL}', '{NULL}', '{t,f}', '{0}', '{NULL}', '{NULL}', NULL);
INSERT INTO zoo.array_numbers (id, i4, i8, f8, n2, b) VALUES (4, '{{{1},{2}},{{3},{4}}}', '{{1,2}}', '{{1.5},{2.5}}', '{{1.5,2.5},{3.5,4.5}}', '{{t},{f}}');
INSERT INTO zoo.array_numbers (id, n, n2) VALUES (5, '{NaN}', '{NaN}');
INSERT INTO zoo.array_texts VALUES (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (3, '{NULL}', '{NULL}', '{"a\\b","q\"u","c,d"," sp ",""}', '{NULL}', '{NULL}', '{NULL}', '{NULL,"{\"a\": \"b\"}"}', '{NULL}', '{NULL}', '{NULL}', '{"back\\slash",ünï,"{brace}","with''quote"}', NULL, NULL, NULL, '{NULL}', '{NULL}', '{NULL}');
INSERT INTO zoo.array_texts (id, t, vc) VALUES (4, '{{a,b},{c,d}}', '{{x}}');
INSERT INTO zoo.array_moments VALUES (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (3, '{-infinity,0001-01-01}', '{24:00,NULL}', '{00:00}', '{24:00-12,NULL}', '{infinity,-infinity,NULL}', '{1969-12-31 23:59:59.999}', '{infinity,-infinity}', '{NULL,-1 day}');
INSERT INTO zoo.array_ranges VALUES (1, '{"[1,5)",empty,NULL}', '{"[1.5,2)"}', '{"[2024-01-01,2024-01-05)"}', '{"[2024-01-01 00:00,2024-01-02 00:00)"}'), (2, '{}', NULL, '{NULL}', '{}');
INSERT INTO zoo.marker VALUES (1);

-- names
UPDATE zoo."quo""te" SET "sp ace" = 2, "ünï 表😀" = '😀' WHERE id = 1;
UPDATE zoo."quo""te" SET id = 2;
INSERT INTO zoo."dotted.table" VALUES (1, 1);
INSERT INTO zoo."select" VALUES (1, 'where', 2);
INSERT INTO zoo."表 ünï" VALUES (1, '値');
UPDATE zoo."表 ünï" SET "主键" = 2;
INSERT INTO zoo."1starts" VALUES (1, 2);
BEGIN; INSERT INTO zoo."a b" VALUES (1); INSERT INTO zoo."a-b" VALUES (2); INSERT INTO zoo."a_b" VALUES (3); COMMIT;
INSERT INTO zoo.name_of_sixty_three_characters_which_is_the_limit_of_postgresql VALUES (1, 1);
UPDATE zoo.envelope SET before = NULL, after = 'x', op = 7, ts_ms = 43;
DELETE FROM zoo.envelope;

-- keys
INSERT INTO zoo.key_order VALUES (2, 'x', NULL, -1.00, 'y');
UPDATE zoo.key_order SET v = 'w', c = NULL WHERE a = 1;
UPDATE zoo.key_order SET a = 3, b = 'z' WHERE a = 2;
DELETE FROM zoo.key_order WHERE a = 1;
INSERT INTO zoo.key_types VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29 12:34:56.789Z', '\x01ff', true, 'large', 1.50, '12:34:56');
UPDATE zoo.key_types SET e = 'small', n = 2.5;
DELETE FROM zoo.key_types;
INSERT INTO zoo.key_array VALUES ('{1,2}', 1);
DELETE FROM zoo.key_array;
INSERT INTO zoo.key_deferred VALUES (1, 'one'), (2, 'two');
UPDATE zoo.key_deferred SET id = 3 - id;
INSERT INTO zoo.unique_only VALUES ('A', 1), ('B', 2);
INSERT INTO zoo.unique_two VALUES (1, 2, 3);
UPDATE zoo.unique_two SET v = 4;
UPDATE zoo.unique_two SET b = 5;
DELETE FROM zoo.unique_two;
INSERT INTO zoo.unique_nullable VALUES ('A', 1), (NULL, 2);
INSERT INTO zoo.unique_expression VALUES (6, 'A');
INSERT INTO zoo.key_include VALUES (1, 2, 'w');
UPDATE zoo.key_include SET v = 3;
DELETE FROM zoo.key_include;
INSERT INTO zoo.marker VALUES (2);

-- replica identities
UPDATE zoo.identity_full SET v = 'w';
UPDATE zoo.identity_full SET id = 2;
UPDATE zoo.identity_full SET big = 'small';
DELETE FROM zoo.identity_full;
INSERT INTO zoo.identity_nothing VALUES (1, 'n');
INSERT INTO zoo.identity_index VALUES (1, 10, 'x', 'v'), (2, 20, 'y', NULL);
UPDATE zoo.identity_index SET v = 'w' WHERE id = 1;
UPDATE zoo.identity_index SET id = 3 WHERE id = 2;
UPDATE zoo.identity_index SET a = 11 WHERE id = 1;
DELETE FROM zoo.identity_index;
INSERT INTO zoo.identity_changes VALUES (1, 'a'), (2, 'b'), (3, 'c');
UPDATE zoo.identity_changes SET v = 'default' WHERE id = 1;
ALTER TABLE zoo.identity_changes REPLICA IDENTITY FULL;
UPDATE zoo.identity_changes SET v = 'full' WHERE id = 1;
DELETE FROM zoo.identity_changes WHERE id = 2;
INSERT INTO zoo.marker VALUES (3);
ALTER TABLE zoo.identity_changes REPLICA IDENTITY NOTHING;
INSERT INTO zoo.identity_changes VALUES (4, 'd');
INSERT INTO zoo.marker VALUES (4);
ALTER TABLE zoo.identity_changes REPLICA IDENTITY DEFAULT;
UPDATE zoo.identity_changes SET v = 'default again' WHERE id = 1;
DELETE FROM zoo.identity_changes;

-- generated values and defaults
INSERT INTO zoo.generated (a, z) VALUES (2, 20);
UPDATE zoo.generated SET a = 3 WHERE id = 1;
INSERT INTO zoo.generated (id, a, z) OVERRIDING USER VALUE VALUES (99, 4, 40);
DELETE FROM zoo.generated WHERE id = 2;
INSERT INTO zoo.defaults DEFAULT VALUES;
INSERT INTO zoo.default_nulls VALUES (3, NULL, NULL, NULL, NULL, NULL);
INSERT INTO zoo.default_nulls (id) VALUES (4);
UPDATE zoo.default_nulls SET i = NULL, t = NULL WHERE id = 2;

-- TOAST
UPDATE zoo.toast SET v = 2;
UPDATE zoo.toast SET t = 'short', ia = '{1}';
UPDATE zoo.toast SET t = repeat('ü', 1200);
UPDATE zoo.toast SET v = 3, id = 2;
DELETE FROM zoo.toast;
INSERT INTO zoo.toast_key SELECT string_agg(md5(i::text), '') || 'z', 1 FROM generate_series(1, 70) i;
UPDATE zoo.toast_key SET v = 2;
DELETE FROM zoo.toast_key;
INSERT INTO zoo.marker VALUES (5);

-- statements
INSERT INTO zoo.accounts VALUES (1, 1, 'conflict') ON CONFLICT (id) DO UPDATE SET balance = accounts.balance + excluded.balance;
INSERT INTO zoo.accounts VALUES (1, 1, 'conflict'), (4, 400, 'four') ON CONFLICT DO NOTHING;
MERGE INTO zoo.accounts a USING (VALUES (1, 5.00), (2, NULL), (5, 50.00)) AS s(id, delta) ON a.id = s.id WHEN MATCHED AND s.delta IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET balance = a.balance + s.delta WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.delta, 'merged');
UPDATE zoo.accounts SET balance = balance + 1;
UPDATE zoo.accounts SET balance = balance WHERE id = 1;
UPDATE zoo.accounts SET balance = 0 WHERE id = 999;
UPDATE zoo.accounts SET note = v.note FROM (VALUES (1, 'from'), (3, 'values')) AS v(id, note) WHERE accounts.id = v.id;
WITH moved AS (DELETE FROM zoo.accounts WHERE id = 4 RETURNING id, balance) INSERT INTO zoo.account_log SELECT 1, id, -balance FROM moved;
DELETE FROM zoo.accounts a USING zoo.account_log l WHERE a.id = l.account + 1;
INSERT INTO zoo.account_log SELECT i, 1, i FROM generate_series(1, 5) i;
UPDATE zoo.accounts SET id = id + 100;
UPDATE zoo.accounts SET id = 201, note = 'key and more' WHERE id = 101;
COPY zoo.accounts FROM stdin;
7	700.00	copied
8	800.00	\N
\.
DELETE FROM zoo.account_log WHERE id > 2;

-- transactions
BEGIN;
INSERT INTO zoo.accounts VALUES (10, 10, 'kept');
SAVEPOINT one;
INSERT INTO zoo.accounts VALUES (11, 11, 'undone');
SAVEPOINT two;
UPDATE zoo.accounts SET note = 'undone' WHERE id = 10;
ROLLBACK TO one;
INSERT INTO zoo.accounts VALUES (12, 12, 'kept');
SAVEPOINT three;
DELETE FROM zoo.accounts WHERE id = 12;
RELEASE three;
INSERT INTO hidden.accounts VALUES (2, 'hidden');
INSERT INTO zoo.account_log VALUES (1, 10, 10);
COMMIT;
INSERT INTO hidden.accounts VALUES (3, 'only hidden');
BEGIN; INSERT INTO zoo.accounts VALUES (13, 13, 'rolled back'); ROLLBACK;
BEGIN; UPDATE zoo.accounts SET note = 'x' WHERE id = -1; COMMIT;
BEGIN; INSERT INTO zoo.accounts VALUES (14, 14, 'prepared'); INSERT INTO zoo.account_log VALUES (1, 14, 14); PREPARE TRANSACTION 'committed later';
INSERT INTO zoo.accounts VALUES (15, 15, 'between');
COMMIT PREPARED 'committed later';
BEGIN; INSERT INTO zoo.accounts VALUES (16, 16, 'prepared'); PREPARE TRANSACTION 'never committed';
ROLLBACK PREPARED 'never committed';
BEGIN; INSERT INTO zoo.accounts SELECT i, i, 'many' FROM generate_series(1000, 1004) i; UPDATE zoo.accounts SET balance = -balance WHERE id >= 1000; DELETE FROM zoo.accounts WHERE id >= 1000; COMMIT;
INSERT INTO zoo.marker VALUES (6);

-- logical messages
SELECT pg_logical_emit_message(true, 'prefix', 'transactional');
SELECT pg_logical_emit_message(false, 'prefix', 'immediate');
SELECT pg_logical_emit_message(false, 'ünï "quote"', '');
SELECT pg_logical_emit_message(false, '', 'no prefix');
SELECT pg_logical_emit_message(false, 'binary', '\x00ff80'::bytea);
BEGIN; INSERT INTO zoo.accounts VALUES (17, 17, 'with messages'); SELECT pg_logical_emit_message(true, 'a', 'in between'); SELECT pg_logical_emit_message(false, 'b', 'at once'); UPDATE zoo.accounts SET balance = 18 WHERE id = 17; COMMIT;
BEGIN; SELECT pg_logical_emit_message(true, 'a', 'rolled back'); SELECT pg_logical_emit_message(false, 'b', 'in spite of rollback'); ROLLBACK;

-- related tables, inheritance, partitions
INSERT INTO zoo.parent VALUES (1, 'one'), (2, 'two');
INSERT INTO zoo.child VALUES (1, 1, 'c1'), (2, 2, 'c2');
INSERT INTO zoo.child_null VALUES (1, 1), (2, 2);
UPDATE zoo.parent SET id = 3 WHERE id = 1;
DELETE FROM zoo.parent WHERE id = 2;
INSERT INTO zoo.base VALUES (3, 'base');
UPDATE zoo.base SET v = 'both';
DELETE FROM zoo.derived;
INSERT INTO zoo.by_list VALUES ('uk', 3, 'v'), ('jp', 4, 'v');
UPDATE zoo.by_list SET region = 'us' WHERE id = 3;
UPDATE zoo.by_list SET region = 'eu' WHERE id = 1;
UPDATE zoo.by_list SET v = 'w';
INSERT INTO zoo.by_list_eu VALUES ('eu', 9, 'directly');
INSERT INTO zoo.by_hash SELECT i, 'h' FROM generate_series(1, 6) i;
UPDATE zoo.by_hash SET id = id + 10 WHERE id IN (1, 2);
INSERT INTO zoo.nested VALUES (1, 2024, 'a', 'v');
UPDATE zoo.nested SET v = 'w';
CREATE TABLE zoo.nested_2025 PARTITION OF zoo.nested FOR VALUES FROM (2025) TO (2026);
INSERT INTO zoo.nested VALUES (2, 2025, 'b', 'new partition');
UPDATE zoo.nested SET y = 2025 WHERE id = 1;
INSERT INTO zoo.marker VALUES (7);
ALTER TABLE zoo.nested DETACH PARTITION zoo.nested_2025;
INSERT INTO zoo.nested_2025 VALUES (3, 2030, 'c', 'no longer a partition');
TRUNCATE zoo.by_list;
INSERT INTO zoo.marker VALUES (8);

-- columns
ALTER TABLE zoo.columns ADD COLUMN c int NOT NULL DEFAULT 7, ADD COLUMN d text;
INSERT INTO zoo.columns VALUES (2, 2, 'two', 8, 'd');
UPDATE zoo.columns SET a = 3 WHERE id = 1;
INSERT INTO zoo.marker VALUES (9);
ALTER TABLE zoo.columns DROP COLUMN a;
INSERT INTO zoo.columns VALUES (3, 'three', 9, 'e');
INSERT INTO zoo.marker VALUES (10);
ALTER TABLE zoo.columns RENAME COLUMN d TO "D d";
ALTER TABLE zoo.columns ALTER b DROP DEFAULT, ALTER b DROP NOT NULL;
INSERT INTO zoo.columns VALUES (4, NULL, 10, 'f');
INSERT INTO zoo.marker VALUES (11);
ALTER TABLE zoo.columns ALTER c SET DEFAULT 77, ALTER c DROP NOT NULL, ADD COLUMN a text DEFAULT 'again' NOT NULL;
INSERT INTO zoo.columns (id) VALUES (5);
UPDATE zoo.columns SET c = NULL WHERE id = 5;
DELETE FROM zoo.columns WHERE id = 4;
INSERT INTO zoo.marker VALUES (12);
BEGIN; INSERT INTO zoo.columns (id, b) VALUES (6, 'six'); ALTER TABLE zoo.columns ADD COLUMN late zoo.size DEFAULT 'small'; INSERT INTO zoo.columns (id, b) VALUES (7, 'seven'); COMMIT;
BEGIN; ALTER TABLE zoo.columns ADD COLUMN never int; INSERT INTO zoo.columns (id) VALUES (8); ROLLBACK;
INSERT INTO zoo.columns (id, late) VALUES (9, NULL);
INSERT INTO zoo.marker VALUES (13);
ALTER TABLE zoo.columns ADD COLUMN g int GENERATED ALWAYS AS (id * 10) STORED, ADD COLUMN s serial;
INSERT INTO zoo.columns (id) VALUES (10);
INSERT INTO zoo.marker VALUES (14);

-- types of columns
ALTER TABLE zoo.retyped ALTER i TYPE bigint, ALTER t TYPE int USING t::int, ALTER n TYPE numeric(10,4), ALTER ts TYPE timestamptz USING ts AT TIME ZONE 'UTC';
INSERT INTO zoo.retyped VALUES (2, 9223372036854775807, 2, 2.5, '2024-02-29 12:34:56.789012Z', 'large');
UPDATE zoo.retyped SET n = 3 WHERE id = 1;
INSERT INTO zoo.marker VALUES (15);
ALTER TABLE zoo.retyped ALTER n TYPE numeric, ALTER i TYPE text, ALTER ts TYPE date, ALTER t TYPE varchar(20);
INSERT INTO zoo.retyped VALUES (3, 'text', 'x', 2.50, '2024-02-29', 'small');
INSERT INTO zoo.marker VALUES (16);
ALTER TYPE zoo.size ADD VALUE 'medium' BEFORE 'large';
INSERT INTO zoo.retyped VALUES (4, 'text', 'x', 4, '2024-02-29', 'medium');
INSERT INTO zoo.marker VALUES (17);
ALTER TYPE zoo.size RENAME VALUE 'small' TO 'tiny';
UPDATE zoo.retyped SET e = 'tiny' WHERE id = 4;
INSERT INTO zoo.marker VALUES (18);
CREATE TYPE zoo.fresh AS ENUM ('x', 'y');
ALTER TABLE zoo.retyped ADD COLUMN f zoo.fresh, ADD COLUMN fa zoo.fresh[], ALTER e TYPE text;
INSERT INTO zoo.retyped VALUES (5, 'text', 'x', 5, '2024-02-29', 'any', 'y', '{x,y}');
INSERT INTO zoo.marker VALUES (19);

-- keys
ALTER TABLE zoo.rekeyed DROP CONSTRAINT rekeyed_pkey, ADD PRIMARY KEY (code);
UPDATE zoo.rekeyed SET v = 2;
INSERT INTO zoo.rekeyed VALUES (2, 'B', 2);
UPDATE zoo.rekeyed SET code = 'C' WHERE code = 'B';
DELETE FROM zoo.rekeyed WHERE code = 'C';
INSERT INTO zoo.marker VALUES (20);
ALTER TABLE zoo.rekeyed DROP CONSTRAINT rekeyed_pkey;
INSERT INTO zoo.rekeyed VALUES (3, 'D', 3);
INSERT INTO zoo.marker VALUES (21);
ALTER TABLE zoo.rekeyed ADD PRIMARY KEY (code, id);
INSERT INTO zoo.rekeyed VALUES (4, 'E', 4);
DELETE FROM zoo.rekeyed WHERE id = 3;
INSERT INTO zoo.marker VALUES (22);

-- tables
INSERT INTO zoo.renamed VALUES (1, 1);
INSERT INTO zoo.marker VALUES (23);
ALTER TABLE zoo.renamed RENAME TO "re named";
INSERT INTO zoo."re named" VALUES (2, 2);
INSERT INTO zoo.marker VALUES (24);
ALTER TABLE zoo."re named" SET SCHEMA hidden;
INSERT INTO hidden."re named" VALUES (3, 3);
INSERT INTO zoo.marker VALUES (25);
ALTER TABLE hidden."re named" SET SCHEMA zoo;
UPDATE zoo."re named" SET v = 4 WHERE id = 3;
INSERT INTO zoo.marker VALUES (26);
INSERT INTO zoo.dropped VALUES (1, 1);
INSERT INTO zoo.marker VALUES (27);
DROP TABLE zoo.dropped;
CREATE TABLE zoo.dropped (other text PRIMARY KEY, id int);
INSERT INTO zoo.dropped VALUES ('same name', 2);
INSERT INTO zoo.marker VALUES (28);
CREATE TABLE zoo.copied AS SELECT id, balance FROM zoo.accounts WHERE id < 10;
INSERT INTO zoo.copied VALUES (100, 1.5);
CREATE TABLE zoo.liked (LIKE zoo.accounts INCLUDING ALL);
INSERT INTO zoo.liked VALUES (1, 2.5, NULL);
CREATE TABLE zoo.no_columns ();
INSERT INTO zoo.no_columns DEFAULT VALUES;
CREATE TEMPORARY TABLE temporary (id int PRIMARY KEY);
INSERT INTO temporary VALUES (1);
INSERT INTO zoo.unlogged VALUES (2, 'unlogged');
INSERT INTO zoo.marker VALUES (29);
TRUNCATE zoo.parent CASCADE;
BEGIN; INSERT INTO zoo.audit (what) VALUES ('before'); TRUNCATE zoo.audit RESTART IDENTITY; INSERT INTO zoo.audit (what) VALUES ('after'); COMMIT;
TRUNCATE zoo.accounts, zoo.account_log, hidden.accounts;
INSERT INTO zoo.marker VALUES (30);
