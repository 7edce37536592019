//! Resolution of PostgreSQL's types and the capture's modes to the representation of values.

use super::unavailable::write_placeholder;
use super::{ArrayKind, CatalogType, ClockForm, DateForm, IntervalForm, Kind, KindContext, OpaqueNumbers};
use super::{WithPlaceholder, unavailable};
use crate::debezium::{Compatibility, DecimalMode, IntervalMode, TimePrecision, ValueModes};

/// The OID of `box`, whose arrays have semicolons between the items.
const BOX: u32 = 603;
/// Types of which Debezium has no arrays: `name`, `xml`, `point`, `money`, `interval`, `varbit`.
const WITHOUT_ARRAYS: [u32; 6] = [19, 142, 600, 790, 1186, 1562];

impl Kind {
    /// Maps a type; `None` for types that events leave out.
    pub(crate) fn from_type(catalog: &CatalogType, context: &KindContext<'_>) -> Option<Self> {
        let kind = resolve(catalog, context)?;
        let modes = context.modes;
        let is_default =
            modes.compat == Compatibility::Corrected && modes.unavailable_value == unavailable::DEFAULT;
        if is_default || !kind.may_be_unavailable() {
            return Some(kind);
        }
        let mut json = Vec::new();
        write_placeholder(&kind, &modes.unavailable_value, modes.compat, &mut json);
        Some(Self::WithPlaceholder(Box::new(WithPlaceholder { kind, json })))
    }

    /// Returns whether PostgreSQL may store values apart from the row. A text is a key column's kind too.
    fn may_be_unavailable(&self) -> bool {
        !matches!(
            self,
            Self::Boolean
                | Self::Bit
                | Self::Integer(_)
                | Self::Oid
                | Self::Float32
                | Self::Float64
                | Self::Money { .. }
                | Self::Enum(_)
                | Self::Uuid
                | Self::Date(_)
                | Self::Time(_)
                | Self::ArrayTime(_)
                | Self::TimeTz
                | Self::ArrayTimeTz
                | Self::Timestamp { .. }
                | Self::TimestampTz { .. }
                | Self::Interval(_)
                | Self::Point
                | Self::EmptyArray(_)
                | Self::AlwaysNull
                | Self::AlwaysNullAs(_)
        )
    }
}

fn resolve(catalog: &CatalogType, context: &KindContext<'_>) -> Option<Kind> {
    let modes = context.modes;
    if let Some(items) = &catalog.items {
        let is_debezium = modes.compat == Compatibility::Debezium;
        if is_debezium && (items.is_domain || WITHOUT_ARRAYS.contains(&items.oid)) {
            return None;
        }
        let items_kind = match resolve(items, context)? {
            bits @ (Kind::Bit | Kind::Bits(_)) if is_debezium => {
                return Some(Kind::AlwaysNullAs(Box::new(bits)));
            }
            Kind::Time(form) if is_debezium => Kind::ArrayTime(form),
            Kind::TimeTz if is_debezium => Kind::ArrayTimeTz,
            kind => kind,
        };
        return Some(Kind::Array(Box::new(ArrayKind {
            items: items_kind,
            delimiter: if items.oid == BOX { b';' } else { b',' },
            compat: modes.compat,
        })));
    }
    scalar(catalog, context).or_else(|| {
        let is_geometric = matches!(catalog.oid, 601..=604 | 628 | 718);
        let numbers = match modes.compat {
            Compatibility::Debezium if is_geometric => OpaqueNumbers::Java,
            _ => OpaqueNumbers::Printed,
        };
        modes.include_unknown_types.then_some(Kind::Opaque { mode: modes.binary, numbers })
    })
}

fn scalar(catalog: &CatalogType, context: &KindContext<'_>) -> Option<Kind> {
    let modes = context.modes;
    let modifier = catalog.modifier;
    // the modifier of time types is the number of fractional digits, six by default
    let digits = usize::try_from(modifier).unwrap_or(6).min(6);
    let is_debezium = modes.compat == Compatibility::Debezium;
    Some(match catalog.oid {
        16 => Kind::Boolean,
        21 => Kind::Integer(16),
        23 => Kind::Integer(32),
        20 => Kind::Integer(64),
        26 => Kind::Oid,
        700 => Kind::Float32,
        701 => Kind::Float64,
        1700 => decimal(modifier, modes),
        790 => Kind::Money { digits: context.money_digits, mode: modes.decimal },
        25 | 1042 | 1043 => Kind::Text,
        18 | 869 | 650 | 829 | 774 => Kind::Printed,
        3904 | 3906 | 3908 | 3910 | 3912 | 3926 => Kind::Printed,
        114 | 3802 => Kind::Json,
        2950 => Kind::Uuid,
        142 => Kind::Xml,
        3614 => Kind::TsVector,
        17 => Kind::Bytes(modes.binary),
        1560 if modifier == 1 => Kind::Bit,
        1562 if modifier == 1 && is_debezium => Kind::Bit,
        // without a modifier there is no limit
        1560 | 1562 => Kind::Bits(u32::try_from(modifier).unwrap_or(i32::MAX as u32)),
        1082 => Kind::Date(date_form(modes)),
        1083 => Kind::Time(clock_form(modes, digits, true)),
        1266 => Kind::TimeTz,
        1114 => Kind::Timestamp { form: clock_form(modes, digits, false), compat: modes.compat },
        1184 => Kind::TimestampTz { digits },
        1186 => Kind::Interval(match (modes.interval, modes.compat) {
            (IntervalMode::String, _) => IntervalForm::Iso,
            (IntervalMode::Numeric, Compatibility::Corrected) => IntervalForm::Micros,
            (IntervalMode::Numeric, Compatibility::Debezium) => IntervalForm::FloatingMicros,
        }),
        600 => Kind::Point,
        22 if is_debezium => Kind::EmptyArray(Box::new(Kind::Integer(16))),
        30 if is_debezium => Kind::EmptyArray(Box::new(Kind::Oid)),
        19 if is_debezium && !modes.include_unknown_types => Kind::AlwaysNull,
        19 => Kind::Printed,
        _ => match (catalog.kind, catalog.name.as_str()) {
            ('e', _) => Kind::Enum(catalog.labels.clone()),
            ('b', "hstore") => Kind::Hstore { mode: modes.hstore, compat: modes.compat },
            ('b', "ltree") => Kind::Ltree,
            ('b', "citext" | "isbn") => Kind::Printed,
            _ => return None,
        },
    })
}

fn decimal(modifier: i32, modes: &ValueModes) -> Kind {
    let size = modifier.checked_sub(4).filter(|size| *size >= 0);
    let precision = size.map(|size| size as u32 >> 16 & 0xffff);
    // eleven bits with a sign, which Debezium takes for digits
    let scale = size.map_or(0, |size| match modes.compat {
        Compatibility::Corrected => ((size & 0x7ff) ^ 0x400) - 0x400,
        Compatibility::Debezium => size & 0x7ff,
    });
    match (modes.decimal, precision) {
        (DecimalMode::Precise, Some(precision)) => Kind::Decimal { precision, scale },
        (DecimalMode::Precise, None) => Kind::VariableDecimal,
        (DecimalMode::String, _) => {
            Kind::DecimalText { scale: u32::try_from(scale).unwrap_or(0), compat: modes.compat }
        }
        (DecimalMode::Double, _) => Kind::DecimalFloat,
    }
}

fn date_form(modes: &ValueModes) -> DateForm {
    match modes.time_precision {
        Some(TimePrecision::Connect) => DateForm::ConnectDays,
        Some(TimePrecision::Isostring) => DateForm::Iso,
        _ => DateForm::Days,
    }
}

fn clock_form(modes: &ValueModes, digits: usize, is_time: bool) -> ClockForm {
    match modes.time_precision {
        Some(TimePrecision::AdaptiveTimeMicroseconds) if is_time => ClockForm::Micros,
        None | Some(TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds) => match digits {
            0..=3 => ClockForm::Millis,
            _ => ClockForm::Micros,
        },
        Some(TimePrecision::Connect) => ClockForm::ConnectMillis,
        Some(TimePrecision::Isostring) => ClockForm::Iso,
        Some(TimePrecision::Microseconds) => ClockForm::Micros,
        Some(TimePrecision::Nanoseconds) => ClockForm::Nanos,
    }
}
