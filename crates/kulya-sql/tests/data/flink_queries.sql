-- Bounded queries that run in Flink SQL and in Kulya: over orders, in each of their formats, and over the
-- current rows of changes. A line `-- differs: reason` before a query says why the rows are others.

SELECT count(*), count(category), count(DISTINCT customer), count(DISTINCT category) FROM orders;

SELECT category, count(*), sum(quantity), min(quantity), max(quantity) FROM orders GROUP BY category;

SELECT paid, category, sum(amount), min(amount), max(amount) FROM orders GROUP BY paid, category;

SELECT sum(price), min(price), max(price), count(price) FROM orders;

SELECT avg(price), avg(amount), avg(quantity) FROM orders WHERE customer < 10;

SELECT id, customer, product, quantity FROM orders WHERE quantity > 17 AND paid;

SELECT id, note FROM orders WHERE note LIKE '%b%' OR note IS NULL;

SELECT id, amount * quantity, amount + 1, amount - quantity, price / 4, quantity * 2 + 1 FROM orders WHERE id < 1000;

SELECT id, upper(product), lower(category), char_length(note), substring(product, 3, 4), note || '!' FROM orders WHERE id < 2000;

SELECT id, CASE WHEN quantity < 0 THEN 'back' WHEN quantity IS NULL THEN 'none' ELSE 'sold' END FROM orders WHERE id < 2000;

SELECT id, coalesce(category, 'none'), nullif(category, 'books'), quantity IS NULL, paid IS NOT TRUE FROM orders WHERE id < 2000;

SELECT extract(year FROM placed), extract(month FROM due), count(*) FROM orders GROUP BY extract(year FROM placed), extract(month FROM due);

SELECT floor(placed TO hour), count(*), sum(quantity) FROM orders GROUP BY floor(placed TO hour);

SELECT o.address.city, count(*), max(o.address.zip) FROM orders AS o GROUP BY o.address.city;

SELECT id, tags[1], cardinality(tags), attributes['k1'], cardinality(attributes) FROM orders WHERE id < 2000;

SELECT id, tags, attributes, address, payload, placed, due FROM orders WHERE id < 500;

SELECT tag, count(*), count(DISTINCT customer) FROM orders CROSS JOIN UNNEST(tags) AS u (tag) GROUP BY tag;

SELECT DISTINCT category, paid FROM orders;

SELECT customer, count(*) FROM orders GROUP BY customer HAVING count(*) > 5 AND sum(quantity) > 60;

SELECT id, amount FROM orders WHERE amount IS NOT NULL ORDER BY amount DESC, id LIMIT 20;

SELECT id, due FROM orders WHERE due IS NOT NULL ORDER BY due, id LIMIT 10 OFFSET 15;

SELECT id, category, amount FROM (
  SELECT id, category, amount, row_number() OVER (PARTITION BY category ORDER BY amount DESC, id) AS n FROM orders WHERE amount IS NOT NULL
) WHERE n <= 3;

SELECT product, amount, r FROM (
  SELECT product, amount, rank() OVER (PARTITION BY product ORDER BY amount DESC) AS r FROM orders WHERE amount IS NOT NULL
) WHERE r <= 2;

SELECT id, sum(quantity) OVER (PARTITION BY customer ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW),
  count(*) OVER (PARTITION BY customer ORDER BY id) FROM orders WHERE customer < 100;

SELECT id, lag(amount) OVER (PARTITION BY customer ORDER BY id), lead(id, 2) OVER (PARTITION BY customer ORDER BY id)
  FROM orders WHERE customer < 100;

SELECT id, first_value(id) OVER (PARTITION BY customer ORDER BY id), max(quantity) OVER (PARTITION BY customer)
  FROM orders WHERE customer < 100;

SELECT a.id, b.id FROM orders AS a JOIN orders AS b ON a.customer = b.customer AND a.id < b.id WHERE a.customer < 50;

SELECT o.id, c.total FROM orders AS o LEFT JOIN (
  SELECT customer, sum(amount) AS total FROM orders WHERE paid GROUP BY customer HAVING count(*) > 3
) AS c ON o.customer = c.customer WHERE o.id < 1000;

SELECT a.category, a.n, b.category, b.n FROM (SELECT category, count(*) AS n FROM orders WHERE paid GROUP BY category) AS a
  FULL OUTER JOIN (SELECT category, count(*) AS n FROM orders WHERE quantity > 18 GROUP BY category) AS b ON a.category = b.category;

SELECT id, customer FROM orders WHERE customer IN (SELECT customer FROM orders WHERE amount > 99500) AND id < 5000;

SELECT count(*) FROM orders AS o WHERE NOT EXISTS (SELECT 1 FROM orders AS p WHERE p.customer = o.customer AND p.amount > 90000);

SELECT id, amount FROM orders WHERE amount > (SELECT max(amount) FROM orders WHERE customer = 7);

SELECT id, product FROM orders WHERE id < 300 UNION ALL SELECT id, product FROM orders WHERE id < 200;

SELECT product FROM orders WHERE quantity = 1 UNION SELECT product FROM orders WHERE quantity = 2;

SELECT product, category FROM orders WHERE quantity = 1 INTERSECT SELECT product, category FROM orders WHERE quantity = 2;

SELECT product, category FROM orders WHERE quantity > 0 EXCEPT SELECT product, category FROM orders WHERE quantity = 2;

SELECT window_start, window_end, count(*), sum(amount) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(placed), INTERVAL '30' MINUTE))
  GROUP BY window_start, window_end;

SELECT window_start, window_end, category, count(*) FROM TABLE(HOP(TABLE orders, DESCRIPTOR(placed), INTERVAL '15' MINUTE, INTERVAL '1' HOUR))
  GROUP BY window_start, window_end, category;

SELECT window_start, window_end, max(quantity) FROM TABLE(CUMULATE(TABLE orders, DESCRIPTOR(placed), INTERVAL '20' MINUTE, INTERVAL '1' HOUR))
  GROUP BY window_start, window_end;

SELECT tumble_start(placed, INTERVAL '1' HOUR), tumble_end(placed, INTERVAL '1' HOUR), paid, count(*) FROM orders
  GROUP BY tumble(placed, INTERVAL '1' HOUR), paid;

SELECT hop_start(placed, INTERVAL '20' MINUTE, INTERVAL '1' HOUR), sum(quantity) FROM orders
  GROUP BY hop(placed, INTERVAL '20' MINUTE, INTERVAL '1' HOUR);

SELECT category, paid, count(*), grouping(category) FROM orders GROUP BY GROUPING SETS ((category, paid), (category), ());

SELECT category, paid, sum(quantity) FROM orders GROUP BY ROLLUP (category, paid);

SELECT category, paid, sum(quantity) FROM orders GROUP BY CUBE (category, paid);

SELECT category, count(*) FILTER (WHERE paid), sum(quantity) FILTER (WHERE quantity > 5), count(DISTINCT product) FILTER (WHERE paid) FROM orders GROUP BY category;

SELECT id, due + INTERVAL '3' DAY, placed - INTERVAL '90' MINUTE, timestampdiff(DAY, CAST(due AS TIMESTAMP(3)), placed) FROM orders WHERE id < 2000;

SELECT id, CAST(amount AS INT), CAST(quantity AS STRING), CAST(placed AS DATE), CAST(price AS INT), CAST(id AS DECIMAL(12, 3)) FROM orders WHERE id < 2000;

SELECT id, trim(note), replace(product, 'product', 'p'), lpad(product, 14, '*'), position('-' IN product), reverse(product), initcap(category) FROM orders WHERE id < 2000;

SELECT id, mod(quantity, 5), abs(quantity), round(price, 1), floor(price), ceil(amount), power(quantity, 2), sign(quantity) FROM orders WHERE id < 2000;

SELECT id, quantity BETWEEN 3 AND 9, category IN ('books', 'Games'), product LIKE 'product-1_', paid AND quantity > 3, NOT paid FROM orders WHERE id < 2000;

SELECT id, dayofweek(due), quarter(due), hour(placed), minute(placed), date_format(placed, 'yyyy/MM/dd HH:mm') FROM orders WHERE id < 2000;

WITH big AS (SELECT customer, sum(amount) AS total FROM orders GROUP BY customer), top AS (SELECT max(total) AS t FROM big)
  SELECT customer, total FROM big, top WHERE total > t * 0.9;

SELECT count(*), sum(amount), count(DISTINCT customer), max(updated) FROM changes;

SELECT status, count(*), sum(amount), min(id), max(updated) FROM changes GROUP BY status;

SELECT id, customer, status, amount, updated FROM changes WHERE amount > 990 OR id < 50;

SELECT DISTINCT status FROM changes WHERE customer < 20;

SELECT customer, count(*) FROM changes GROUP BY customer HAVING count(*) > 8;

SELECT a.id, b.id FROM changes AS a JOIN changes AS b ON a.customer = b.customer AND a.id < b.id WHERE a.customer < 20;

SELECT c.id, t.n FROM changes AS c LEFT JOIN (SELECT status, count(*) AS n FROM changes GROUP BY status) AS t ON c.status = t.status WHERE c.id < 100;

SELECT id, amount FROM (SELECT id, amount, row_number() OVER (PARTITION BY status ORDER BY amount DESC, id) AS n FROM changes) WHERE n <= 5;

SELECT id FROM changes WHERE customer IN (SELECT customer FROM changes WHERE amount > 995);

SELECT customer FROM changes WHERE status = 'paid' UNION SELECT customer FROM changes WHERE status = 'new';

SELECT upper(status), extract(hour FROM updated), count(*) FROM changes GROUP BY upper(status), extract(hour FROM updated);

SELECT id, coalesce(status, 'none'), CASE WHEN amount > 500 THEN 'large' ELSE 'small' END FROM changes WHERE id < 500;

SELECT avg(amount), sum(amount) / count(*) FROM changes;
