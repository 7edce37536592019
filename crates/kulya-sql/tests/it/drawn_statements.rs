//! Statements drawn at random, with a fixed seed each: those of a grammar, which are valid, and such with a
//! token changed, which mostly are not.

use kulya_testkit::SeededRng;

/// Returns so many statements of each kind.
pub(crate) fn statements(count: usize) -> Vec<String> {
    let valid = |seed: u64| Draw(SeededRng::new(seed)).statement();
    let mutated = |seed: u64| {
        let mut draw = Draw(SeededRng::new(seed));
        let statement = draw.statement();
        draw.mutated(&statement)
    };
    let count = count as u64;
    (0..count).map(valid).chain((count..2 * count).map(mutated)).collect()
}

const NAMES: [&str; 9] = ["a", "b", "amount", "`order`", "t.a", "`my col`", "ts", "`é`", "user_id"];
const TABLES: [&str; 5] = ["t", "orders", "db.orders", "`c`.db.t", "`my table`"];
const LITERALS: [&str; 12] = [
    "1",
    "0.5",
    "1e3",
    "'x'",
    "'it''s'",
    "NULL",
    "TRUE",
    "x'0AFF'",
    "DATE '2024-02-29'",
    "TIMESTAMP '2024-02-29 12:00:00'",
    "INTERVAL '1' DAY",
    "INTERVAL '1:30' HOUR TO MINUTE",
];
const TYPES: [&str; 14] = [
    "INT",
    "BIGINT NOT NULL",
    "STRING",
    "VARCHAR(10)",
    "DECIMAL(10, 2)",
    "TIMESTAMP(3)",
    "TIMESTAMP_LTZ(6)",
    "TIMESTAMP(3) WITH LOCAL TIME ZONE",
    "BYTES",
    "ARRAY<INT NOT NULL>",
    "MAP<STRING, ARRAY<DOUBLE>>",
    "ROW<a INT, `b c` STRING>",
    "MULTISET<DATE>",
    "TIME(0)",
];
/// Tokens that a mutation puts in.
const TOKENS: [&str; 40] = [
    "SELECT", "FROM", "WHERE", "GROUP", "BY", "ORDER", "AS", "ON", "JOIN", "TABLE", "WITH", "(", ")", ",",
    ".", ";", "=", "<>", "*", "+", "||", "'x'", "`q`", "1", "NOT", "NULL", "PRIMARY", "KEY", "IF", "EXISTS",
    "INTO", "VALUES", "CREATE", "INT", "<", ">", "AND", "END", "CASE", "OVER",
];

struct Draw(SeededRng);

impl Draw {
    fn one_of(&mut self, items: &[&str]) -> String {
        items[self.0.index(items.len())].to_owned()
    }

    fn maybe(&mut self, draw: impl FnOnce(&mut Self) -> String) -> String {
        if self.0.one_in(2) { format!(" {}", draw(self)) } else { String::new() }
    }

    fn list(&mut self, max: usize, mut draw: impl FnMut(&mut Self) -> String) -> String {
        let items: Vec<String> = (0..=self.0.index(max)).map(|_| draw(self)).collect();
        items.join(", ")
    }

    fn statement(&mut self) -> String {
        match self.0.index(10) {
            0..=4 => self.query(3),
            5 | 6 => self.create_table(),
            7 => {
                let (table, columns) = (
                    self.one_of(&TABLES),
                    self.maybe(|draw| format!("({})", draw.list(2, Self::column_name))),
                );
                format!("INSERT INTO {table}{columns} {}", self.query(2))
            }
            8 => self.alter_or_view(),
            _ => self.other(),
        }
    }

    fn column_name(&mut self) -> String {
        self.one_of(&["a", "b", "`my col`", "amount"])
    }

    fn query(&mut self, depth: usize) -> String {
        if depth > 0 && self.0.one_in(6) {
            let operator = self.one_of(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT"]);
            return format!("{} {operator} {}", self.select(depth - 1), self.select(depth - 1));
        }
        if depth > 0 && self.0.one_in(8) {
            return format!("WITH w AS ({}) SELECT * FROM w", self.select(depth - 1));
        }
        let select = self.select(depth);
        let order = self.maybe(|draw| {
            format!("ORDER BY {}{}", draw.expression(1), draw.one_of(&["", " DESC", " NULLS LAST"]))
        });
        let limit =
            self.maybe(|draw| draw.one_of(&["LIMIT 5", "LIMIT 5 OFFSET 2", "FETCH FIRST 3 ROWS ONLY"]));
        format!("{select}{order}{limit}")
    }

    fn select(&mut self, depth: usize) -> String {
        let distinct = self.one_of(&["", "", "DISTINCT ", "ALL "]);
        let items = self.list(3, |draw| {
            if draw.0.one_in(8) {
                return "*".to_owned();
            }
            let alias = draw.maybe(|draw| draw.one_of(&["AS x", "AS `select`", "y"]));
            format!("{}{alias}", draw.expression(depth))
        });
        let from = self.from(depth);
        let filter = self.maybe(|draw| format!("WHERE {}", draw.condition(depth)));
        let group = self.maybe(|draw| {
            let keys = match draw.0.index(4) {
                0 => "GROUPING SETS ((a), (a, b), ())".to_owned(),
                1 => draw.one_of(&[
                    "ROLLUP (a, b)",
                    "CUBE (a, b)",
                    "TUMBLE(ts, INTERVAL '1' HOUR)",
                    "HOP(ts, INTERVAL '1' MINUTE, INTERVAL '1' HOUR), a",
                ]),
                _ => draw.list(2, |draw| draw.expression(0)),
            };
            let having = draw.maybe(|draw| format!("HAVING {}", draw.condition(1)));
            format!("GROUP BY {keys}{having}")
        });
        format!("SELECT {distinct}{items} FROM {from}{filter}{group}")
    }

    fn from(&mut self, depth: usize) -> String {
        let first = self.table(depth);
        match self.0.index(5) {
            0 => {
                let kind = self.one_of(&["JOIN", "LEFT JOIN", "FULL OUTER JOIN", "INNER JOIN", "RIGHT JOIN"]);
                let (table, on) = (self.table(depth), self.condition(depth));
                format!("{first} {kind} {table} ON {on}")
            }
            1 => {
                let other = self.table(depth);
                format!("{first}{}{other}", self.one_of(&[", ", " CROSS JOIN ", " NATURAL JOIN "]))
            }
            2 => format!("{first} CROSS JOIN UNNEST(tags) AS u (tag)"),
            _ => first,
        }
    }

    fn table(&mut self, depth: usize) -> String {
        match self.0.index(8) {
            0 if depth > 0 => format!("({}) AS s", self.select(depth - 1)),
            1 => {
                let window = self.one_of(&[
                    "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES)",
                    "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '10' MINUTES)",
                    "CUMULATE(TABLE db.t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' DAY)",
                    "SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '5' SECOND)",
                    "TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' HOUR)",
                ]);
                if self.0.one_in(2) { format!("TABLE({window})") } else { window }
            }
            2 => format!("{} /*+ OPTIONS('unreadable-events'='skip') */", self.one_of(&TABLES)),
            3 => "(VALUES (1, 'a'), (2, 'b')) AS v (n, s)".to_owned(),
            _ => {
                let table = self.one_of(&TABLES);
                format!("{table}{}", self.maybe(|draw| draw.one_of(&["AS o", "o", "AS o (a, b)"])))
            }
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        let left = self.expression(depth.min(1));
        match self.0.index(9) {
            0 => format!("{left} BETWEEN {} AND {}", self.expression(0), self.expression(0)),
            1 => format!("{left} IN ({})", self.list(3, |draw| draw.one_of(&LITERALS))),
            2 => format!("{left} LIKE 'a%'"),
            3 => format!("{left} IS{} NULL", self.one_of(&["", " NOT"])),
            4 if depth > 0 => format!("EXISTS ({})", self.select(depth - 1)),
            5 if depth > 0 => {
                format!("NOT ({}) AND {}", self.condition(depth - 1), self.condition(depth - 1))
            }
            6 => format!("{left} IS NOT DISTINCT FROM {}", self.expression(0)),
            _ => {
                let operator = self.one_of(&["=", "<>", "<", ">="]);
                format!("{left} {operator} {}", self.expression(0))
            }
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return if self.0.one_in(3) { self.one_of(&LITERALS) } else { self.one_of(&NAMES) };
        }
        let depth = depth - 1;
        match self.0.index(14) {
            0 => format!(
                "{} {} {}",
                self.expression(depth),
                self.one_of(&["+", "-", "*", "/", "||", "%"]),
                self.expression(depth)
            ),
            1 => format!(
                "CAST({} AS {})",
                self.expression(depth),
                self.one_of(&TYPES).trim_end_matches(" NOT NULL")
            ),
            2 => format!("TRY_CAST({} AS INT)", self.expression(depth)),
            3 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(0),
                self.expression(depth),
                self.expression(depth)
            ),
            4 => format!("COUNT({})", self.one_of(&["*", "a", "DISTINCT b", "DISTINCT a, b"])),
            5 => format!(
                "SUM({}){}",
                self.expression(depth),
                self.maybe(|draw| format!("FILTER (WHERE {})", draw.condition(0)))
            ),
            6 => format!(
                "ROW_NUMBER() OVER (PARTITION BY a ORDER BY {}{})",
                self.one_of(&["ts", "ts DESC", "`my col`"]),
                self.maybe(|draw| draw.one_of(&[
                    "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
                    "RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW"
                ]))
            ),
            7 => self.one_of(&[
                "FLOOR(ts TO DAY)",
                "EXTRACT(YEAR FROM ts)",
                "TIMESTAMPADD(DAY, 1, ts)",
                "TIMESTAMPDIFF(HOUR, ts, ts)",
                "CURRENT_TIMESTAMP",
                "SUBSTRING(a FROM 2 FOR 3)",
                "TRIM(BOTH 'x' FROM a)",
                "POSITION('x' IN a)",
                "JSON_VALUE(a, '$.x' RETURNING INT)",
                "JSON_OBJECT('k' VALUE a)",
                "OVERLAY(a PLACING 'x' FROM 2)",
            ]),
            8 => format!("ARRAY[{}]", self.list(2, |draw| draw.expression(depth))),
            9 => format!("MAP['k', {}]", self.expression(depth)),
            10 => format!("ROW({})", self.list(2, |draw| draw.expression(depth))),
            11 => format!("UPPER({})", self.expression(depth)),
            12 => format!("COALESCE({}, {})", self.expression(depth), self.expression(depth)),
            _ => format!("({})", self.expression(depth)),
        }
    }

    fn create_table(&mut self) -> String {
        // names of columns are unique
        let mut names = ["a", "b", "`my col`", "amount", "ts"].into_iter();
        let columns = self.list(4, |draw| {
            let name = names.next().unwrap_or_default();
            match draw.0.index(6) {
                0 => format!(
                    "{name} {} METADATA{}",
                    draw.one_of(&TYPES),
                    draw.maybe(|draw| draw.one_of(&["FROM 'k'", "VIRTUAL", "FROM 'k' VIRTUAL"]))
                ),
                1 => format!("{name} AS {}", draw.expression(1)),
                2 => format!("{name} {} COMMENT 'c'", draw.one_of(&TYPES)),
                _ => format!("{name} {}", draw.one_of(&TYPES)),
            }
        });
        let more = self.one_of(&[
            "",
            "",
            ", WATERMARK FOR ts AS ts - INTERVAL '5' SECOND",
            ", PRIMARY KEY (a) NOT ENFORCED",
            ", CONSTRAINT pk PRIMARY KEY (a, b) NOT ENFORCED",
        ]);
        let temporary = self.one_of(&["", "", "TEMPORARY "]);
        let exists = self.one_of(&["", "IF NOT EXISTS "]);
        let table = self.one_of(&TABLES);
        let comment = self.maybe(|_| "COMMENT 'it''s'".to_owned());
        let options =
            self.maybe(|_| "WITH ('format' = 'json', 'json.ignore-parse-errors' = 'true')".to_owned());
        let like = if self.0.one_in(5) {
            self.one_of(&[
                " LIKE t",
                " LIKE db.t (EXCLUDING ALL INCLUDING OPTIONS)",
                " LIKE t (OVERWRITING WATERMARKS)",
            ])
        } else {
            String::new()
        };
        format!("CREATE {temporary}TABLE {exists}{table} ({columns}{more}){comment}{options}{like}")
    }

    fn alter_or_view(&mut self) -> String {
        let table = self.one_of(&TABLES);
        match self.0.index(8) {
            0 => format!("ALTER TABLE {table} ADD ({} {})", self.column_name(), self.one_of(&TYPES)),
            1 => format!("ALTER TABLE {table} RENAME TO t2"),
            2 => format!("ALTER TABLE {table} SET ('a' = 'b')"),
            3 => format!(
                "ALTER TABLE {table} MODIFY {} {}{}",
                self.column_name(),
                self.one_of(&TYPES),
                self.maybe(|draw| draw.one_of(&["FIRST", "AFTER a"]))
            ),
            4 => format!("ALTER TABLE {table} DROP (a, b)"),
            5 => format!("CREATE TEMPORARY VIEW v AS {}", self.query(1)),
            6 => format!("CREATE VIEW IF NOT EXISTS v (x, y) COMMENT 'c' AS {}", self.query(1)),
            _ => format!("DROP {} IF EXISTS {table}", self.one_of(&["TABLE", "VIEW", "TEMPORARY TABLE"])),
        }
    }

    fn other(&mut self) -> String {
        let query = self.query(1);
        let explained = format!("EXPLAIN PLAN FOR {query}");
        let set = format!("EXECUTE STATEMENT SET BEGIN INSERT INTO t {query}; INSERT INTO o SELECT 1; END");
        self.one_of(&[
            &explained,
            &set,
            "SHOW TABLES FROM db LIKE 'a%'",
            "SHOW CREATE TABLE t",
            "SHOW CATALOGS",
            "DESCRIBE db.t",
            "CREATE CATALOG c WITH ('type' = 'pravega', 'default-database' = 'x')",
            "CREATE DATABASE IF NOT EXISTS c.d COMMENT 'x' WITH ('k' = 'v')",
            "DROP DATABASE d CASCADE",
            "USE CATALOG c",
            "USE c.d",
            "SET 'a.b' = 'c'",
            "RESET 'a.b'",
            "SHOW COLUMNS FROM t",
            "SHOW CURRENT DATABASE",
        ])
    }

    /// Changes one token of a statement.
    fn mutated(&mut self, statement: &str) -> String {
        let mut tokens = tokens(statement);
        let at = self.0.index(tokens.len());
        match self.0.index(4) {
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, self.one_of(&TOKENS)),
            2 => tokens[at] = self.one_of(&TOKENS),
            _ => {
                let other = self.0.index(tokens.len());
                tokens.swap(at, other);
            }
        }
        tokens.join(" ")
    }
}

/// Splits a statement at spaces and around signs; what is in quotes stays together.
fn tokens(statement: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    let mut quote = None;
    for character in statement.chars() {
        let last = tokens.last_mut().unwrap();
        if let Some(open) = quote {
            last.push(character);
            if character == open {
                quote = None;
            }
        } else if matches!(character, '\'' | '`') {
            quote = Some(character);
            last.push(character);
        } else if character.is_whitespace() {
            tokens.push(String::new());
        } else if "(),.=<>*+-/|%[]!".contains(character) {
            let is_comment = character == '*' && last == "/"
                || character == '/' && last == "*"
                || character == '+' && last == "/*";
            if is_comment {
                last.push(character);
            } else {
                tokens.push(character.to_string());
            }
        } else if last.len() == 1 && "(),.=<>*+-/|%[]!".contains(last.as_str()) {
            tokens.push(character.to_string());
        } else {
            last.push(character);
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

#[test]
fn drawn_statements_differ_and_most_valid_ones_are_accepted() {
    let drawn = statements(250);
    let distinct: std::collections::HashSet<&String> = drawn.iter().collect();
    assert!(distinct.len() > 480, "{} of {}", distinct.len(), drawn.len());
    let accepted = |statements: &[String]| {
        statements.iter().filter(|statement| kulya_sql::parse_statements(statement).is_ok()).count()
    };
    let (valid, mutated) = (accepted(&drawn[..250]), accepted(&drawn[250..]));
    assert!(valid >= 150 && mutated <= 120, "{valid} and {mutated} of 250");
}
