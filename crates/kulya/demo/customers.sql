-- The demo's customers, as they are before anything changes.
CREATE TABLE customers (
    id      integer PRIMARY KEY,
    name    text NOT NULL,
    country text NOT NULL,
    tier    text NOT NULL DEFAULT 'basic',
    credit  numeric(10,2) NOT NULL,
    since   date NOT NULL,
    note    text
);
INSERT INTO customers (id, name, country, credit, since)
SELECT
    id,
    (ARRAY['Asha','Bruno','Chen','Dalia','Emeka','Freja','Goran','Hana','Ivo','Jaya'])[1 + id % 10]
        || ' ' || (ARRAY['Almeida','Bergström','Costa','Dvořák','Eze','Fischer','Garcia'])[1 + id % 7],
    (ARRAY['India','Brazil','China','Kenya','Nigeria','Denmark','Croatia','Japan'])[1 + id % 8],
    50 + (id * 37 % 400) + (id % 100) / 100.0,
    date '2024-01-01' + id * 5
FROM generate_series(1, 150) AS id;
