-- Names of columns with their tables, which MariaDB accepts.
CREATE TABLE stock (stock.amount INT, .note TEXT, KEY by_amount (amount));
ALTER TABLE stock MODIFY stock.amount BIGINT NOT NULL, DROP stock.note;
ALTER TABLE stock DROP KEY stock.by_amount;
-- Default values that MySQL leaves out, with a warning.
CREATE TABLE page (id INT PRIMARY KEY, body MEDIUMTEXT NOT NULL DEFAULT '', raw BLOB DEFAULT '');
ALTER TABLE page ADD summary TEXT DEFAULT '' AFTER id;
-- Texts in the catalog's forms.
CREATE TABLE label (e ENUM('a\\b', 'it''s', 'c,d') NOT NULL DEFAULT 'a\\b', v VARCHAR(9) DEFAULT 'it''s',
  n VARCHAR(9) DEFAULT 1.50, c CHAR(3) COLLATE latin1_bin DEFAULT 'x' COMMENT 'it''s a "c"',
  d DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), g INT AS (CHAR_LENGTH(v)) STORED);
ALTER TABLE label CONVERT TO CHARACTER SET latin1, RENAME TO tag;
ALTER TABLE tag ADD INDEX (v), ALTER v SET DEFAULT 'z', ALTER n DROP DEFAULT, CHANGE c C TEXT;
-- One of the tables is missing.
DROP TABLE tag, absent, page;
