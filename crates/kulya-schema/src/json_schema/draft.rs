//! The dialects of JSON Schema.

/// The dialect of a document, from its `$schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Draft {
    /// 2013; boolean `exclusiveMinimum`, no boolean schemas.
    Draft4,
    /// 2017; `const`, `contains`, `propertyNames`.
    Draft6,
    /// 2018; `if`, `then`, `else`.
    Draft7,
    /// `dependentSchemas`, `unevaluatedProperties`; keywords beside `$ref` count.
    Draft201909,
    /// `prefixItems`; the default for a document without `$schema` and keywords of an older notation.
    #[default]
    Draft202012,
}
