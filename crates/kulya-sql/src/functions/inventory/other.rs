//! Other functions: conversion, collections, JSON, aggregates, and the rest.

use super::entry::{Entry, Group, How, Names};

pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Conditional",
        entries: &[
            Entry {
                shown: "CASE, IF, IFNULL",
                names: Names::These(&["IF", "IFNULL"]),
                how: How::Rewritten,
                note: "several values in one WHEN are not supported yet",
            },
            Entry { shown: "COALESCE, NULLIF", names: Names::AsListed, how: How::DataFusion, note: "" },
            Entry { shown: "GREATEST, LEAST", names: Names::AsListed, how: How::Own, note: "" },
        ],
    },
    Group {
        title: "Type conversion",
        entries: &[
            Entry {
                shown: "CAST, TRY_CAST",
                names: Names::AsListed,
                how: How::Own,
                note: "the text of a timestamp has a fraction only if it is not zero",
            },
            Entry {
                shown: "TYPEOF",
                names: Names::AsListed,
                how: How::Own,
                note: "the type without lengths and NOT NULL",
            },
        ],
    },
    Group {
        title: "Collections",
        entries: &[
            Entry {
                shown: "CARDINALITY, ELEMENT, array[index], map[key]",
                names: Names::AsListed,
                how: How::Own,
                note: "an index below 1 is null or counts from the end",
            },
            Entry {
                shown: "ARRAY_APPEND, ARRAY_PREPEND, ARRAY_CONCAT, ARRAY_CONTAINS, ARRAY_POSITION, ARRAY_REMOVE, ARRAY_DISTINCT, ARRAY_REVERSE, ARRAY_SLICE, ARRAY_SORT, ARRAY_UNION, ARRAY_EXCEPT, ARRAY_INTERSECT, ARRAY_MAX, ARRAY_MIN, ARRAY_JOIN",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry {
                shown: "MAP_KEYS, MAP_VALUES, MAP_ENTRIES, MAP_FROM_ARRAYS",
                names: Names::AsListed,
                how: How::DataFusion,
                note: "",
            },
            Entry { shown: "MAP_UNION, SPLIT", names: Names::AsListed, how: How::Own, note: "" },
        ],
    },
    Group {
        title: "JSON",
        entries: &[
            Entry {
                shown: "IS JSON, JSON_EXISTS, JSON_VALUE, JSON_QUERY",
                names: Names::AsListed,
                how: How::Own,
                note: "no filters in paths; numbers with a fraction are doubles",
            },
            Entry {
                shown: "JSON_STRING, JSON_OBJECT, JSON_ARRAY, JSON_QUOTE, JSON_UNQUOTE",
                names: Names::AsListed,
                how: How::Own,
                note: "decimals lose zeros at the end",
            },
            Entry { shown: "JSON", names: Names::AsListed, how: How::NotSupported, note: "" },
        ],
    },
    Group {
        title: "Value construction and access",
        entries: &[
            Entry {
                shown: "ROW(…), (…), ARRAY[…], MAP[…]",
                names: Names::These(&["ROW", "ARRAY", "MAP"]),
                how: How::DataFusion,
                note: "",
            },
            Entry { shown: "row.field", names: Names::AsListed, how: How::DataFusion, note: "" },
            Entry { shown: "row.*", names: Names::AsListed, how: How::NotSupported, note: "" },
        ],
    },
    Group {
        title: "Grouping",
        entries: &[
            Entry { shown: "GROUPING, GROUPING_ID", names: Names::AsListed, how: How::Rewritten, note: "" },
            Entry { shown: "GROUP_ID", names: Names::AsListed, how: How::NotSupported, note: "" },
        ],
    },
    Group {
        title: "Hashes",
        entries: &[Entry {
            shown: "MD5, SHA1, SHA224, SHA256, SHA384, SHA512, SHA2",
            names: Names::AsListed,
            how: How::Own,
            note: "",
        }],
    },
    Group {
        title: "Aggregates",
        entries: &[
            Entry {
                shown: "COUNT, MAX, MIN, FIRST_VALUE, LAST_VALUE, ARRAY_AGG",
                names: Names::AsListed,
                how: How::DataFusion,
                note: "",
            },
            Entry {
                shown: "SUM, AVG, STDDEV_POP, STDDEV_SAMP, STDDEV, VAR_POP, VAR_SAMP, VARIANCE",
                names: Names::AsListed,
                how: How::Rewritten,
                note: "",
            },
            Entry { shown: "COLLECT", names: Names::AsListed, how: How::Own, note: "" },
            Entry {
                shown: "LISTAGG, APPROX_COUNT_DISTINCT",
                names: Names::AsListed,
                how: How::Rewritten,
                note: "",
            },
            Entry { shown: "JSON_OBJECTAGG, JSON_ARRAYAGG", names: Names::AsListed, how: How::Own, note: "" },
            Entry { shown: "PERCENTILE", names: Names::AsListed, how: How::Own, note: "" },
            Entry { shown: "SINGLE_VALUE", names: Names::AsListed, how: How::NotSupported, note: "" },
        ],
    },
    Group {
        title: "OVER",
        entries: &[Entry {
            shown: "ROW_NUMBER, RANK, DENSE_RANK, NTILE, LEAD, LAG, PERCENT_RANK, CUME_DIST, and aggregates",
            names: Names::AsListed,
            how: How::Rewritten,
            note: "",
        }],
    },
    Group {
        title: "Others",
        entries: &[
            Entry { shown: "CURRENT_DATABASE", names: Names::AsListed, how: How::Rewritten, note: "" },
            Entry {
                shown: "TUMBLE, HOP, CUMULATE, SESSION and their START, END and ROWTIME",
                names: Names::These(&[]),
                how: How::Rewritten,
                note: "",
            },
            Entry {
                shown: "TO_CHANGELOG, FROM_CHANGELOG",
                names: Names::AsListed,
                how: How::Rewritten,
                note: "of tables; FROM_CHANGELOG gives the rows that are left",
            },
            Entry {
                shown: "BITMAP_AND, BITMAP_ANDNOT, BITMAP_BUILD, BITMAP_CARDINALITY, BITMAP_FROM_BYTES, BITMAP_OR, BITMAP_TO_ARRAY, BITMAP_TO_BYTES, BITMAP_TO_STRING, BITMAP_XOR, and their aggregates",
                names: Names::These(&[
                    "BITMAP_AND",
                    "BITMAP_ANDNOT",
                    "BITMAP_AND_AGG",
                    "BITMAP_AND_CARDINALITY_AGG",
                    "BITMAP_BUILD",
                    "BITMAP_BUILD_AGG",
                    "BITMAP_BUILD_CARDINALITY_AGG",
                    "BITMAP_CARDINALITY",
                    "BITMAP_FROM_BYTES",
                    "BITMAP_OR",
                    "BITMAP_OR_AGG",
                    "BITMAP_OR_CARDINALITY_AGG",
                    "BITMAP_TO_ARRAY",
                    "BITMAP_TO_BYTES",
                    "BITMAP_TO_STRING",
                    "BITMAP_XOR",
                    "BITMAP_XOR_AGG",
                    "BITMAP_XOR_CARDINALITY_AGG",
                ]),
                how: How::NotSupported,
                note: "",
            },
            Entry {
                shown: "PARSE_JSON, TRY_PARSE_JSON",
                names: Names::AsListed,
                how: How::NotSupported,
                note: "they give a VARIANT",
            },
            Entry {
                shown: "OBJECT_OF, OBJECT_UPDATE, ML_PREDICT",
                names: Names::AsListed,
                how: How::NotSupported,
                note: "",
            },
        ],
    },
];
