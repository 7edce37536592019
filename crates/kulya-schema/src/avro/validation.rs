//! What a group's rules demand of a new schema, beyond what the parser demands of every schema: Java's rules,
//! what Avro Java 1.11 parses; strict rules, what a reader can use. A registered schema is not checked again.

use super::defaults::{DefaultChecker, DefaultRules, MAX_DEFAULT_CHECKS};
use super::parse::MAX_DEPTH;
use super::resolve::ResolutionMode;
use super::schema::{Definition, Schema};
use crate::text::{truncated, truncated_json};
use crate::{Budget, Error, Result};
use std::cell::Cell;

impl Schema {
    /// Checks a new schema: under Java's rules that the default of a union is of its first member, as Avro
    /// 1.11 has it; under others that a reader can use every default; and under the specification's that
    /// names and symbols are ASCII.
    ///
    /// # Errors
    /// The schema does not conform, or the budget is exhausted. The text names the location.
    pub fn check_new(&self, mode: ResolutionMode, budget: &Budget) -> Result<()> {
        let is_strict = mode != ResolutionMode::Java;
        let checks_names = mode == ResolutionMode::Specification;
        let rules = if is_strict { DefaultRules::Usable } else { DefaultRules::FirstMember };
        let remaining = Cell::new(MAX_DEFAULT_CHECKS);
        let checker =
            DefaultChecker { named: &self.named, rules, remaining: &remaining, max_depth: MAX_DEPTH };
        for named in &self.named {
            let full = || named.name.full();
            if checks_names {
                check_ascii(&named.name.simple, "name", &full)?;
            }
            match &named.definition {
                Definition::Enum { symbols, .. } if checks_names => {
                    budget.try_spend(symbols.len(), "")?;
                    symbols.iter().try_for_each(|symbol| check_ascii(symbol, "symbol", &full))?;
                }
                Definition::Record(fields) => {
                    budget.try_spend(1 + fields.len(), "")?;
                    for field in fields {
                        let location = || format!("{}.{:.100}", named.name.full(), field.name);
                        if checks_names {
                            check_ascii(&field.name, "name", &location)?;
                        }
                        let Some(default) = &field.default else { continue };
                        let before = remaining.get();
                        let is_default = checker.is_default(&field.node, default);
                        budget.try_spend(before.saturating_sub(remaining.get()), &field.name)?;
                        if !is_default {
                            let (location, default) = (location(), truncated_json(default));
                            return Err(Error::new(if is_strict {
                                format!(
                                    "{location}: the default {default} cannot be used: bytes are code points up to 255, a \
                                     fixed has its size, and an enum has the symbol"
                                )
                            } else {
                                format!(
                                    "{location}: the default {default} is not of the union's first member, as Avro 1.11 \
                                     needs it: put that member first, or let the group be checked by \
                                     \"kulya.rules\" = \"strict\", which are Avro 1.12's"
                                )
                            }));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Checks that a name or symbol is one by the specification: the parser takes all letters, as Java does.
fn check_ascii(name: &str, what: &str, location: &dyn Fn() -> String) -> Result<()> {
    if name.is_ascii() {
        return Ok(());
    }
    Err(Error::new(format!(
        "{}: the {what} {:?} has letters beyond ASCII, which other implementations reject: use A to Z, a to z, 0 to \
         9 and '_'",
        location(),
        truncated(name)
    )))
}
