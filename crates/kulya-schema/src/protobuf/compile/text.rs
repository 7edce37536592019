//! Several `.proto` files in one text: each begins with a comment that is its name, directly before its
//! syntax or edition, as [`pretty_print`](crate::pretty_print) prints them.

use crate::protobuf::SourceFile;

/// The name of a source without one.
pub(super) const UNNAMED: &str = "schema.proto";

/// Splits a text into its files.
pub(super) fn split(text: &str) -> Vec<SourceFile> {
    let mut files: Vec<SourceFile> = Vec::new();
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let name = line.trim().strip_prefix("//").map(str::trim).filter(|name| name.ends_with(".proto"));
        let is_header = lines
            .peek()
            .is_some_and(|next| ["syntax", "edition"].iter().any(|word| next.trim_start().starts_with(word)));
        match name {
            Some(name) if is_header => {
                // what stands before the first file is a comment, or does not compile
                let before = files.pop_if(|file| file.name == UNNAMED && file.text.trim().is_empty());
                let text = before.map(|file| file.text).unwrap_or_default();
                files.push(SourceFile { name: name.to_owned(), text });
            }
            _ => match files.last_mut() {
                Some(file) => file.text.push_str(line),
                None => files.push(SourceFile { name: UNNAMED.to_owned(), text: line.to_owned() }),
            },
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        split(text).into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn a_text_is_split_into_its_files() {
        assert_eq!(names("syntax = \"proto3\";\n"), [UNNAMED]);
        assert_eq!(
            names("// a.proto\nsyntax = \"proto3\";\n\n// b.proto\nedition = \"2023\";"),
            ["a.proto", "b.proto"]
        );
        assert_eq!(names("\n// a.proto\nsyntax = \"proto3\";\n// see b.proto\nmessage M {}\n"), ["a.proto"]);
        assert_eq!(names("// b.proto\nmessage M {}\n"), [UNNAMED], "a comment that names a file");
    }
}
