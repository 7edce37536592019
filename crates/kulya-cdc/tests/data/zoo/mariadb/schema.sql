-- Table zoo of MariaDB and MySQL 8 schema. Written for this project. Database: zoo
CREATE TABLE numbers (id int PRIMARY KEY, t1 tinyint, t1b tinyint(1), bo boolean, tu tinyint unsigned, s smallint, su smallint unsigned, m mediumint, mu mediumint unsigned, i int, iu int unsigned, b bigint, bu bigint unsigned, z int(6) unsigned zerofill, d decimal(10,3), du decimal(20,0) unsigned, d65 decimal(65,30), f float, f2 float(7,3), db double, bi1 bit(1), bi5 bit(5), bi64 bit(64), nn int NOT NULL DEFAULT 5);
CREATE TABLE texts (id int PRIMARY KEY, c char(5), vc varchar(20), vcl varchar(20) CHARACTER SET latin1, tt tinytext, t text, mt mediumtext, lt longtext, e enum('a','b','c,d'), s set('x','y','z'), bin binary(4), vb varbinary(8), tb tinyblob, bl blob, mb mediumblob, lb longblob, j json, cbin varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin);
CREATE TABLE times (id int PRIMARY KEY, d date, t time, t3 time(3), t6 time(6), dt datetime, dt3 datetime(3), dt6 datetime(6), ts timestamp NULL, ts3 timestamp(3) NULL, ts6 timestamp(6) NULL, y year);
CREATE TABLE geo (id int PRIMARY KEY, p point, g geometry, ls linestring, pl polygon);
CREATE TABLE gen (id int AUTO_INCREMENT PRIMARY KEY, a int NOT NULL DEFAULT 7, b varchar(10) DEFAULT 'x''y', gv int GENERATED ALWAYS AS (a * 2) VIRTUAL, gs int GENERATED ALWAYS AS (a + 1) STORED, ts timestamp DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE composite_pk (region varchar(10), num int, note text, PRIMARY KEY (num, region));
CREATE TABLE no_pk (a int, b varchar(20));
CREATE TABLE uniq_only (code varchar(10) NOT NULL, v int, UNIQUE KEY (code));
CREATE TABLE orders (id int PRIMARY KEY, customer int, total decimal(12,2));
CREATE TABLE order_lines (order_id int, line int, sku varchar(20), qty int, PRIMARY KEY(order_id, line));
CREATE TABLE evolve (id int PRIMARY KEY, a int);
CREATE TABLE `Mixed Case` (`Id` int PRIMARY KEY, `a.b` varchar(5), `sp ace` int);
CREATE TABLE part (id int, y int, v varchar(10), PRIMARY KEY(id,y)) PARTITION BY RANGE (y) (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE bigtext (id int PRIMARY KEY, small int, big longtext);
CREATE TABLE marker (id int PRIMARY KEY); -- parts of the changes end with a row of it
INSERT INTO orders VALUES (1,10,99.95),(2,11,0.10);
INSERT INTO gen (a) VALUES (1),(2);
INSERT INTO composite_pk VALUES ('eu',1,'one');
INSERT INTO no_pk VALUES (1,'snap');
INSERT INTO numbers VALUES (1,-128,1,true,255,-32768,65535,-8388608,16777215,-2147483648,4294967295,-9223372036854775808,18446744073709551615,42,-1234567.891,18446744073709551615,12345678901234567890123456789012345.123456789012345678901234567890,1.5,1234.567,2.5,b'1',b'10101',b'1000000000000000000000000000000000000000000000000000000000000001',1);
INSERT INTO texts VALUES (1,'ab','vc','é','tiny','text "q" \\ é 漢字 😀','mt','lt','c,d','x,z',x'0102',x'00ff',x'00',x'ff10','mb','lb','{"b": 1, "a": [1, 2.50, null, true, "s"]}','Bin');
INSERT INTO times VALUES (1,'2024-02-29','12:34:56','12:34:56.789','12:34:56.789012','2024-02-29 12:34:56','2024-02-29 12:34:56.789','2024-02-29 12:34:56.789012','2024-02-29 12:34:56','2024-02-29 12:34:56.789','2024-02-29 12:34:56.789012',2024);
INSERT INTO bigtext VALUES (1,1,REPEAT('abcdefghij',2000));
