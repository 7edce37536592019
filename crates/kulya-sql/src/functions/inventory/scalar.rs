//! Functions of single values: comparison, logic, numbers, texts, dates and times.

use super::entry::{Entry, Group, How, Names};

pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Comparison",
        entries: &[
            Entry {
                shown: "=, <>, <, <=, >, >=",
                names: Names::AsListed,
                how: How::Rewritten,
                note: "texts and numbers are compared too, as numbers; Flink refuses some of these",
            },
            Entry {
                shown: "IS [NOT] NULL, IS [NOT] DISTINCT FROM",
                names: Names::AsListed,
                how: How::DataFusion,
                note: "",
            },
            Entry {
                shown: "[NOT] BETWEEN [ASYMMETRIC, SYMMETRIC]",
                names: Names::AsListed,
                how: How::Rewritten,
                note: "",
            },
            Entry { shown: "[NOT] LIKE … ESCAPE", names: Names::These(&["LIKE"]), how: How::Own, note: "" },
            Entry { shown: "[NOT] SIMILAR TO … ESCAPE", names: Names::AsListed, how: How::Own, note: "" },
            Entry { shown: "[NOT] IN, EXISTS", names: Names::These(&[]), how: How::DataFusion, note: "" },
        ],
    },
    Group {
        title: "Logical",
        entries: &[Entry {
            shown: "OR, AND, NOT, IS [NOT] TRUE, FALSE, UNKNOWN",
            names: Names::These(&[]),
            how: How::DataFusion,
            note: "",
        }],
    },
    Group {
        title: "Arithmetic",
        entries: &[
            Entry {
                shown: "+, -, *, /, %",
                names: Names::AsListed,
                how: How::Own,
                note: "FLOAT and DOUBLE give DOUBLE, where Flink gives FLOAT",
            },
            Entry { shown: "MOD", names: Names::AsListed, how: How::Rewritten, note: "" },
            Entry {
                shown: "ABS, SIGN, CEIL, CEILING, FLOOR, ROUND, TRUNCATE",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry {
                shown: "POWER, SQRT, LN, LOG, LOG2, LOG10, EXP",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry {
                shown: "SIN, SINH, COS, COSH, TAN, TANH, COT, ASIN, ACOS, ATAN, ATAN2, DEGREES, RADIANS, PI, E",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry {
                shown: "RAND(), RAND_INTEGER(bound)",
                names: Names::These(&["RAND", "RAND_INTEGER"]),
                how: How::Rewritten,
                note: "with a seed not supported yet",
            },
            Entry { shown: "UUID", names: Names::AsListed, how: How::DataFusion, note: "" },
            Entry { shown: "BIN, HEX, UNHEX", names: Names::AsListed, how: How::Own, note: "" },
        ],
    },
    Group {
        title: "Texts",
        entries: &[
            Entry {
                shown: "`||`",
                names: Names::AsListed,
                how: How::DataFusion,
                note: "numbers are converted to texts; Flink refuses them",
            },
            Entry {
                shown: "CHAR_LENGTH, CHARACTER_LENGTH, UPPER, LOWER, REVERSE, INITCAP",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry { shown: "POSITION, INSTR, LOCATE", names: Names::AsListed, how: How::Own, note: "" },
            Entry { shown: "TRIM, LTRIM, RTRIM, BTRIM", names: Names::AsListed, how: How::Own, note: "" },
            Entry {
                shown: "REPEAT, LPAD, RPAD, REPLACE, OVERLAY, TRANSLATE",
                names: Names::AsListed,
                how: How::Own,
                note: "the size of a result is limited",
            },
            Entry {
                shown: "SUBSTRING, SUBSTR, LEFT, RIGHT",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry { shown: "CONCAT, CONCAT_WS", names: Names::AsListed, how: How::Own, note: "" },
            Entry {
                shown: "STARTSWITH, ENDSWITH, ELT, SPLIT_INDEX",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry { shown: "ASCII, CHR", names: Names::AsListed, how: How::Own, note: "" },
            Entry {
                shown: "REGEXP, REGEXP_REPLACE, REGEXP_EXTRACT, REGEXP_EXTRACT_ALL, REGEXP_COUNT, REGEXP_INSTR, REGEXP_SUBSTR, STR_TO_MAP",
                names: Names::AsListed,
                how: How::Own,
                note: "patterns have no look-around and no back-references",
            },
            Entry {
                shown: "ENCODE, DECODE, TO_BASE64, FROM_BASE64, URL_ENCODE, URL_DECODE, PARSE_URL",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry { shown: "INET_ATON, INET_NTOA", names: Names::AsListed, how: How::Own, note: "" },
            Entry {
                shown: "IS_ALPHA, IS_DIGIT, IS_DECIMAL",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry {
                shown: "PRINTF",
                names: Names::AsListed,
                how: How::Own,
                note: "without the conversions of dates, %a, %g and %h",
            },
        ],
    },
    Group {
        title: "Dates and times",
        entries: &[
            Entry {
                shown: "DATE, TIME, TIMESTAMP and INTERVAL literals",
                names: Names::These(&[]),
                how: How::Rewritten,
                note: "",
            },
            Entry {
                shown: "CURRENT_DATE, CURRENT_TIME, CURRENT_TIMESTAMP, LOCALTIME, LOCALTIMESTAMP, NOW, CURRENT_ROW_TIMESTAMP, PROCTIME, UNIX_TIMESTAMP()",
                names: Names::AsListed,
                how: How::Own,
                note: "the start of the query, in UTC",
            },
            Entry {
                shown: "EXTRACT, YEAR, QUARTER, MONTH, WEEK, DAYOFYEAR, DAYOFMONTH, DAYOFWEEK, HOUR, MINUTE, SECOND",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry {
                shown: "FLOOR and CEIL to a unit, TIMESTAMPADD, TIMESTAMPDIFF",
                names: Names::AsListed,
                how: How::Own,
                note: "",
            },
            Entry {
                shown: "DATE_FORMAT, TO_DATE, TO_TIMESTAMP, TO_TIMESTAMP_LTZ, UNIX_TIMESTAMP, FROM_UNIXTIME",
                names: Names::AsListed,
                how: How::Own,
                note: "the letters y u Q M L d D w E e a H h K k m s S n X x Z V; the time zone is UTC",
            },
            Entry { shown: "CONVERT_TZ", names: Names::AsListed, how: How::Own, note: "" },
            Entry {
                shown: "CURRENT_WATERMARK",
                names: Names::AsListed,
                how: How::Own,
                note: "null, because queries are bounded",
            },
            Entry {
                shown: "SOURCE_WATERMARK",
                names: Names::AsListed,
                how: How::NotSupported,
                note: "in CREATE TABLE it has no effect",
            },
            Entry { shown: "OVERLAPS", names: Names::These(&[]), how: How::Rewritten, note: "" },
        ],
    },
];
