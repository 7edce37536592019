//! Regular expressions of Java, compiled by the crate `regex`. What Java reads otherwise is written in the
//! crate's form (`\w`, `\d` and `\s` are of ASCII), or refused (possessive quantifiers, `(?U)`, operators and
//! names within brackets that Java does not have). The crate has no look-around and no references to groups.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{self, Ast, ClassPerl, ClassPerlKind, ClassSetBinaryOpKind, ClassSetItem, Flag};
use std::ops::Range;

/// Largest compiled expression, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Maximum depth of groups, brackets and repetitions.
const MAX_DEPTH: u32 = 50;

/// Compiles an expression as it is, and one for a whole name; `None` for one that is not supported.
pub(crate) fn compile(text: &str, is_case_insensitive: bool) -> Option<(Regex, Regex)> {
    let text = translate(text)?;
    let compile = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        builder.case_insensitive(is_case_insensitive).size_limit(MAX_COMPILED_BYTES).nest_limit(MAX_DEPTH);
        builder.build().ok()
    };
    // alone first, so that a parenthesis cannot close the group
    Some((compile(&text)?, compile(&format!(r"\A(?:{text})\z"))?))
}

/// Writes an expression in the crate's form.
fn translate(text: &str) -> Option<String> {
    let ast = ParserBuilder::new().nest_limit(MAX_DEPTH).build().parse(text).ok()?;
    let mut classes = ast::visit(&ast, Classes::default()).ok()?;
    classes.sort_by_key(|(range, _)| range.start);
    let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
    for (range, class) in classes {
        out.push_str(text.get(copied..range.start)?);
        out.push_str(class);
        copied = range.end;
    }
    out.push_str(text.get(copied..)?);
    Some(out)
}

/// Collects the classes that are of ASCII in Java, and what stands for each.
#[derive(Default)]
struct Classes(Vec<(Range<usize>, &'static str)>);

/// Java reads the expression otherwise.
struct Otherwise;

impl Classes {
    fn add(&mut self, class: &ClassPerl) {
        let ascii = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[ \t\n\x0B\f\r]",
            (ClassPerlKind::Space, true) => r"[^ \t\n\x0B\f\r]",
            (ClassPerlKind::Word, false) => "[a-zA-Z_0-9]",
            (ClassPerlKind::Word, true) => "[^a-zA-Z_0-9]",
        };
        self.0.push((class.span.start.offset..class.span.end.offset, ascii));
    }
}

impl ast::Visitor for Classes {
    type Output = Vec<(Range<usize>, &'static str)>;
    type Err = Otherwise;

    fn finish(self) -> Result<Self::Output, Otherwise> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Otherwise> {
        let flags = match ast {
            Ast::ClassPerl(class) => {
                self.add(class);
                None
            }
            // possessive, or refused
            Ast::Repetition(outer) if matches!(*outer.ast, Ast::Repetition(_)) => return Err(Otherwise),
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => group.flags(),
            _ => None,
        };
        match flags.and_then(|flags| flags.flag_state(Flag::SwapGreed)) {
            Some(_) => Err(Otherwise),
            None => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Otherwise> {
        match item {
            ClassSetItem::Perl(class) => self.add(class),
            ClassSetItem::Ascii(_) => return Err(Otherwise),
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ast::ClassSetBinaryOp) -> Result<(), Otherwise> {
        match op.kind {
            ClassSetBinaryOpKind::Intersection => Ok(()),
            ClassSetBinaryOpKind::Difference | ClassSetBinaryOpKind::SymmetricDifference => Err(Otherwise),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_java() {
        for (pattern, name, expected) in [
            (r"(\w+)", "ünï", false),
            (r"(\w+)", "un_1", true),
            (r"\W+", "ü", true),
            (r"\d", "٣", false),
            (r"\D", "٣", true),
            (r"\s", "\u{a0}", false),
            (r"[\w-]+", "a-ü", false),
            (r"[\w-]+", "a-u", true),
            (r"[^\W]+", "ü", false),
            (r"[a-z&&[^\d]]+", "a", true),
            (r"\p{L}+", "ü", true),
            (r"\\w", r"\w", true),
            (
                r"(?x) a \w # c
              ",
                "ab",
                true,
            ),
            (r"a+?b", "aab", true),
        ] {
            assert_eq!(compile(pattern, false).unwrap().1.is_match(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_java_reads_otherwise_is_refused() {
        for pattern in [
            "a*+a",
            "a++",
            "a?+",
            "a{1}+",
            "(?U)a",
            "(?U:a)",
            "[[:alpha:]]",
            "[a--b]",
            "[a~~b]",
            "a)(b",
            "(?=a)",
        ] {
            assert!(compile(pattern, false).is_none(), "{pattern}");
        }
    }
}
