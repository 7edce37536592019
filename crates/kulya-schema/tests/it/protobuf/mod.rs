//! Protobuf: pairs with their verdicts, and random messages that must confirm them.

mod buf_breaking;
mod descriptors;
mod evolution;
mod oracle;
mod pairs;
mod printed;
mod source;
mod source_pairs;
