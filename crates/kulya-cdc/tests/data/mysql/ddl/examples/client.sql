# What a client's script has around its statements.
USE shop;
CREATE TABLE `order` (id INT PRIMARY KEY, note VARCHAR(20) DEFAULT 'a;b'); -- the first; of two
CREATE TABLE /* ; */ item (id INT PRIMARY KEY, `order` INT);
DELIMITER $$
CREATE TRIGGER `insert` BEFORE INSERT ON item FOR EACH ROW BEGIN
  SET NEW.`order` = 1;
END$$
DELIMITER ;
ALTER TABLE missing.item DROP COLUMN amount, ADD price DECIMAL(8, 2) AFTER made_first;
DROP DATABASE shop;
CREATE TABLE item (id INT);
