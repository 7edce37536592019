//! Window table functions: TUMBLE, HOP, CUMULATE and SESSION over a table become derived tables with the
//! columns window_start, window_end and window_time.
//!
//! A row of HOP is repeated once per window that it is in, and one of CUMULATE once per step: by a cross join
//! with the distances between the windows, which are literals.

use super::calls::{argument_list, position_of};
use super::{interval, template};
use crate::dialect::error::{DialectError, DialectResult, Position};
use crate::dialect::expressions::TABLE_ARGUMENT;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, TableFactor,
    WindowType,
};

/// The maximum number of windows that one row is in.
const MAX_WINDOWS: u64 = 2000;

/// The kinds of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Tumble,
    Hop,
    Cumulate,
    Session,
}

impl Window {
    /// Returns the window function of this name.
    pub(super) fn find(name: &Ident) -> Option<Self> {
        let windows = [
            ("TUMBLE", Self::Tumble),
            ("HOP", Self::Hop),
            ("CUMULATE", Self::Cumulate),
            ("SESSION", Self::Session),
        ];
        let found = windows.into_iter().find(|(known, _)| name.value.eq_ignore_ascii_case(known));
        found.map(|(_, window)| window)
    }

    /// Returns the names of the parameters, in order; the last is optional in all but SESSION.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Tumble => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
            Self::Hop => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
            Self::Cumulate => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
            Self::Session => &["DATA", "TIMECOL", "GAP"],
        }
    }

    /// Returns the query for a call of the function.
    pub(super) fn lower(self, args: Vec<FunctionArg>, name: &Ident) -> DialectResult<Query> {
        let at = position_of(name);
        let mut given = Arguments::new(self.parameters(), args, name)?;
        let data = given.required("DATA")?;
        let (input, partition_by) = input(data, name)?;
        if !partition_by.is_empty() && self != Self::Session {
            let text = format!("{name} has no PARTITION BY: only SESSION has");
            return Err(DialectError::syntax(text, at));
        }
        let time = time_column(given.required("TIMECOL")?, name)?;
        let offset = given.take("OFFSET");
        let values = |size: &Expr| (time.clone(), size.clone());
        match self {
            Self::Tumble => {
                let (time, size) = values(&given.required("SIZE")?);
                let start = start(&size, &time, offset.as_ref(), at)?;
                let text = "SELECT *, `$start` AS window_start, `$start` + `$size` AS window_end, \
                            `$start` + `$size` - INTERVAL '1' MILLISECOND AS window_time FROM `$input` \
                            WHERE `$time` IS NOT NULL";
                let values = [("$start", &start), ("$size", &size), ("$time", &time)];
                template::query(text, &values, input, at)
            }
            Self::Hop => {
                let (slide, size) = (given.required("SLIDE")?, given.required("SIZE")?);
                let shifts = shifts(&slide, &size, 0, name)?;
                let start = hop_start(&slide, &time, offset.as_ref(), at)?;
                let text = format!(
                    "SELECT `$rows`.*, `$start` AS window_start, `$start` + `$size` AS window_end, \
                     `$start` + `$size` - INTERVAL '1' MILLISECOND AS window_time \
                     FROM `$input` AS `$rows` CROSS JOIN {shifts} WHERE `$time` IS NOT NULL"
                );
                let values = [("$start", &start), ("$size", &size), ("$time", &time)];
                template::query(&text, &values, input, at)
            }
            Self::Cumulate => {
                let (step, size) = (given.required("STEP")?, given.required("SIZE")?);
                let shifts = shifts(&step, &size, 1, name)?;
                let start = start(&size, &time, offset.as_ref(), at)?;
                let text = format!(
                    "SELECT `$rows`.*, `$start` AS window_start, `$start` + `$shift`.`$by` AS window_end, \
                     `$start` + `$shift`.`$by` - INTERVAL '1' MILLISECOND AS window_time \
                     FROM `$input` AS `$rows` CROSS JOIN {shifts} WHERE `$start` + `$shift`.`$by` > `$time`"
                );
                template::query(&text, &[("$start", &start), ("$time", &time)], input, at)
            }
            Self::Session => {
                let gap = given.required("GAP")?;
                session(&partition_by, &time, &gap, input, at)
            }
        }
    }
}

/// Returns the query that adds the columns of session windows to a relation: a row opens a session when it is
/// later than the gap after the row before it.
pub(super) fn session(
    partition_by: &[Expr],
    time: &Expr,
    gap: &Expr,
    input: TableFactor,
    at: Position,
) -> DialectResult<Query> {
    template::check_repeated(partition_by.iter().chain([time, gap]), at)?;
    let names: Vec<String> = (0..partition_by.len()).map(|number| format!("$key{number}")).collect();
    let quoted =
        |separator: &str| names.iter().map(|name| format!("`{name}`{separator}")).collect::<String>();
    let session = quoted(", ") + "`$session`";
    let partition = match quoted(", ").strip_suffix(", ") {
        Some(keys) => format!("PARTITION BY {keys}"),
        None => String::new(),
    };
    let keys = names.iter().map(String::as_str).zip(partition_by);
    let values: Vec<(&str, &Expr)> = keys.chain([("$time", time), ("$gap", gap)]).collect();
    let text = format!(
        "SELECT * EXCLUDE (`$session`), min(`$time`) OVER (PARTITION BY {session}) AS window_start, \
         max(`$time`) OVER (PARTITION BY {session}) + `$gap` AS window_end, \
         max(`$time`) OVER (PARTITION BY {session}) + `$gap` - INTERVAL '1' MILLISECOND AS window_time \
         FROM (SELECT * EXCLUDE (`$opens`), sum(`$opens`) OVER ({partition} ORDER BY `$time`) AS `$session` \
         FROM (SELECT *, CASE WHEN `$time` <= lag(`$time`) OVER ({partition} ORDER BY `$time`) + `$gap` \
         THEN 0 ELSE 1 END AS `$opens` FROM `$input` WHERE `$time` IS NOT NULL))"
    );
    template::query(&text, &values, input, at)
}

/// Returns the expression of the start of the window of a time, for windows without overlap.
pub(super) fn start(size: &Expr, time: &Expr, offset: Option<&Expr>, at: Position) -> DialectResult<Expr> {
    template::check_repeated([size, time].into_iter().chain(offset), at)?;
    let values = [("$size", size), ("$time", time)];
    match offset {
        None => template::expression("date_bin(`$size`, `$time`)", &values, at),
        Some(offset) => {
            let text = "date_bin(`$size`, `$time`, TIMESTAMP '1970-01-01 00:00:00' + `$offset`)";
            let values = [("$size", size), ("$time", time), ("$offset", offset)];
            template::expression(text, &values, at)
        }
    }
}

/// Returns the expression of the start of one of the windows of a time, by the distance `$shift`.`$by`.
pub(super) fn hop_start(
    slide: &Expr,
    time: &Expr,
    offset: Option<&Expr>,
    at: Position,
) -> DialectResult<Expr> {
    let last = start(slide, time, offset, at)?;
    template::expression("`$last` - `$shift`.`$by`", &[("$last", &last)], at)
}

/// Returns the relation of the distances between the windows of a row: multiples of the step, from `first`
/// on, as many as the size has steps.
pub(super) fn shifts(step: &Expr, size: &Expr, first: u64, name: &Ident) -> DialectResult<String> {
    let at = position_of(name);
    let lengths = interval::milliseconds(step).zip(interval::milliseconds(size));
    let Some((step, size)) = lengths.filter(|(step, _)| *step > 0) else {
        let what = format!("{name} with a length that is not a literal of one unit up to days");
        return Err(DialectError::not_supported(what, at));
    };
    if size == 0 || size % step != 0 {
        let text = format!("the size of {name} must be a multiple of its step");
        return Err(DialectError::syntax(text, at));
    }
    let count = size / step;
    if count > MAX_WINDOWS {
        let text = format!("{name} has {count} windows for each row: the limit is {MAX_WINDOWS}");
        return Err(DialectError::too_complex(text, Some(at)));
    }
    let distance = |n: u64| format!("({})", interval::literal(n * step));
    let distances: Vec<String> = (first..first + count).map(distance).collect();
    Ok(format!("(VALUES {}) AS `$shift` (`$by`)", distances.join(", ")))
}

/// Returns the relation of a table argument, and its PARTITION BY.
pub(super) fn input(data: Expr, name: &Ident) -> DialectResult<(TableFactor, Vec<Expr>)> {
    let expected = || {
        let text = format!("expected TABLE name as the first argument of {name}");
        DialectError::syntax(text, position_of(name))
    };
    let derived = |subquery| TableFactor::Derived { lateral: false, subquery, alias: None, sample: None };
    match data {
        Expr::Subquery(query) => Ok((derived(query), Vec::new())),
        Expr::Function(Function { name: marker, args, over, .. }) if marker.to_string() == TABLE_ARGUMENT => {
            let relation = match args {
                FunctionArguments::Subquery(query) => derived(query),
                list => match argument_list(&list).pop() {
                    Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(path)))) => {
                        table(ObjectName::from(path))
                    }
                    _ => return Err(expected()),
                },
            };
            let partition_by = match over {
                Some(WindowType::WindowSpec(spec)) => spec.partition_by,
                _ => Vec::new(),
            };
            Ok((relation, partition_by))
        }
        _ => Err(expected()),
    }
}

fn table(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// Returns the column of `DESCRIPTOR(column)`.
fn time_column(descriptor: Expr, name: &Ident) -> DialectResult<Expr> {
    if let Expr::Function(function) = &descriptor
        && function.name.to_string().eq_ignore_ascii_case("DESCRIPTOR")
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(column))] =
            argument_list(&function.args).as_slice()
        && matches!(column, Expr::Identifier(_))
    {
        return Ok(column.clone());
    }
    let text = format!("expected DESCRIPTOR(column) as the second argument of {name}");
    Err(DialectError::syntax(text, position_of(name)))
}

/// The arguments of a call, by position or by name.
pub(super) struct Arguments<'a> {
    parameters: &'static [&'static str],
    values: Vec<Option<Expr>>,
    name: &'a Ident,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(
        parameters: &'static [&'static str],
        args: Vec<FunctionArg>,
        name: &'a Ident,
    ) -> DialectResult<Self> {
        let refused = |text: String| Err(DialectError::syntax(text, position_of(name)));
        let mut values: Vec<Option<Expr>> = parameters.iter().map(|_| None).collect();
        for (position, arg) in args.into_iter().enumerate() {
            let (parameter, value) = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => {
                    (parameters.get(position).copied(), value)
                }
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                    (parameters.iter().copied().find(|known| name.value.eq_ignore_ascii_case(known)), value)
                }
                _ => return refused(format!("{name} takes {}", parameters.join(", "))),
            };
            let index = parameters.iter().position(|known| Some(*known) == parameter);
            match index.and_then(|index| values.get_mut(index)) {
                Some(slot @ None) => *slot = Some(value),
                _ => return refused(format!("{name} takes {}", parameters.join(", "))),
            }
        }
        Ok(Self { parameters, values, name })
    }

    pub(super) fn take(&mut self, parameter: &str) -> Option<Expr> {
        let index = self.parameters.iter().position(|known| *known == parameter)?;
        self.values.get_mut(index).and_then(Option::take)
    }

    pub(super) fn required(&mut self, parameter: &str) -> DialectResult<Expr> {
        let text = format!("{} needs the argument {parameter}", self.name);
        self.take(parameter).ok_or_else(|| DialectError::syntax(text, position_of(self.name)))
    }
}
