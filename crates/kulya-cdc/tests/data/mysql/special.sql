-- One log file for each part, most with events that capture must refuse. Database zoo; the name of a file is before its part.
CREATE TABLE refused (id int PRIMARY KEY, n int, t text);
INSERT INTO refused VALUES (1,1,'text'),(2,2,'text');
FLUSH LOGS;
-- minimal
SET SESSION binlog_row_image=MINIMAL; UPDATE refused SET n = 5 WHERE id = 1; FLUSH LOGS;
-- noblob
SET SESSION binlog_row_image=NOBLOB; UPDATE refused SET n = 6 WHERE id = 1; FLUSH LOGS;
SET SESSION binlog_row_image=FULL;
-- statement
SET SESSION binlog_format=STATEMENT; LOAD DATA LOCAL INFILE 'row.tsv' INTO TABLE refused; FLUSH LOGS;
-- partial-json, on MySQL only, after mysql.sql
SET SESSION binlog_row_value_options=PARTIAL_JSON; UPDATE json SET j = JSON_SET(j, '$.a[1]', 7) WHERE id = 1; FLUSH LOGS;
-- two-phase, on MariaDB only; the second ALTER fails
SET SESSION binlog_alter_two_phase=ON; CREATE TABLE t (id int); ALTER TABLE t ADD COLUMN x int; INSERT INTO t VALUES (1,1),(1,1); ALTER TABLE t ADD UNIQUE KEY (id);
