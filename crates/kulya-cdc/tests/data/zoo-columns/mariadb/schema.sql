-- Tables for the rules for columns: texts and other types, keys, names, all types for the schemas.
CREATE TABLE marker (id int PRIMARY KEY);
CREATE TABLE people (id int PRIMARY KEY, name text, email varchar(20) NOT NULL, code char(5), note varchar(100) DEFAULT 'none', mood enum('sad','ok','happy'), data varbinary(20), doc json, n decimal(8,2), salary int, at timestamp NULL, dt datetime(3), tags set('a','b','c'), `1st-col` int, `ünï.x` text, big longtext, v5 varchar(5), hn varchar(9) DEFAULT 'def', free text, lat varchar(20) CHARACTER SET latin1);
CREATE TABLE other (id int AUTO_INCREMENT PRIMARY KEY, a int, b varchar(9) NOT NULL, hidden text, e enum('x','y') NOT NULL DEFAULT 'y');
CREATE TABLE keyless (x int, y text);
CREATE TABLE `Mixed Case` (`Id` int PRIMARY KEY, `a b` text, `2x` text);
CREATE TABLE types (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, ti tinyint, tu tinyint unsigned, t1 tinyint(1), si smallint, mi mediumint, i int, iu int unsigned zerofill, bi bigint, f float, f2 float(7,3), d double, dc decimal, d52 decimal(5,2), du decimal(9,3) unsigned, b1 bit(1), b5 bit(5), ch char(3), vc varchar(9), tt tinytext, tx text, mt mediumtext, lt longtext, bn binary(3), vb varbinary(9), tb tinyblob, bl blob, da date, ti0 time, ti3 time(3), dt datetime, dt6 datetime(6), ts timestamp NULL, ts3 timestamp(3) NULL, y year, en enum('a','bb'), se set('a','bb','c'), j json, g geometry, p point);
INSERT INTO people VALUES (1, 'Anna', 'anna@example.org', 'ab', 'nöte "x"', 'ok', x'0102030405', '{"a": 1}', 12.34, 100, '2024-02-29 10:00:00', '2024-02-29 10:00:00.5', 'a,c', 1, 'x', 'abcdefgh', 'abc', 'h', 'plain', 'é'), (2, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, '', 'ü', 'abcde', 'a\nb', 'sad', x'01', 'null', 0, 0, NULL, NULL, '', 0, '', 'äöüß', '', '', '', '');
INSERT INTO other (a, b, hidden, e) VALUES (1, 'b1', 'h', 'x'), (NULL, 'b2', NULL, 'y');
INSERT INTO keyless VALUES (1, 'y');
INSERT INTO `Mixed Case` VALUES (1, 'a', 'b');
INSERT INTO types (ti, en, se, tx) VALUES (1, 'bb', 'a,c', 'text');
INSERT INTO marker VALUES (0);
