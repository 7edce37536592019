-- The demo's customers, as they are before anything changes.
CREATE TABLE customers (
    id      integer PRIMARY KEY,
    name    varchar(100) NOT NULL,
    country varchar(50) NOT NULL,
    tier    varchar(10) NOT NULL DEFAULT 'basic',
    credit  decimal(10,2) NOT NULL,
    since   date NOT NULL,
    note    text
) CHARACTER SET utf8mb4;
INSERT INTO customers (id, name, country, credit, since)
WITH RECURSIVE numbers (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < 150)
SELECT
    id,
    CONCAT(
        ELT(1 + id % 10, 'Asha', 'Bruno', 'Chen', 'Dalia', 'Emeka', 'Freja', 'Goran', 'Hana', 'Ivo', 'Jaya'), ' ',
        ELT(1 + id % 7, 'Almeida', 'Bergström', 'Costa', 'Dvořák', 'Eze', 'Fischer', 'Garcia')
    ),
    ELT(1 + id % 8, 'India', 'Brazil', 'China', 'Kenya', 'Nigeria', 'Denmark', 'Croatia', 'Japan'),
    50 + (id * 37 % 400) + (id % 100) / 100.0,
    DATE_ADD('2024-01-01', INTERVAL id * 5 DAY)
FROM numbers;
