-- Schema of the second zoo of MySQL 8: limits of the types, character sets, names, keys, partitions.
SET timestamp = 1709210096.123456;
CREATE TABLE marker (id int PRIMARY KEY); -- parts of the changes end with a row of it

-- types
CREATE TABLE integers (id int PRIMARY KEY, ti tinyint(4) unsigned zerofill, si smallint(5) unsigned zerofill, mi mediumint(9) zerofill, i int(11) unsigned, bi bigint(20) unsigned zerofill, i1 int1, i2 int2, i3 int3, i4 int4, i8 int8, b1 bool, b2 boolean NOT NULL DEFAULT false, t1u tinyint(1) unsigned, y year, y4 year(4) NOT NULL DEFAULT 2024);
CREATE TABLE decimals (id int PRIMARY KEY, d decimal, d1 decimal(1), d65 decimal(65,0), d3030 decimal(30,30), du decimal(10,2) unsigned zerofill, n numeric(12,4), f fixed(5,1), de dec(6,3) NOT NULL DEFAULT -1.5);
CREATE TABLE floats (id int PRIMARY KEY, f float, f24 float(24), f25 float(25), fu float unsigned, f102 float(10,2), db double, d102 double(10,2) unsigned zerofill, r real, dp double precision NOT NULL DEFAULT 0.1);
CREATE TABLE bits (id int PRIMARY KEY, b bit, b2 bit(2), b8 bit(8), b9 bit(9), b63 bit(63), b64 bit(64) NOT NULL DEFAULT b'101', bd bit(1) DEFAULT b'1');
CREATE TABLE strings (id int PRIMARY KEY, c char, c0 char(0), c255 char(255), vc varchar(300), v0 varchar(0), nc nchar(4), nv national varchar(9), t9 text(9), lv long varchar, cb char(8) character set binary, tn text CHARACTER SET latin1 COLLATE latin1_bin);
CREATE TABLE charsets (id int PRIMARY KEY, ascii varchar(20) CHARACTER SET ascii, latin1 varchar(20) CHARACTER SET latin1, latin2 varchar(20) CHARACTER SET latin2, greek varchar(20) CHARACTER SET greek, hebrew varchar(20) CHARACTER SET hebrew, cp1251 varchar(20) CHARACTER SET cp1251, koi8r varchar(20) CHARACTER SET koi8r, sjis varchar(20) CHARACTER SET sjis, ujis varchar(20) CHARACTER SET ujis, gbk varchar(20) CHARACTER SET gbk, gb2312 varchar(20) CHARACTER SET gb2312, big5 varchar(20) CHARACTER SET big5, euckr varchar(20) CHARACTER SET euckr, utf8mb3 varchar(20) CHARACTER SET utf8, utf8mb4 varchar(20) CHARACTER SET utf8mb4, ucs2 varchar(20) CHARACTER SET ucs2, utf16 varchar(20) CHARACTER SET utf16, utf16le varchar(20) CHARACTER SET utf16le, utf32 varchar(20) CHARACTER SET utf32, lt text CHARACTER SET latin1, le enum('é', 'ñ', 'z') CHARACTER SET latin1, ls set('é', 'ñ') CHARACTER SET latin1);
CREATE TABLE binaries (id int PRIMARY KEY, b binary, b4 binary(4), vb varbinary(20), bl blob, b10 blob(10), lv long varbinary, bd binary(3) NOT NULL DEFAULT 'ab');
CREATE TABLE choices (id int PRIMARY KEY, e enum('', 'with space', 'a,b', 'it''s', 'ünï', 'back\\slash', '"quoted"', '(paren)', 'NULL', '1'), s set('with space', 'it''s', 'ünï', '(paren)', '1', 'e f'), en enum('x', 'y') NOT NULL DEFAULT 'y', sn set('p', 'q', 'r') NOT NULL DEFAULT 'p,r', e64 set('s1','s2','s3','s4','s5','s6','s7','s8','s9','s10','s11','s12','s13','s14','s15','s16','s17','s18','s19','s20','s21','s22','s23','s24','s25','s26','s27','s28','s29','s30','s31','s32','s33','s34','s35','s36','s37','s38','s39','s40','s41','s42','s43','s44','s45','s46','s47','s48','s49','s50','s51','s52','s53','s54','s55','s56','s57','s58','s59','s60','s61','s62','s63','s64'));
CREATE TABLE moments (id int PRIMARY KEY, d date, t time, t1 time(1), t4 time(4), t6 time(6), dt datetime, dt1 datetime(1), dt3 datetime(3), dt4 datetime(4), dt6 datetime(6), ts timestamp NULL, ts1 timestamp(1) NULL, ts4 timestamp(4) NULL, ts6 timestamp(6) NULL);
CREATE TABLE moments_needed (id int PRIMARY KEY, d date NOT NULL, t time NOT NULL DEFAULT '12:34:56', dt datetime NOT NULL, dt6 datetime(6) NOT NULL DEFAULT '2024-02-29 12:34:56.789012', ts timestamp NOT NULL DEFAULT '2024-02-29 12:34:56', y year NOT NULL DEFAULT 1901);
CREATE TABLE moments_zero (id int PRIMARY KEY, d date NOT NULL, dt datetime NOT NULL, dt6 datetime(6) NOT NULL, ts timestamp NOT NULL, ts6 timestamp(6) NOT NULL, dn date, dtn datetime(3), tsn timestamp(6) NULL);
CREATE TABLE years (id int PRIMARY KEY, y year);
CREATE TABLE clock (id int PRIMARY KEY, v int, c timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), u datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3));
CREATE TABLE documents (id int PRIMARY KEY, j json, jn json NOT NULL);
CREATE TABLE shapes (id int PRIMARY KEY, g geometry, p point, ls linestring, pl polygon, mp multipoint, ml multilinestring, mpl multipolygon, gc geometrycollection);
CREATE TABLE shape_srid (id int PRIMARY KEY, p point NOT NULL SRID 4326, g geometry);

-- names
CREATE TABLE `back``tick` (id int PRIMARY KEY, `col``tick` int, `quo"te` int, `sp ace` int, `dot.ted` int, `back\slash` int, `dash-ed` int, `$dollar` int, `ünï` varchar(9));
CREATE TABLE `dotted.table` (id int PRIMARY KEY, v int);
CREATE TABLE `select` (`from` int PRIMARY KEY, `where` varchar(9), `ORDER` int, `key` int, `primary` int, `index` int);
CREATE TABLE `表 ünï` (`主键` int PRIMARY KEY, `値` varchar(9));
CREATE TABLE `1starts` (id int PRIMARY KEY, `2col` int, `3` int);
CREATE TABLE `a b` (id int PRIMARY KEY);
CREATE TABLE `a-b` (id int PRIMARY KEY);
CREATE TABLE a_b (id int PRIMARY KEY);
CREATE TABLE UpperCase (ID int PRIMARY KEY, MixedCase int);
CREATE TABLE name_of_a_table_of_sixty_four_characters_which_is_the_limit_here (name_of_a_column_of_sixty_four_characters_which_is_the_limit_too int PRIMARY KEY, v int);
CREATE TABLE envelope (op int PRIMARY KEY, `before` text, `after` text, source text, transaction text, ts_ms bigint, `schema` text, payload text, __deleted text, id int);

-- keys
CREATE TABLE key_order (a int, b varchar(9), c date, d decimal(6,2), v text, PRIMARY KEY (d, b, a));
CREATE TABLE key_types (bi binary(4), dt datetime(6), e enum('x', 'y'), s set('p', 'q'), y year, bt bit(9), u bigint unsigned, t time, ts timestamp NOT NULL DEFAULT '2024-02-29 12:34:56', f double, v int, PRIMARY KEY (bi, dt, e, s, y, bt, u, t, ts, f));
CREATE TABLE key_prefix (t text, b blob, v int, PRIMARY KEY (t(10), b(5)));
CREATE TABLE key_case (k varchar(9) PRIMARY KEY, v int);
CREATE TABLE key_generated (a int, k int AS (a * 2) STORED PRIMARY KEY);
CREATE TABLE unique_two (a int NOT NULL, b int NOT NULL, v int, UNIQUE KEY ba (b, a));
CREATE TABLE unique_choice (n int, a int NOT NULL, b int NOT NULL, UNIQUE KEY n (n), UNIQUE KEY z (b), UNIQUE KEY y (a));
CREATE TABLE unique_nullable (code varchar(9), v int, UNIQUE KEY (code));
CREATE TABLE unique_inline (code varchar(9) NOT NULL UNIQUE, v int);
CREATE TABLE no_key (a int, b varchar(9));

-- generated values and defaults
CREATE TABLE computed (id int AUTO_INCREMENT PRIMARY KEY, gv varchar(20) AS (concat('#', a)) VIRTUAL, a int, gs int AS (a * 2) STORED, z int NOT NULL DEFAULT 9);
CREATE TABLE defaults (id int PRIMARY KEY, i int DEFAULT -5, u int unsigned NOT NULL DEFAULT '7', b bigint NOT NULL DEFAULT 9223372036854775807, bo bool DEFAULT true, d decimal(6,2) NOT NULL DEFAULT 12.5, f float DEFAULT 1.5, db double NOT NULL DEFAULT -1e10, c char(3) NOT NULL DEFAULT 'c', vc varchar(20) NOT NULL DEFAULT 'it''s "x" \\ y', em varchar(9) NOT NULL DEFAULT '', nu int DEFAULT NULL, dt date NOT NULL DEFAULT '2024-02-29', tm time(3) NOT NULL DEFAULT '12:34:56.789', tn time DEFAULT '-12:34:56', dm datetime NOT NULL DEFAULT '2024-02-29 12:34:56', ts timestamp NULL DEFAULT '2024-02-29 12:34:56', y year DEFAULT 2024, bi bit(3) NOT NULL DEFAULT b'101', bn binary(2) DEFAULT 'a', en enum('x', 'y') DEFAULT 'x', se set('x', 'y') DEFAULT 'x,y', hx int DEFAULT 0x10);
CREATE TABLE default_nulls (id int PRIMARY KEY, i int DEFAULT 5, t varchar(9) DEFAULT 'd', d decimal(4,1) DEFAULT 1.5, ts timestamp NULL DEFAULT '2024-02-29 12:34:56');
CREATE TABLE default_expressions (id int PRIMARY KEY, i int DEFAULT (1 + 1), t text DEFAULT ('text'), j json DEFAULT (json_object('a', 1)));

-- related tables, partitions
CREATE TABLE parent (id int PRIMARY KEY, v varchar(20));
CREATE TABLE child (id int PRIMARY KEY, parent int, v text, CONSTRAINT fk_child FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE audit (id int AUTO_INCREMENT PRIMARY KEY, what varchar(40));
CREATE TRIGGER note_insert AFTER INSERT ON parent FOR EACH ROW INSERT INTO audit (what) VALUES (concat('insert ', NEW.id));
CREATE TRIGGER note_update BEFORE UPDATE ON parent FOR EACH ROW SET NEW.v = upper(NEW.v);
CREATE VIEW accounts_view AS SELECT id, balance FROM (SELECT 1 AS id, 2 AS balance) AS t;
CREATE TABLE by_list (region varchar(9), id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST COLUMNS (region) (PARTITION eu VALUES IN ('eu', 'uk'), PARTITION us VALUES IN ('us'));
CREATE TABLE by_hash (id int PRIMARY KEY, v int) PARTITION BY HASH (id) PARTITIONS 3;
CREATE TABLE by_key (id int PRIMARY KEY, v int) PARTITION BY KEY (id) PARTITIONS 2;
CREATE TABLE by_range (id int, y date, v int, PRIMARY KEY (id, y)) PARTITION BY RANGE (YEAR(y)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (2024), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE myisam (id int PRIMARY KEY, v int) ENGINE = MyISAM;


-- tables whose definition changes
CREATE TABLE columns (id int PRIMARY KEY, a int, b varchar(5) NOT NULL DEFAULT 'b');
CREATE TABLE retyped (id int PRIMARY KEY, i int, t varchar(20), d decimal(5,2), e enum('small', 'large'), s set('x', 'y'), ts timestamp NULL, u int unsigned);
CREATE TABLE rekeyed (id int NOT NULL PRIMARY KEY, code varchar(9) NOT NULL, v int);
CREATE TABLE renamed (id int PRIMARY KEY, v int);
CREATE TABLE swapped (id int PRIMARY KEY, v int);
CREATE TABLE swapped_new (id int PRIMARY KEY, v int, w int);
CREATE TABLE dropped (id int PRIMARY KEY, v int);
CREATE TABLE recoded (id int PRIMARY KEY, t varchar(20), c char(5) CHARACTER SET latin1) DEFAULT CHARACTER SET latin1;
CREATE TABLE accounts (id int PRIMARY KEY, balance decimal(10,2) NOT NULL, note varchar(40), UNIQUE KEY note (note));
CREATE TABLE account_log (id int, account int, delta decimal(10,2), PRIMARY KEY (account, id));

-- rows of the snapshot
INSERT INTO integers VALUES (1, 7, 8, 9, 4294967295, 18446744073709551615, -128, -32768, -8388608, -2147483648, -9223372036854775808, 1, true, 2, 1901, 2155);
INSERT INTO decimals VALUES (1, 9999999999, -9, 99999999999999999999999999999999999999999999999999999999999999999, 0.123456789012345678901234567890, 1.5, -12345678.1234, 9999.9, 123.456);
INSERT INTO floats VALUES (1, 1.17549435e-38, 1e10, 1e10, 3.14, 12345678.12, 2.2250738585072014e-308, 1.5, 1e21, 1e-7);
INSERT INTO bits VALUES (1, b'1', b'10', b'10000001', b'100000001', b'1', b'1', b'0');
INSERT INTO strings VALUES (1, 'x', '', 'c', repeat('ü', 100), '', 'n', 'nv', 'nine', 'long', 'bin', 'tn');
INSERT INTO charsets VALUES (1, 'plain', 'é', 'č', 'αβγ', 'שלום', 'Привет', 'Привет', 'テスト', 'テスト', '测试', '测试', '測試', '시험', 'é表', '😀', '表', '😀', '😀', '😀', 'éè', 'ñ', 'é,ñ');
INSERT INTO binaries VALUES (1, 'a', x'01', x'0001ff', x'deadbeef', x'00', x'fbff', 'abc');
INSERT INTO choices VALUES (1, 'with space', 'with space,1', 'x', 'q', 's1,s64');
INSERT INTO moments VALUES (1, '1000-01-01', '838:59:59', '-838:59:58.9', '00:00:00.0001', '-00:00:00.999999', '1000-01-01 00:00:00', '9999-12-31 23:59:59.9', '1582-10-04 00:00:00.001', '1969-12-31 23:59:59.9999', '1970-01-01 00:00:00.000001', '2038-01-19 03:14:07', '1970-01-01 00:00:01.1', '2024-02-29 12:34:56.7891', '2024-02-29 12:34:56.100000');
INSERT INTO moments_needed (id, d, dt) VALUES (1, '2024-02-29', '2024-02-29 12:34:56');
INSERT INTO years VALUES (1, '0000'), (2, 1901);
INSERT INTO clock (id, v) VALUES (1, 1);
SET sql_mode = '';
INSERT INTO moments_zero VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0), (2, '2024-00-15', '2024-02-00 00:00:00', '0000-02-29 00:00:00', 0, 0, '2024-00-00', '2024-00-15 01:02:03', 0);
SET sql_mode = DEFAULT;
INSERT INTO documents VALUES (1, '{"b": 1, "a": [1, 2.50, null, true, "s"], "c": 1e3}', '[]');
INSERT INTO shapes VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(-1.5 2.5)'), ST_GeomFromText('LINESTRING(0 0,1 1,2 2)'), ST_GeomFromText('POLYGON((0 0,9 0,9 9,0 0),(1 1,2 1,2 2,1 1))'), ST_GeomFromText('MULTIPOINT(0 0,1 1)'), ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))'), ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))'));
INSERT INTO shape_srid VALUES (1, ST_GeomFromText('POINT(10 20)', 4326), ST_GeomFromText('POINT(1 2)', 3857));
INSERT INTO `back``tick` VALUES (1, 1, 2, 3, 4, 5, 6, 7, 'ü');
INSERT INTO envelope VALUES (1, 'b', 'a', 's', 't', 42, 'sc', 'p', 'd', 2);
INSERT INTO key_order VALUES (1, 'b', '2024-02-29', 1.50, 'v');
INSERT INTO computed (a) VALUES (1);
INSERT INTO defaults (id) VALUES (1);
INSERT INTO default_nulls VALUES (1, NULL, NULL, NULL, NULL);
INSERT INTO default_nulls (id) VALUES (2);
INSERT INTO default_expressions (id) VALUES (1);
INSERT INTO by_list VALUES ('eu', 1, 'snapshot'), ('us', 2, 'snapshot');
INSERT INTO columns VALUES (1, 1, 'one');
INSERT INTO retyped VALUES (1, 1, '1', 1.25, 'small', 'x', '2024-02-29 12:34:56', 1);
INSERT INTO rekeyed VALUES (1, 'A', 1);
INSERT INTO accounts VALUES (1, 100, 'one'), (2, 200, 'two'), (3, 300, NULL);
