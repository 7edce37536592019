//! The representation of a column's values in events: PostgreSQL's type, with the modes of the capture
//! resolved (Debezium documentation, "Data type mappings").

mod describe;
mod resolve;
mod unavailable;

use crate::debezium::{BinaryMode, Compatibility, DecimalMode, HstoreMode, ValueModes};

pub(super) use unavailable::write_unavailable;

/// A type of `pg_type`; a domain is resolved to its base type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogType {
    pub(crate) oid: u32,
    pub(crate) name: String,
    /// `b` base, `e` enum, `c` composite, `d` domain, `r` range, `m` multirange, `p` pseudo.
    pub(crate) kind: char,
    /// The type modifier, -1 for none; a domain's own where it has one.
    pub(crate) modifier: i32,
    /// Whether the type is a domain, whose members here are those of its base type.
    pub(crate) is_domain: bool,
    /// The labels of an enum.
    pub(crate) labels: Vec<String>,
    /// The item type of an array.
    pub(crate) items: Option<Box<CatalogType>>,
}

/// What the representation of types depends on, beside the type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KindContext<'a> {
    pub(crate) modes: &'a ValueModes,
    /// The number of digits after the point of the database's currency.
    pub(crate) money_digits: u32,
}

/// The representation of a column's values in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    /// An integer of 16, 32 or 64 bits.
    Integer(u8),
    /// An object identifier: an integer of 64 bits.
    Oid,
    Float32,
    Float64,
    /// `numeric(p,s)`: the unscaled number's bytes.
    Decimal {
        precision: u32,
        /// Negative for digits before the point that are zero.
        scale: i32,
    },
    /// `numeric` without a scale: `{scale, value}`.
    VariableDecimal,
    /// `numeric` as a text with `scale` digits after the point, or as many as there are.
    DecimalText {
        scale: u32,
        compat: Compatibility,
    },
    /// `numeric` as a floating-point number.
    DecimalFloat,
    /// An amount; its number of digits after the point is the database's.
    Money {
        digits: u32,
        mode: DecimalMode,
    },
    /// `text`, `varchar`, `char(n)`.
    Text,
    /// The text that PostgreSQL prints of other types without a semantic type, such as `inet` and ranges.
    Printed,
    Json,
    Enum(Vec<String>),
    Uuid,
    Xml,
    Ltree,
    TsVector,
    Hstore {
        mode: HstoreMode,
        compat: Compatibility,
    },
    Bytes(BinaryMode),
    /// A type without a representation of its own: the bytes of its text.
    Opaque {
        mode: BinaryMode,
        numbers: OpaqueNumbers,
    },
    Bit,
    Bits(u32),
    Date(DateForm),
    Time(ClockForm),
    /// A time in an array, as Debezium has it: in whole milliseconds, and 24:00 is 00:00.
    ArrayTime(ClockForm),
    TimeTz,
    /// A time with time zone in an array, as Debezium has it: in whole seconds.
    ArrayTimeTz,
    Timestamp {
        form: ClockForm,
        compat: Compatibility,
    },
    TimestampTz {
        digits: usize,
    },
    Interval(IntervalForm),
    Point,
    Array(Box<ArrayKind>),
    /// An array of items of a kind that is always empty, as Debezium represents `int2vector` and `oidvector`.
    EmptyArray(Box<Kind>),
    /// Always null, as Debezium represents `name`.
    AlwaysNull,
    /// Always null, but described as another kind, as Debezium represents arrays of `bit`.
    AlwaysNullAs(Box<Kind>),
    /// A kind whose placeholder for unchanged TOAST values is not the default one.
    WithPlaceholder(Box<WithPlaceholder>),
}

/// The numbers in the text of a type without a representation of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpaqueNumbers {
    /// As PostgreSQL prints them.
    Printed,
    /// As Java prints floating-point numbers, which geometric types are made of with Debezium.
    Java,
}

/// The representation of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// Days since 1970-01-01.
    Days,
    /// The same, of Kafka Connect's type.
    ConnectDays,
    Iso,
}

/// The representation of times of day and timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockForm {
    Millis,
    /// Milliseconds of Kafka Connect's type.
    ConnectMillis,
    Micros,
    Nanos,
    Iso,
}

/// The representation of intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntervalForm {
    Micros,
    /// Microseconds that are computed with floating-point numbers, as Debezium does.
    FloatingMicros,
    Iso,
}

/// An array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArrayKind {
    pub(crate) items: Kind,
    /// The character between items: a comma, or for `box` a semicolon.
    pub(crate) delimiter: u8,
    /// With Debezium, arrays in arrays are null, and so is an array of decimals with NaN or an infinity, or of
    /// labels with null.
    pub(crate) compat: Compatibility,
}

/// A kind, with its placeholder for unchanged TOAST values as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WithPlaceholder {
    pub(crate) kind: Kind,
    pub(crate) json: Vec<u8>,
}
