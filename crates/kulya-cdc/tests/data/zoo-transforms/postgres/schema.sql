-- Tables for transformations. Written for this project.
CREATE SCHEMA zoo;
CREATE TABLE zoo.orders (id int PRIMARY KEY, customer int NOT NULL, total numeric(12,2), note text DEFAULT 'none', big text);
ALTER TABLE zoo.orders ALTER big SET STORAGE EXTERNAL;
CREATE TABLE zoo.full_image (id int PRIMARY KEY, v text, tags text[]);
ALTER TABLE zoo.full_image REPLICA IDENTITY FULL;
CREATE TABLE zoo.shard_1 (id int, region text, v text, PRIMARY KEY (id, region));
CREATE TABLE zoo.shard_2 (id int, region text, v text, PRIMARY KEY (id, region));
CREATE TABLE zoo.no_key (a int, b text);
ALTER TABLE zoo.no_key REPLICA IDENTITY FULL;
CREATE TABLE zoo.routed (id int PRIMARY KEY, target text);
ALTER TABLE zoo.routed REPLICA IDENTITY FULL;
CREATE TABLE zoo.marker (id int PRIMARY KEY); -- parts of the changes end with a row of it
-- rows present before the connector starts (snapshot, op=r)
INSERT INTO zoo.orders VALUES (1, 10, 99.95), (2, 11, NULL);
INSERT INTO zoo.orders VALUES (20, 11, NULL, NULL, NULL);
INSERT INTO zoo.full_image VALUES (1, 'snap', '{a,b}');
INSERT INTO zoo.shard_1 VALUES (1, 'eu', 'one');
INSERT INTO zoo.shard_2 VALUES (1, 'eu', 'two');
INSERT INTO zoo.no_key VALUES (1, 'snap');
INSERT INTO zoo.routed VALUES (1, 'zoo.first'), (2, NULL), (3, '');
INSERT INTO zoo.marker VALUES (0);
