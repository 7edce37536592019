-- Changes while streaming; autocommit unless BEGIN. A part ends with a row of the table marker, and each part
-- runs in a session of its own.

-- limits of the types
INSERT INTO integers VALUES (2, 255, 65535, 8388607, 0, 0, 127, 32767, 8388607, 2147483647, 9223372036854775807, 0, false, 255, 2155, 1901), (3, 0, 0, 0, 1, 9223372036854775808, 0, 0, 0, 0, 0, -1, 127, 0, 70, 69), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, '0', 2000);
INSERT INTO decimals VALUES (2, -9999999999, 0, -99999999999999999999999999999999999999999999999999999999999999999, -0.000000000000000000000000000001, 0, 0, -0.1, 0), (3, 127, 1, 255, 0, 99999999.99, -128, 256, -0.128), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1), (5, 0, -1, 0, 0.5, 0.01, 1.1000, 12.0, 100);
INSERT INTO floats VALUES (2, 1e-45, -3.40282e38, 5e-324, 0, -12345678.12, -1.7976931348623157e308, 0, -0.0, 0.30000000000000004), (3, 16777217, 0.1, 0.1, 0.1, 0.1, 9007199254740993, 99999999.99, 1e7, 1e-3), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 123456789012345680), (5, 9999999, 123456.7, 123456.7, 1e7, 1234.5, 1e16, 1e6, 1e-4, 1e-5);
INSERT INTO bits VALUES (2, b'0', b'00', b'0', b'0', b'0', b'0', b'1'), (3, NULL, b'11', b'11111111', b'111111111', b'111111111111111111111111111111111111111111111111111111111111111', b'1111111111111111111111111111111111111111111111111111111111111111', NULL), (4, NULL, NULL, b'1', b'10', b'100000000', b'1000000000000000000000000000000000000000000000000000000000000000', b'0');
INSERT INTO bits (id) VALUES (5);
INSERT INTO strings VALUES (2, '', NULL, 'trailing   ', '  spaces  ', '', '', '', '', '', '', ''), (3, '😀', NULL, 'null', 'tab\tnew\nline\0zero\Z"\'\\', NULL, 'ñ表', 'ñ表', '表表表', NULL, x'00ff', 'é'), (4, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO charsets VALUES (2, '~', '€ÿ', 'ž', 'ώ', 'א', 'ё', 'Ъ', 'ｱｶﾞ', '〜', '龍', '啊', '龍', '가', '￿', '𠀀', 'ü', '𠀀', '𠀀', '𠀀', '', 'z', ''), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO binaries VALUES (2, '', '', '', '', '', '', ''), (3, x'00', x'01020000', x'0100', 'é', 'text', x'ff', x'000000'), (4, NULL, NULL, NULL, NULL, NULL, NULL, 'z'), (5, x'ff', x'00000001', 'trail  ', NULL, NULL, NULL, x'616200');
INSERT INTO choices VALUES (2, 'a,b', 'it''s', 'y', '', ''), (3, 'it''s', 'ünï,(paren)', 'x', 'p,q,r', 's2,s33,s63'), (4, 'ünï', 'e f', 'x', 'p', NULL), (5, 'back\\slash', NULL, 'x', 'p', NULL), (6, '"quoted"', NULL, 'x', 'p', NULL), (7, '(paren)', NULL, 'x', 'p', NULL), (8, 'NULL', NULL, 'x', 'p', NULL), (9, '1', '1', 'x', 'p', NULL), (10, '', '', 'x', 'p', NULL), (11, NULL, NULL, 'x', 'p', NULL);
INSERT INTO moments VALUES (2, '9999-12-31', '-838:59:59', '838:59:58.9', '-00:00:00.0001', '837:59:59.999999', '9999-12-31 23:59:59', '1969-12-31 23:59:59.9', '1969-12-31 23:59:59.999', '9999-12-31 23:59:59.9999', '1000-01-01 00:00:00.000001', '1970-01-01 00:00:01', '2038-01-19 03:14:07.9', '2038-01-19 03:14:07.9999', '2038-01-19 03:14:07.999999'), (3, '1582-10-15', '00:00:00', '00:00:00.1', '24:00:00', '23:59:59.999999', '1582-10-15 00:00:00', '1970-01-01 00:00:00', '1970-01-01 00:00:00', '1970-01-01 00:00:00', '1970-01-01 00:00:00', '2024-02-29 00:00:00', '2024-02-29 12:34:56', '2024-02-29 12:34:56', '2024-02-29 12:34:56'), (4, '0001-01-01', '-00:00:01', '-00:00:00.9', '-23:59:59.9999', '-838:59:58.000001', '0001-01-01 00:00:00', '0099-01-01 00:00:00', '0100-01-01 00:00:00', '0001-01-01 00:00:00', '0069-01-01 00:00:00', NULL, NULL, NULL, NULL), (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SET time_zone = '+05:30';
INSERT INTO moments (id, dt, ts, ts6) VALUES (6, '2024-02-29 12:34:56', '2024-02-29 12:34:56', '2024-02-29 12:34:56.789012');
SET time_zone = DEFAULT;
SET sql_mode = '';
INSERT INTO moments (id, d, dt, dt1, dt3, dt6, ts, ts6) VALUES (7, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '0000-00-00 00:00:00'), (8, '2024-00-00', '2024-00-15 00:00:00', '2024-02-00 01:02:03', '0000-02-29 00:00:00', '2024-00-00 12:34:56.789012', NULL, NULL), (9, '0000-01-01', '0000-01-01 00:00:00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO moments_zero VALUES (3, 0, 0, 0, 0, 0, 0, 0, 0), (4, '2024-00-15', '2024-02-00 00:00:00', '0000-02-29 00:00:00', 0, 0, '2024-00-00', '2024-00-15 01:02:03', 0);
SET sql_mode = DEFAULT;
INSERT INTO years VALUES (3, '0000'), (4, 2155);
INSERT INTO moments_needed (id, d, dt, y) VALUES (2, '1970-01-01', '1970-01-01 00:00:00', '0000');
INSERT INTO documents VALUES (2, 'null', 'true'), (3, '"text \\u00e9 \\n \\" \\\\ / 😀"', '-0'), (4, '12345678901234567890', '-9223372036854775808'), (5, '18446744073709551615', '1.7976931348623157e308'), (6, '0.1', '1e-7'), (7, '[[], {}, [null, [true, false]]]', '{"": 1, "z": 2, "aa": 3, "b": 4}'), (8, '123456789012345678901234567890.123', '1.0'), (9, '{"a": {"b": {"c": [1, 32767, 32768, 65535, 65536, 2147483648, 4294967296]}}}', '-1'), (10, NULL, '""');
INSERT INTO documents VALUES (11, JSON_OBJECT('d', CAST('2024-02-29' AS date), 't', CAST('12:34:56.789012' AS time(6)), 'dt', CAST('2024-02-29 12:34:56.789012' AS datetime(6)), 'n', CAST(1.50 AS decimal(5,2)), 'b', CAST('ab' AS binary), 'i', 1, 'f', 1.5e0), JSON_ARRAY(CAST(18446744073709551615 AS unsigned), ST_GeomFromText('POINT(1 2)')));
UPDATE documents SET j = JSON_SET(j, '$.a.x', 1) WHERE id = 9;
INSERT INTO shapes VALUES (2, ST_GeomFromText('GEOMETRYCOLLECTION(POINT(0 0),POLYGON((0 0,1 0,1 1,0 0)))'), ST_GeomFromText('POINT(1e300 -1e-300)'), NULL, NULL, NULL, NULL, NULL, NULL), (3, ST_GeomFromText('LINESTRING(0 0,1 1)', 4326), ST_GeomFromText('POINT(1 2)', 4326), NULL, NULL, NULL, NULL, NULL, NULL), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')), (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO shape_srid VALUES (2, ST_GeomFromText('POINT(-89.5 179.5)', 4326), NULL);
SET timestamp = 1709210097.654321;
INSERT INTO clock (id, v) VALUES (2, 2);
UPDATE clock SET v = 3 WHERE id = 1;
SET timestamp = DEFAULT;
INSERT INTO marker VALUES (1);

-- names
UPDATE `back``tick` SET `sp ace` = 30, `col``tick` = NULL;
UPDATE `back``tick` SET id = 2;
INSERT INTO `dotted.table` VALUES (1, 1);
INSERT INTO `select` VALUES (1, 'where', 2, 3, 4, 5);
INSERT INTO `表 ünï` VALUES (1, '値');
UPDATE `表 ünï` SET `主键` = 2;
INSERT INTO `1starts` VALUES (1, 2, 3);
BEGIN; INSERT INTO `a b` VALUES (1); INSERT INTO `a-b` VALUES (2); INSERT INTO a_b VALUES (3); COMMIT;
INSERT INTO UpperCase VALUES (1, 2);
INSERT INTO name_of_a_table_of_sixty_four_characters_which_is_the_limit_here VALUES (1, 1);
UPDATE envelope SET `before` = NULL, `after` = 'x', op = 7, ts_ms = 43;
DELETE FROM envelope;

-- keys
INSERT INTO key_order VALUES (2, 'x', NULL, -1.00, 'y');
UPDATE key_order SET v = 'w', c = NULL WHERE a = 1;
UPDATE key_order SET a = 3, b = 'z' WHERE a = 2;
DELETE FROM key_order WHERE a = 1;
INSERT INTO key_types VALUES (x'01ff', '2024-02-29 12:34:56.789012', 'y', 'p,q', 2024, b'100000001', 18446744073709551615, '12:34:56', '2024-02-29 12:34:56', 1.5, 1);
UPDATE key_types SET e = 'x', y = 2025;
DELETE FROM key_types;
INSERT INTO key_prefix VALUES ('a text that is longer than the key', x'0102030405060708', 1);
UPDATE key_prefix SET v = 2;
UPDATE key_prefix SET t = 'a text that';
DELETE FROM key_prefix;
INSERT INTO key_case VALUES ('a', 1);
UPDATE key_case SET k = 'A';
DELETE FROM key_case WHERE k = 'a';
INSERT INTO key_generated (a) VALUES (1);
UPDATE key_generated SET a = 2;
INSERT INTO unique_two VALUES (1, 2, 3);
UPDATE unique_two SET b = 5;
DELETE FROM unique_two;
INSERT INTO unique_choice VALUES (NULL, 1, 2);
UPDATE unique_choice SET a = 3;
UPDATE unique_choice SET b = 4;
INSERT INTO unique_nullable VALUES ('A', 1), (NULL, 2);
UPDATE unique_nullable SET v = 3 WHERE code IS NULL;
INSERT INTO unique_inline VALUES ('A', 1);
UPDATE unique_inline SET code = 'B';
INSERT INTO no_key VALUES (1, 'a'), (1, 'a');
UPDATE no_key SET b = 'b' LIMIT 1;
DELETE FROM no_key;
INSERT INTO marker VALUES (2);

-- generated values and defaults
INSERT INTO computed (a) VALUES (2), (NULL);
UPDATE computed SET a = 3 WHERE id = 1;
INSERT INTO computed (id, a, z) VALUES (100, 4, 5);
DELETE FROM computed WHERE id = 2;
INSERT INTO defaults (id) VALUES (2);
INSERT INTO default_nulls VALUES (3, NULL, NULL, NULL, NULL);
INSERT INTO default_nulls (id) VALUES (4);
UPDATE default_nulls SET i = NULL, t = NULL WHERE id = 2;
INSERT INTO default_expressions (id) VALUES (2);
INSERT INTO default_expressions (id, i, t) VALUES (3, NULL, NULL);

-- statements
INSERT INTO accounts VALUES (1, 1, 'conflict') ON DUPLICATE KEY UPDATE balance = balance + VALUES(balance);
INSERT INTO accounts VALUES (4, 4, 'two') ON DUPLICATE KEY UPDATE id = 20, balance = 1;
INSERT IGNORE INTO accounts VALUES (1, 1, 'ignored'), (4, 400, 'four');
REPLACE INTO accounts VALUES (5, 50, 'one');
REPLACE INTO accounts VALUES (6, 60, 'six'), (3, 3, 'six');
UPDATE accounts SET balance = balance + 1;
UPDATE accounts SET balance = balance WHERE id = 4;
UPDATE accounts SET balance = 0 WHERE id = 999;
UPDATE accounts a JOIN by_list l ON l.id + 1 = a.id SET a.balance = 7, l.v = 'joined';
UPDATE accounts SET id = id + 100 ORDER BY id DESC;
UPDATE accounts SET id = 200, note = 'key and more' WHERE id = 104;
INSERT INTO account_log SELECT id, 1, balance FROM accounts;
DELETE a, l FROM accounts a JOIN account_log l ON l.id = 105 AND a.id = 105;
DELETE FROM account_log ORDER BY id LIMIT 1;
INSERT INTO marker VALUES (3);

-- transactions
BEGIN;
INSERT INTO accounts VALUES (10, 10, 'kept');
SAVEPOINT one;
INSERT INTO accounts VALUES (11, 11, 'undone');
SAVEPOINT two;
UPDATE accounts SET note = 'changed' WHERE id = 10;
ROLLBACK TO one;
INSERT INTO accounts VALUES (12, 12, 'kept too');
SAVEPOINT `three ü`;
DELETE FROM accounts WHERE id = 12;
RELEASE SAVEPOINT `three ü`;
INSERT INTO account_log VALUES (1, 10, 10);
COMMIT;
BEGIN; INSERT INTO accounts VALUES (13, 13, 'rolled back'); ROLLBACK;
START TRANSACTION READ WRITE; UPDATE accounts SET note = 'x' WHERE id = -1; COMMIT;
SET autocommit = 0;
INSERT INTO accounts VALUES (14, 14, 'without begin');
INSERT INTO account_log VALUES (1, 14, 14);
COMMIT;
SET autocommit = 1;
BEGIN; INSERT INTO accounts VALUES (15, 15, 'committed by a definition'); CREATE TABLE implicit (id int PRIMARY KEY); INSERT INTO implicit VALUES (1); COMMIT;
INSERT INTO myisam VALUES (1, 1);
UPDATE myisam SET v = 2;
DELETE FROM myisam;
INSERT INTO marker VALUES (4);
XA START 'one'; INSERT INTO accounts VALUES (18, 18, 'xa'); INSERT INTO account_log VALUES (1, 18, 18); XA END 'one'; XA PREPARE 'one'; XA COMMIT 'one';
XA START 'two'; INSERT INTO accounts VALUES (19, 19, 'xa rolled back'); XA END 'two'; XA PREPARE 'two'; XA ROLLBACK 'two';
XA START 'three'; INSERT INTO accounts VALUES (21, 21, 'xa one phase'); XA END 'three'; XA COMMIT 'three' ONE PHASE;
INSERT INTO marker VALUES (5);

-- related tables, partitions
INSERT INTO parent VALUES (1, 'one'), (2, 'two');
INSERT INTO child VALUES (1, 1, 'c1'), (2, 2, 'c2');
UPDATE parent SET id = 3 WHERE id = 1;
UPDATE parent SET v = 'lower' WHERE id = 2;
DELETE FROM parent WHERE id = 2;
INSERT INTO by_list VALUES ('uk', 3, 'v');
UPDATE by_list SET region = 'us' WHERE id = 3;
INSERT INTO by_hash VALUES (1, 1), (2, 2), (3, 3);
UPDATE by_hash SET id = id + 10 ORDER BY id DESC;
INSERT INTO by_key VALUES (1, 1), (2, 2);
INSERT INTO by_range VALUES (1, '2023-05-05', 1), (2, '2024-05-05', 2);
UPDATE by_range SET y = '2024-06-06';
ALTER TABLE by_list ADD PARTITION (PARTITION jp VALUES IN ('jp'));
INSERT INTO by_list VALUES ('jp', 4, 'new partition');
ALTER TABLE by_list TRUNCATE PARTITION jp;
ALTER TABLE by_list DROP PARTITION jp;
ALTER TABLE by_hash COALESCE PARTITION 1;
ALTER TABLE by_key REMOVE PARTITIONING;
INSERT INTO by_key VALUES (3, 3);
ALTER TABLE by_list REORGANIZE PARTITION us INTO (PARTITION us VALUES IN ('us', 'ca'));
INSERT INTO by_list VALUES ('ca', 5, 'reorganized');
TRUNCATE TABLE by_hash;
DELETE FROM by_range;
INSERT INTO marker VALUES (6);


-- columns
ALTER TABLE columns ADD COLUMN c int NOT NULL DEFAULT 7, ADD COLUMN d text;
INSERT INTO columns VALUES (2, 2, 'two', 8, 'd');
ALTER TABLE columns ADD COLUMN f int FIRST, ADD COLUMN g varchar(9) DEFAULT 'g' AFTER a;
INSERT INTO columns VALUES (0, 3, 3, 'g', 'three', 9, 'e');
UPDATE columns SET a = 30 WHERE id = 1;
ALTER TABLE columns DROP COLUMN a, DROP g;
INSERT INTO columns VALUES (0, 4, 'four', 10, 'f');
ALTER TABLE columns RENAME COLUMN d TO `D d`;
INSERT INTO columns VALUES (0, 5, 'five', 11, 'g');
ALTER TABLE columns CHANGE COLUMN b bb varchar(50) NULL COMMENT 'a comment' AFTER id, MODIFY c bigint unsigned NULL DEFAULT NULL FIRST;
INSERT INTO columns VALUES (NULL, 0, 6, NULL, 'h');
ALTER TABLE columns ALTER COLUMN c SET DEFAULT 77, ALTER f DROP DEFAULT;
INSERT INTO columns (id, f) VALUES (7, 1);
UPDATE columns SET c = NULL WHERE id = 7;
DELETE FROM columns WHERE id = 4;
ALTER TABLE columns ADD (m int, n int DEFAULT 5), ADD INDEX (f), ADD UNIQUE KEY u (id, f);
INSERT INTO columns (id, f, m) VALUES (8, 1, 1);
ALTER TABLE columns ADD COLUMN gen int AS (id * 2) STORED AFTER id, ADD COLUMN virt int AS (id * 3) VIRTUAL FIRST;
INSERT INTO columns (id, f) VALUES (9, 1);
/* a comment */ ALTER TABLE columns /* inside */ # to the end of the line
  DROP COLUMN m , -- another one
  DROP INDEX f;
INSERT INTO columns (id, f) VALUES (10, 1);
ALTER TABLE columns AUTO_INCREMENT = 50, COMMENT = 'it''s', ENGINE = InnoDB;
ALTER TABLE /*! columns */ ADD COLUMN exec int /*!80000 DEFAULT 3 */;
ALTER TABLE columns MODIFY n int NOT NULL DEFAULT 6 FIRST, ALGORITHM = COPY, LOCK = SHARED;
INSERT INTO columns (id, f) VALUES (11, 1);
INSERT INTO marker VALUES (7);

-- types of columns
ALTER TABLE retyped MODIFY i bigint, MODIFY t int, MODIFY d decimal(10,4), MODIFY ts datetime(6), MODIFY u bigint unsigned;
INSERT INTO retyped VALUES (2, 9223372036854775807, 2, 2.5, 'large', 'y', '2024-02-29 12:34:56.789012', 18446744073709551615);
ALTER TABLE retyped MODIFY e enum('tiny', 'small', 'medium', 'large'), MODIFY s set('x', 'y', 'z w');
INSERT INTO retyped VALUES (3, 3, 3, 3, 'medium', 'x,z w', NULL, 3);
UPDATE retyped SET e = 'tiny' WHERE id = 1;
ALTER TABLE retyped MODIFY i varchar(40) CHARACTER SET latin1, MODIFY e varchar(9), MODIFY d double, MODIFY ts date, MODIFY t tinyint(1);
INSERT INTO retyped VALUES (4, 'é', 1, 1.5, 'any', '', '2024-02-29', 4);
INSERT INTO marker VALUES (8);
ALTER TABLE recoded CONVERT TO CHARACTER SET utf8mb4;
INSERT INTO recoded VALUES (1, '😀', '表');
ALTER TABLE recoded DEFAULT CHARACTER SET cp1251, ADD COLUMN k varchar(9);
INSERT INTO recoded VALUES (2, 'é', 'ü', 'Привет');
INSERT INTO marker VALUES (9);

-- keys
ALTER TABLE rekeyed DROP PRIMARY KEY, ADD PRIMARY KEY (code);
UPDATE rekeyed SET v = 2;
INSERT INTO rekeyed VALUES (2, 'B', 2);
UPDATE rekeyed SET code = 'C' WHERE code = 'B';
DELETE FROM rekeyed WHERE code = 'C';
ALTER TABLE rekeyed DROP PRIMARY KEY;
INSERT INTO rekeyed VALUES (3, 'D', 3);
ALTER TABLE rekeyed ADD UNIQUE INDEX by_id (id);
INSERT INTO rekeyed VALUES (4, 'E', 4);
CREATE UNIQUE INDEX by_code ON rekeyed (code);
INSERT INTO rekeyed VALUES (5, 'F', 5);
DROP INDEX by_id ON rekeyed;
INSERT INTO rekeyed VALUES (6, 'G', 6);
ALTER TABLE rekeyed ADD PRIMARY KEY (v, id);
INSERT INTO rekeyed VALUES (7, 'H', 7);
DELETE FROM rekeyed WHERE id = 3;
ALTER TABLE rekeyed RENAME COLUMN id TO ident;
UPDATE rekeyed SET ident = 70 WHERE ident = 7;
INSERT INTO marker VALUES (10);

-- tables
INSERT INTO renamed VALUES (1, 1);
RENAME TABLE renamed TO `re named`;
INSERT INTO `re named` VALUES (2, 2);
ALTER TABLE `re named` RENAME TO renamed_again;
INSERT INTO renamed_again VALUES (3, 3);
INSERT INTO swapped VALUES (1, 1);
RENAME TABLE swapped TO swapped_old, swapped_new TO swapped;
INSERT INTO swapped VALUES (2, 2, 2);
INSERT INTO swapped_old VALUES (3, 3);
INSERT INTO dropped VALUES (1, 1);
DROP TABLE IF EXISTS dropped, not_there;
CREATE TABLE dropped (other varchar(20) PRIMARY KEY, id int);
INSERT INTO dropped VALUES ('same name', 2);
CREATE TABLE copied (id int, balance decimal(10,2));
INSERT INTO copied VALUES (100, 1.5);
CREATE TABLE liked LIKE accounts;
INSERT INTO liked VALUES (1, 2.5, NULL);
CREATE TABLE IF NOT EXISTS liked (other int);
INSERT INTO liked VALUES (2, 3.5, 'still liked');
CREATE TEMPORARY TABLE temporary_table (id int PRIMARY KEY);
INSERT INTO temporary_table VALUES (1);
DROP TEMPORARY TABLE temporary_table;
CREATE VIEW some_view AS SELECT id FROM accounts;
DROP VIEW some_view;
CREATE PROCEDURE add_account(n int) INSERT INTO accounts VALUES (n, n, concat('procedure ', n));
CALL add_account(500);
DROP PROCEDURE add_account;
CREATE TABLE referring (id int PRIMARY KEY, account int, KEY (account), CONSTRAINT fk FOREIGN KEY (account) REFERENCES accounts (id)) COMMENT 'refers';
INSERT INTO referring VALUES (1, 500);
ALTER TABLE referring DROP FOREIGN KEY fk, ADD CONSTRAINT positive CHECK (id > 0);
INSERT INTO referring VALUES (2, 999);
TRUNCATE account_log;
BEGIN; INSERT INTO audit (what) VALUES ('before'); TRUNCATE audit; INSERT INTO audit (what) VALUES ('after'); COMMIT;
DROP TABLE copied, liked;
CREATE TABLE late (id int PRIMARY KEY, e enum('ä', 'b,c') DEFAULT 'b,c', t text CHARACTER SET latin1) DEFAULT CHARACTER SET utf8mb4;
INSERT INTO late VALUES (1, 'ä', 'é');
INSERT INTO late (id) VALUES (2);
INSERT INTO marker VALUES (11);
