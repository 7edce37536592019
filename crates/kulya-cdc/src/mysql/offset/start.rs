//! Whether a server's log can be read from a stored position, and how. Each refusal is one line with what to
//! do: a start elsewhere would lose changes without a word.

use super::MysqlPosition;
use super::gtids::Gtids;
use super::server_log::{GtidMode, ServerLog};
use crate::mysql::connection::DumpStart;
use crate::mysql::gtid::{GtidSet, MariadbPosition};
use crate::{CdcError, CdcErrorKind, CdcResult};

/// Transaction ids that a refusal repeats, in characters.
const MAX_GTID_CHARS: usize = 400;

const NEW_SNAPSHOT: &str = "take a new snapshot";

impl MysqlPosition {
    /// Returns where the log is to be read from.
    ///
    /// # Errors
    /// `Position` if transactions after the position are not in the log any more, or if the log is another
    /// one.
    pub(crate) fn start(&self, log: &ServerLog) -> CdcResult<DumpStart> {
        match (&self.gtids, &log.executed) {
            (Gtids::Mysql(stored), Gtids::Mysql(executed)) => {
                let is_told_by_ids =
                    log.gtid_mode == GtidMode::On && !stored.is_empty() && !self.has_anonymous;
                if is_told_by_ids { by_set(stored, executed, &log.purged) } else { self.by_file(log) }
            }
            (Gtids::Mariadb(stored), Gtids::Mariadb(executed)) => by_domains(stored, executed),
            (stored, _) => {
                let (stored, found) =
                    if stored.is_mariadb() { ("MariaDB", "MySQL") } else { ("MySQL", "MariaDB") };
                refuse(format!(
                    "the stored position is of {stored}, but the server is {found}: check the address, or {NEW_SNAPSHOT}"
                ))
            }
        }
    }

    fn by_file(&self, log: &ServerLog) -> CdcResult<DumpStart> {
        let point = &self.point;
        if !self.server.is_same(&log.server) {
            let name = |uuid: &Option<String>| uuid.clone().unwrap_or_else(|| "unknown".to_owned());
            return refuse(format!(
                "the stored position {point} is of the server {}, but this is {}, and without GTIDs of all transactions it is valid on that server only: connect to it, or run SET PERSIST gtid_mode = ON on both before the next change, or {NEW_SNAPSHOT}",
                name(&self.server.uuid),
                name(&log.server.uuid)
            ));
        }
        let Some((_, length)) = log.files.iter().find(|(name, _)| *name == point.file) else {
            let first = log.files.first().map_or("none", |(name, _)| name);
            return refuse(format!(
                "the stored position {point} is in a file of the binary log that the server has purged (the first one is {first}): {NEW_SNAPSHOT}, and keep the log longer with SET PERSIST binlog_expire_logs_seconds = 604800"
            ));
        };
        if point.position > *length {
            return refuse(format!(
                "the stored position {point} is behind the end of that file, {length} bytes: the server has lost its last transactions, or its log was reset; {NEW_SNAPSHOT}"
            ));
        }
        Ok(DumpStart::File { file: point.file.clone(), position: point.position })
    }
}

fn by_set(stored: &GtidSet, executed: &GtidSet, purged: &GtidSet) -> CdcResult<DumpStart> {
    let mut missing = purged.clone();
    missing.subtract(stored);
    if !missing.is_empty() {
        return refuse(format!(
            "the server has purged transactions that are not stored yet ({}): {NEW_SNAPSHOT}, and keep the log longer with SET PERSIST binlog_expire_logs_seconds = 604800",
            shortened(&missing.to_string())
        ));
    }
    let mut unknown = stored.clone();
    unknown.subtract(executed);
    if !unknown.is_empty() {
        return refuse(format!(
            "the stored position has transactions that the server does not have ({}): it is another server, a replica that is behind, or it has lost them; check the address, wait for the replica, or {NEW_SNAPSHOT}",
            shortened(&unknown.to_string())
        ));
    }
    Ok(DumpStart::MysqlGtid(stored.to_bytes()))
}

fn by_domains(stored: &MariadbPosition, executed: &MariadbPosition) -> CdcResult<DumpStart> {
    let unknown = stored.difference(executed);
    if let Some(gtid) = unknown.iter().find(|gtid| executed.domain(gtid.domain).is_none()) {
        return refuse(format!(
            "the stored position has GTID {gtid}, but the binary log has nothing of the replication domain {}: it is another server, or its log was reset; check the address, or {NEW_SNAPSHOT}",
            gtid.domain
        ));
    }
    if let Some(gtid) = unknown.first() {
        return refuse(format!(
            "the stored position has GTID {gtid}, which the server does not have (gtid_binlog_pos = {executed}): it is another server, a replica that is behind, or it has lost transactions; check the address, wait for the replica, or {NEW_SNAPSHOT}"
        ));
    }
    Ok(DumpStart::MariadbGtid(stored.to_string()))
}

fn refuse(what: String) -> CdcResult<DumpStart> {
    Err(CdcError::new(CdcErrorKind::Position, what))
}

fn shortened(gtids: &str) -> String {
    match gtids.char_indices().nth(MAX_GTID_CHARS) {
        Some((end, _)) => format!("{}…", &gtids[..end]),
        None => gtids.to_owned(),
    }
}
