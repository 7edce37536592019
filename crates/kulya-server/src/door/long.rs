//! Which requests last longer than others, by their path alone.

/// How long a request lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// A body, an answer.
    Usual,
    /// Its body or its answer has any number of lines.
    Long,
    /// Its body is a client's side of a conversation, which goes on for as long as both want.
    Conversation,
}

impl Length {
    /// Whether its body must come at a certain pace.
    pub(super) fn is_body_timed(self) -> bool {
        self != Self::Conversation
    }

    pub(super) fn is_long(self) -> bool {
        self != Self::Usual
    }

    /// So many times the usual time it may take to be answered.
    pub(super) fn times(self) -> u32 {
        if self.is_long() { 20 } else { 1 }
    }
}

/// How long a request of this path lasts.
pub(super) fn of(path: &str) -> Length {
    let Some(path) = path.strip_prefix('/') else { return Length::Usual };
    match path.split_once('/') {
        Some(("kulya.store.v1.StreamStore", "Wait" | "Transact")) => Length::Conversation,
        Some(("kulya.registry.v1.SchemaRegistry", "Import")) => Length::Conversation,
        Some(("grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _)) => {
            Length::Conversation
        }
        Some(("kulya.store.v1.StreamStore", "Tail" | "Scan")) => Length::Long,
        Some(("kulya.registry.v1.SchemaRegistry", "Export" | "Watch")) => Length::Long,
        Some(("v2", "export" | "import" | "changes")) => Length::Long,
        Some(("v2", rest)) if rest.starts_with("streams/") && rest.ends_with("/tail") => Length::Long,
        _ => Length::Usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_and_what_moves_all_lasts_long() {
        for (path, expected) in [
            ("/ping", Length::Usual),
            ("/v1/groups/import", Length::Usual),
            ("/v2/streams/s/t/events", Length::Usual),
            ("/v2/streams/s/t/tail", Length::Long),
            ("/v2/import", Length::Long),
            ("/kulya.store.v1.StreamStore/Commit", Length::Usual),
            ("/kulya.store.v1.StreamStore/Tail", Length::Long),
            ("/kulya.store.v1.StreamStore/Transact", Length::Conversation),
            ("/kulya.registry.v1.SchemaRegistry/Import", Length::Conversation),
            ("*", Length::Usual),
        ] {
            assert_eq!(of(path), expected, "{path}");
        }
    }
}
