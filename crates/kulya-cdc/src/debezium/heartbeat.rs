//! Heartbeats (`heartbeat.interval.ms`): records that show that a capture without changes is alive.

use super::json::write;

/// Writes a heartbeat's key; `prefix` is `topic.prefix`.
pub fn write_key(out: &mut Vec<u8>, prefix: &str) {
    out.extend_from_slice(b"{\"serverName\":");
    write(out, prefix);
    out.push(b'}');
}

/// Writes a heartbeat's value; `millis` is the time in milliseconds since 1970-01-01 UTC.
pub fn write_value(out: &mut Vec<u8>, millis: u64) {
    out.extend_from_slice(b"{\"ts_ms\":");
    write(out, &millis);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    #[test]
    fn heartbeats_have_debeziums_members() {
        let mut out = Vec::new();
        super::write_key(&mut out, "zoo");
        super::write_value(&mut out, 5);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"serverName":"zoo"}{"ts_ms":5}"#);
    }
}
