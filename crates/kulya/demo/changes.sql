-- What then happens to the demo's customers.
UPDATE customers SET tier = 'gold' WHERE id % 9 = 0;
UPDATE customers SET country = 'Portugal', note = 'moved in spring' WHERE id % 25 = 3;
BEGIN;
INSERT INTO customers VALUES (151, 'Kofi Mensah', 'Ghana', 'basic', 120.00, '2026-02-01', NULL);
INSERT INTO customers VALUES (152, 'Lena Novak', 'Croatia', 'gold', 990.50, '2026-02-02', 'asked for an offer');
UPDATE customers SET credit = credit + 25.25 WHERE country = 'Kenya';
COMMIT;
BEGIN;
DELETE FROM customers WHERE id = 1;
ROLLBACK;
DELETE FROM customers WHERE id % 50 = 7;
UPDATE customers SET id = 160 WHERE id = 150;
