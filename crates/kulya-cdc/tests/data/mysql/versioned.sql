-- System versioning of MariaDB. Database zoo.
CREATE TABLE hidden (id int PRIMARY KEY, a int) WITH SYSTEM VERSIONING;
INSERT INTO hidden VALUES (1,1),(2,2);
UPDATE hidden SET a = 3 WHERE id = 1;
DELETE FROM hidden WHERE id = 2;
REPLACE INTO hidden VALUES (1,9);
CREATE TABLE declared (id int PRIMARY KEY, a int, s bigint unsigned GENERATED ALWAYS AS ROW START, e bigint unsigned GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING;
INSERT INTO declared (id, a) VALUES (1,1);
UPDATE declared SET a = 2;
DELETE FROM declared;
DELETE HISTORY FROM hidden;
