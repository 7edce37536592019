-- What only MariaDB has. Database zoo.
CREATE TABLE compressed (id int PRIMARY KEY, v200 varchar(200) COMPRESSED CHARACTER SET latin1, v254 varchar(254) COMPRESSED CHARACTER SET latin1, v255 varchar(255) COMPRESSED CHARACTER SET latin1, v256 varchar(256) COMPRESSED CHARACTER SET latin1, vb varbinary(300) COMPRESSED, tt tinytext COMPRESSED, t text COMPRESSED, mt mediumtext COMPRESSED, lb longblob COMPRESSED);
INSERT INTO compressed VALUES (1,'short','','x',NULL,x'00','t','é','','l');
INSERT INTO compressed VALUES (2,REPEAT('ÿ',200),REPEAT('a',254),REPEAT('b',255),REPEAT('c',256),REPEAT(x'00',300),REPEAT('t',255),REPEAT('é',5000),REPEAT('m',70000),REPEAT(x'00ff',30000));
SET column_compression_zlib_wrap=ON;
INSERT INTO compressed VALUES (3,REPEAT('ÿ',200),REPEAT('a',254),REPEAT('b',255),REPEAT('c',256),REPEAT(x'00',300),REPEAT('t',255),REPEAT('é',5000),NULL,NULL);
CREATE TABLE special (id int PRIMARY KEY, u uuid, i4 inet4, i6 inet6, j json, inv int INVISIBLE DEFAULT 5);
INSERT INTO special (id,u,i4,i6,j) VALUES (1,'550e8400-e29b-41d4-a716-446655440000','192.168.0.1','2001:db8::ff00:42:8329','{"b": 1,  "a": [1, 2.50, null]}'),(2,NULL,NULL,NULL,NULL),(3,'00000000-0000-0000-0000-000000000000','0.0.0.0','::','1'),(4,'017f22e2-79b0-7cc3-98c4-dc0c0c07398f','255.255.255.0','ff::','"x"');
CREATE TABLE versioned (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING;
INSERT INTO versioned VALUES (1,1);
CREATE SEQUENCE seq START WITH 5; SELECT NEXTVAL(seq);
SET gtid_domain_id=3; INSERT INTO no_key VALUES (3,'domain 3'); SET gtid_domain_id=0;
FLUSH LOGS;
