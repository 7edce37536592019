//! The lookup of nested messages by their full names. Java's registry knows only top-level messages (contract
//! §2.1), and they come first.

use prost_types::{DescriptorProto, FileDescriptorProto};

/// Returns whether a file declares a message of this full name, at any depth. The messages that a compiler
/// makes for maps are not types.
pub(crate) fn declares_message(files: &[FileDescriptorProto], full_name: &str) -> bool {
    files.iter().any(|file| {
        let within = match file.package() {
            "" => Some(full_name),
            package => full_name.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')),
        };
        within.is_some_and(|path| is_declared(&file.message_type, path))
    })
}

fn is_declared(mut messages: &[DescriptorProto], path: &str) -> bool {
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let Some(found) = messages.iter().find(|message| message.name() == part) else { return false };
        if parts.peek().is_none() {
            return !found.options.as_ref().is_some_and(|options| options.map_entry());
        }
        messages = &found.nested_type;
    }
    false
}
