//! A database's changes as Debezium-format events, committed together with the position they answer for.
