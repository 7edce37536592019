//! Protobuf: pairs with their verdicts, and random messages that must confirm them.

mod descriptors;
mod dice;
mod evolution;
mod oracle;
mod pairs;
mod printed;
mod source;
