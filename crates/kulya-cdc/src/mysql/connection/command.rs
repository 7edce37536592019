//! Commands to the server, encoded.

const QUERY: u8 = 0x03;
const BINLOG_DUMP: u8 = 0x12;
const REGISTER_SLAVE: u8 = 0x15;
const BINLOG_DUMP_GTID: u8 = 0x1e;

/// Flags of a dump.
pub(super) mod dump_flag {
    /// End at the log's end instead of waiting.
    pub(crate) const NON_BLOCKING: u16 = 1;
    /// MariaDB: send the statements' texts (ANNOTATE_ROWS).
    pub(crate) const ANNOTATE_ROWS: u16 = 2;
    /// MySQL: the command contains a set of GTIDs.
    pub(crate) const THROUGH_GTID: u16 = 4;
}

/// The name under which the server lists its readers (SHOW REPLICAS).
const READER_NAME: &str = "kulya";

pub(super) fn query(sql: &str) -> Vec<u8> {
    [&[QUERY], sql.as_bytes()].concat()
}

/// Registers as a reader of the log, which makes it appear in the server's list.
pub(super) fn register_slave(server_id: u32) -> Vec<u8> {
    let mut output = vec![REGISTER_SLAVE];
    output.extend_from_slice(&server_id.to_le_bytes());
    output.push(READER_NAME.len() as u8);
    output.extend_from_slice(READER_NAME.as_bytes());
    output.extend_from_slice(&[0, 0]); // empty user and password
    output.extend_from_slice(&[0; 2]); // port
    output.extend_from_slice(&[0; 8]); // rank, and the id of the server, which it knows
    output
}

/// Requests the log from a file and position.
pub(super) fn binlog_dump(flags: u16, server_id: u32, file: &str, position: u32) -> Vec<u8> {
    let mut output = vec![BINLOG_DUMP];
    output.extend_from_slice(&position.to_le_bytes());
    output.extend_from_slice(&flags.to_le_bytes());
    output.extend_from_slice(&server_id.to_le_bytes());
    output.extend_from_slice(file.as_bytes());
    output
}

/// Requests MySQL's transactions that are not in an encoded set of GTIDs, of less than 16 MiB.
pub(super) fn binlog_dump_gtid(flags: u16, server_id: u32, set: &[u8]) -> Vec<u8> {
    let mut output = vec![BINLOG_DUMP_GTID];
    output.extend_from_slice(&(flags | dump_flag::THROUGH_GTID).to_le_bytes());
    output.extend_from_slice(&server_id.to_le_bytes());
    output.extend_from_slice(&0_u32.to_le_bytes()); // no file name
    output.extend_from_slice(&4_u64.to_le_bytes()); // the position of a file's first event
    output.extend_from_slice(&u32::try_from(set.len()).unwrap_or(u32::MAX).to_le_bytes());
    output.extend_from_slice(set);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded() {
        assert_eq!(query("SELECT 1"), b"\x03SELECT 1");
        assert_eq!(register_slave(0x0102), b"\x15\x02\x01\0\0\x05kulya\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(binlog_dump(2, 7, "log.1", 258), b"\x12\x02\x01\0\0\x02\0\x07\0\0\0log.1");
        assert_eq!(
            binlog_dump_gtid(0, 7, b"set"),
            b"\x1e\x04\0\x07\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x03\0\0\0set"
        );
    }
}
