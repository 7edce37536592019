//! Random queries over random tables. `KULYA_SEED` draws one other case, `KULYA_SEEDS` more of them.

use super::harness::*;
use kulya_testkit::SeededRng;

/// Draws queries whose rows have the columns k INT, v BIGINT and s STRING.
struct Queries<'a> {
    random: &'a mut SeededRng,
    aliases: usize,
}

impl Queries<'_> {
    /// A relation with an alias.
    fn relation(&mut self, depth: usize) -> (String, String) {
        self.aliases += 1;
        let alias = format!("r{}", self.aliases);
        let text = match depth == 0 || self.random.one_in(3) {
            true => self.random.pick(&["a", "b", "c"]).to_owned(),
            false => format!("({})", self.query(depth - 1)),
        };
        (format!("{text} AS {alias}"), alias)
    }

    fn condition(&mut self, r: &str) -> String {
        let n = self.random.u64_below(5);
        match self.random.index(8) {
            0 => format!("{r}.v > {n}"),
            1 => format!("{r}.k = {n} OR {r}.s = 'x'"),
            2 => format!("{r}.s IS NOT NULL"),
            3 => format!("{r}.v BETWEEN {n} AND {}", n + 2),
            4 => format!("NOT ({r}.k < {n})"),
            5 => format!("{r}.s LIKE 'y%'"),
            6 => format!("{r}.k IN ({n}, 2)"),
            _ => format!("CASE WHEN {r}.k > {n} THEN {r}.v < 3 ELSE {r}.s <> 'z' END"),
        }
    }

    fn query(&mut self, depth: usize) -> String {
        let (from, r) = self.relation(depth);
        let n = 1 + self.random.u64_below(3);
        match self.random.index(23) {
            0 => format!("SELECT {r}.k + 1 AS k, {r}.v * 2 AS v, UPPER({r}.s) AS s FROM {from}"),
            1 => {
                let condition = self.condition(&r);
                format!("SELECT {r}.k, {r}.v, {r}.s FROM {from} WHERE {condition}")
            }
            2 => {
                let v = self.random.pick(&[
                    "COUNT(*)",
                    "COUNT(r.v)",
                    "SUM(r.v)",
                    "MIN(r.v)",
                    "MAX(r.v)",
                    "AVG(r.v)",
                    "COUNT(DISTINCT r.v)",
                    "SUM(DISTINCT r.v)",
                    "COUNT(*) FILTER (WHERE r.v > 1)",
                    "SUM(r.v) FILTER (WHERE r.s = 'x')",
                    "CAST(STDDEV_POP(r.v) AS BIGINT)",
                    "COUNT(DISTINCT r.s) + SUM(r.v)",
                ]);
                let v = v.replace("r.", &format!("{r}."));
                let s = self.random.pick(&["MIN", "MAX"]);
                let having = self.random.pick(&["", " HAVING COUNT(*) > 1", " HAVING MAX(r.v) > 2"]);
                let having = having.replace("r.", &format!("{r}."));
                format!("SELECT {r}.k, {v} AS v, {s}({r}.s) AS s FROM {from} GROUP BY {r}.k{having}")
            }
            3 => {
                format!("SELECT CAST(COUNT(*) AS INT) AS k, SUM({r}.v) AS v, MAX({r}.s) AS s FROM {from}")
            }
            4..=7 => {
                let (other, o) = self.relation(depth);
                let kind = self.random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                let more = self.random.pick(&["", "", " AND r.v < o.v", " AND r.s = o.s", " AND r.v > 1"]);
                let more = more.replace("r.", &format!("{r}.")).replace("o.", &format!("{o}."));
                let (k, s) = (self.random.pick(&[&r, &o]).clone(), self.random.pick(&[&r, &o]).clone());
                format!(
                    "SELECT {k}.k, COALESCE({r}.v, 0) + COALESCE({o}.v, 10) AS v, {s}.s FROM {from} {kind} {other} ON {r}.k = {o}.k{more}"
                )
            }
            8 => {
                let second = self.query(depth.saturating_sub(1));
                let kind = self.random.pick(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT"]);
                format!(
                    "SELECT k, v, s FROM {from} {kind} SELECT k, v, s FROM ({second}) AS u{}",
                    self.aliases
                )
            }
            9..=11 => {
                let (other, o) = self.relation(depth.saturating_sub(1));
                let condition = self.condition(&o);
                let test = match self.random.index(6) {
                    0 => format!("{r}.k IN (SELECT {o}.k FROM {other} WHERE {condition})"),
                    1 => format!("{r}.k NOT IN (SELECT {o}.k FROM {other} WHERE {condition})"),
                    2 => format!("EXISTS (SELECT 1 FROM {other} WHERE {o}.k = {r}.k AND {condition})"),
                    3 => format!("NOT EXISTS (SELECT 1 FROM {other} WHERE {o}.k = {r}.k AND {o}.v > {r}.v)"),
                    4 => format!("{r}.v > 2 OR {r}.k IN (SELECT {o}.k FROM {other})"),
                    _ => format!("EXISTS (SELECT 1 FROM {other} WHERE {condition})"),
                };
                format!("SELECT {r}.k, {r}.v, {r}.s FROM {from} WHERE {test}")
            }
            12 => format!("SELECT DISTINCT {r}.k, {r}.v, 'd' AS s FROM {from}"),
            13 => {
                let (other, o) = self.relation(depth.saturating_sub(1));
                match self.random.index(3) {
                    0 => format!(
                        "SELECT {r}.k, {r}.v, {r}.s FROM {from} WHERE {r}.v > (SELECT AVG({o}.v) FROM {other})"
                    ),
                    1 => format!(
                        "SELECT {r}.k, (SELECT MAX({o}.v) FROM {other} WHERE {o}.k = {r}.k) AS v, {r}.s FROM {from}"
                    ),
                    _ => format!("SELECT {r}.k, (SELECT COUNT(*) FROM {other}) AS v, {r}.s FROM {from}"),
                }
            }
            14 | 15 => {
                let rank = self.random.pick(&["ROW_NUMBER", "RANK", "DENSE_RANK"]);
                let order = match rank {
                    "ROW_NUMBER" => "v DESC, s, k",
                    _ => self.random.pick(&["v", "v DESC", "s"]),
                };
                let by = self.random.pick(&["PARTITION BY k ", "", "PARTITION BY s "]);
                let (as_v, v) = self.random.pick(&[("v", "v"), ("n", "n + 0")]);
                let _ = as_v;
                format!(
                    "SELECT k, {v} AS v, s FROM (SELECT k, v, s, {rank}() OVER ({by}ORDER BY {order}) AS n FROM {from}) AS q{} WHERE n <= {n}",
                    self.aliases
                )
            }
            16 | 17 => {
                let call = self.random.pick(&[
                    "SUM(v)",
                    "COUNT(*)",
                    "MAX(v)",
                    "LAG(v)",
                    "LEAD(v, 1)",
                    "FIRST_VALUE(v)",
                    "ROW_NUMBER()",
                ]);
                let frame = match call {
                    "SUM(v)" | "COUNT(*)" => {
                        self.random.pick(&["", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"])
                    }
                    _ => "",
                };
                format!("SELECT k, {call} OVER (PARTITION BY k ORDER BY v, s{frame}) AS v, s FROM {from}")
            }
            18 => {
                let sets =
                    self.random.pick(&["ROLLUP (k, s)", "CUBE (k, s)", "GROUPING SETS ((k), (s), ())"]);
                format!("SELECT k, SUM(v) AS v, s FROM {from} GROUP BY {sets}")
            }
            19 => format!("SELECT k, v, s FROM {from} ORDER BY v DESC, k, s LIMIT {n}"),
            20 => format!(
                "SELECT x.k, {r}.v, x.s FROM {from} JOIN (VALUES (1, 'x'), (2, 'y'), (2, 'z')) AS x (k, s) ON {r}.k = x.k"
            ),
            21 => {
                let (other, o) = self.relation(0);
                format!("SELECT {r}.k, {o}.v, {r}.s FROM {from} JOIN {other} ON {r}.v > {o}.v")
            }
            _ => format!(
                "SELECT {r}.k, CAST(1 AS BIGINT) AS v, s FROM {from} WHERE {r}.v IS NULL OR {r}.k = 1"
            ),
        }
    }
}

/// Random changes of three tables, in ticks.
fn script(random: &mut SeededRng, ticks: usize) -> Vec<Vec<Changes>> {
    let mut live: Vec<Vec<Row>> = vec![Vec::new(); 3];
    let mut script = Vec::new();
    for _ in 0..ticks {
        let mut tick = vec![Changes::new(); 3];
        for (index, changes) in tick.iter_mut().enumerate() {
            // some ticks are empty
            for _ in 0..random.u64_below(6) {
                let can_retract = index < 2 && !live[index].is_empty();
                if can_retract && random.one_in(3) {
                    let place = random.index(live[index].len());
                    let row = live[index].swap_remove(place);
                    changes.push((row, -1));
                    continue;
                }
                let k = random.u64_below(5);
                let v = random.u64_below(6);
                let s = random.pick(&["", "x", "y", "yz"]);
                let new = row((k > 0).then_some(k as i32), (v > 0).then_some(v as i64), s, 0);
                changes.push((new.clone(), 1));
                live[index].push(new);
            }
        }
        script.push(tick);
    }
    script
}

#[tokio::test]
async fn drawn_queries_follow_drawn_changes() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match (variable("KULYA_SEED"), variable("KULYA_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(60),
    };
    let engine = Engine::new(vec![Table::changing("a"), Table::changing("b"), Table::append("c")]);
    for seed in seeds {
        let mut random = SeededRng::new(seed);
        let sql = Queries { random: &mut random, aliases: 0 }.query(2);
        println!("seed {seed}: {sql}");
        let script = script(&mut random, 5);
        engine.check(&sql, &script).await;
    }
}
