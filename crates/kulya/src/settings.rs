//! The settings file: what `kulya serve` and the other commands do when no flag and no variable says otherwise.

use crate::address_space;
use crate::args::{AccessLogFormat, SqlArgs};
use crate::keep::bytes;
use anyhow::{Context, Result, bail};
use kulya_auth::resource::Names;
use kulya_cdc::PostgresSettings;
use kulya_server::strict::{Strict, Unknown};
use kulya_sql::QueryLimits;
use kulya_store_embedded::Components;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "kulya.toml";
/// Smaller files would be mostly their own overhead.
const MIN_LOG_FILE_BYTES: u64 = 65_536;
const DEFAULT_DATA: &str = "kulya-data";
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);
/// With less memory no query runs: the program itself is held against it, too.
const MIN_QUERY_BYTES: usize = 128 << 20;

/// A settings file.
///
/// ```toml
/// data = "/var/lib/kulya"
/// listen = "127.0.0.1:9092"
///
/// audit-log = "/var/log/kulya/audit.jsonl"
///
/// [tls]
/// certificate = "/etc/kulya/server.pem"
/// private-key = "/etc/kulya/server.key"
///
/// [auth]
/// accounts = "/etc/kulya/accounts"
///
/// [limits]
/// requests-per-second = 500
///
/// [sql]
/// memory = "1GiB"
///
/// [[cdc]]
/// name = "shop"
/// url = "postgres://kulya:secret@db:5432/shop"
/// tables = ["public.*"]
/// ```
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The store's folder.
    data: Option<PathBuf>,
    /// Where the registry answers.
    listen: Option<SocketAddr>,
    /// Where the server's health is answered, too.
    pub(crate) health_listen: Option<SocketAddr>,
    /// How a store in a folder is kept.
    #[serde(default)]
    pub(crate) store: Store,
    /// Where changes and refusals are written down.
    pub(crate) audit_log: Option<PathBuf>,
    /// Whether, and how, each request is written down.
    #[serde(default)]
    pub(crate) access_log: Option<AccessLogFormat>,
    /// Where to; standard error when it is left out.
    pub(crate) access_log_file: Option<PathBuf>,
    /// Proxies whose X-Forwarded-For is believed.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// The certificate of the server.
    #[serde(default)]
    pub(crate) tls: Tls,
    /// Who is let in.
    #[serde(default)]
    pub(crate) auth: Auth,
    /// What browsers may ask.
    #[serde(default)]
    pub(crate) http: Http,
    /// How much there may be of what.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// What queries may take.
    #[serde(default)]
    sql: Sql,
    /// The databases whose changes `kulya serve` captures.
    #[serde(default)]
    pub(crate) cdc: Vec<PostgresSettings>,
}

/// How a store in a folder is kept; what is not named is as usual.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Store {
    /// A log file takes no further frame once it has so many bytes. Room is given back in whole files.
    log_file_bytes: Option<u64>,
    /// Milliseconds between two looks at the streams' retention.
    maintenance_interval_ms: Option<u64>,
}

impl Store {
    /// What a folder's store stands on.
    pub(crate) fn components(self) -> Result<Components> {
        let usual = Components::default();
        let log_file_bytes = self.log_file_bytes.unwrap_or(usual.log_file_bytes);
        let interval = self.maintenance_interval_ms.map_or(usual.maintenance_interval, Duration::from_millis);
        if log_file_bytes < MIN_LOG_FILE_BYTES || interval.is_zero() {
            anyhow::bail!(
                "store.log-file-bytes is {MIN_LOG_FILE_BYTES} or more, store.maintenance-interval-ms is 1 or more"
            );
        }
        Ok(Components { log_file_bytes, maintenance_interval: interval, ..usual })
    }
}

/// Files in PEM; read again when they change.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Tls {
    /// The server's certificate, and those up to its authority.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key.
    pub(crate) private_key: Option<PathBuf>,
}

/// By which names the server is called, and by whose pages.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Http {
    /// Names beside loopback's; where some are given, others are refused.
    #[serde(default)]
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of pages that may call the server.
    #[serde(default)]
    pub(crate) allowed_origins: Vec<String>,
}

/// What queries of `kulya sql` may take.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sql {
    /// Memory, as `1GiB`.
    memory: Option<String>,
    /// Room on disk, as `16GiB`.
    spill: Option<String>,
    /// The folder for it.
    spill_folder: Option<PathBuf>,
}

/// Who is let in. With neither accounts nor a key set: everybody.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Auth {
    /// The account file; read again when it changes.
    pub(crate) accounts: Option<PathBuf>,
    /// The issuer's key set: a file, or an https URL.
    pub(crate) jwks: Option<String>,
    /// For that URL: the authority's certificate in PEM, where it is not one of the machine's.
    pub(crate) jwks_ca: Option<PathBuf>,
    /// Who makes tokens: their `iss`.
    pub(crate) issuer: Option<String>,
    /// For whom they are: their `aud`.
    pub(crate) audience: Option<String>,
    /// By how much clocks may differ.
    pub(crate) leeway_seconds: Option<u64>,
    /// The claim that has a token's rights.
    pub(crate) acl_claim: Option<String>,
    /// Whether a token without that claim has the rights of the account that its `sub` names.
    #[serde(default)]
    pub(crate) subject_is_account: bool,
    /// What resources are called in rights.
    #[serde(default)]
    pub(crate) resources: Resources,
}

/// What the parts of a resource are called.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Resources {
    domain: Option<String>,
    namespace: Option<String>,
    group: Option<String>,
}

impl From<Resources> for Names {
    fn from(Resources { domain, namespace, group }: Resources) -> Self {
        let usual = Self::default();
        Self {
            domain: domain.unwrap_or(usual.domain),
            namespace: namespace.unwrap_or(usual.namespace),
            group: group.unwrap_or(usual.group),
        }
    }
}

/// How much there may be of what; what is not named is as usual.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Limits {
    pub(crate) connections: Option<u32>,
    address_percent: Option<u32>,
    handshakes: Option<u32>,
    handshake_seconds: Option<u32>,
    head_seconds: Option<u32>,
    idle_seconds: Option<u32>,
    body_seconds: Option<u32>,
    body_bytes_per_second: Option<u32>,
    body_most_seconds: Option<u32>,
    request_seconds: Option<u32>,
    write_seconds: Option<u32>,
    slow_milliseconds: Option<u32>,
    requests: Option<u32>,
    requests_per_second: Option<u32>,
    burst: Option<u32>,
    failures_per_second: Option<u32>,
    megabytes: Option<u32>,
}

impl Limits {
    /// For messages.
    pub(crate) const NAMES: &str = "connections, address-percent, handshakes, handshake-seconds, head-seconds, idle-seconds, body-seconds, body-bytes-per-second, body-most-seconds, request-seconds, write-seconds, slow-milliseconds, requests, requests-per-second, burst, failures-per-second, megabytes";

    /// A limit by its name.
    pub(crate) fn of(&mut self, name: &str) -> Option<&mut Option<u32>> {
        Some(match name {
            "connections" => &mut self.connections,
            "address-percent" => &mut self.address_percent,
            "handshakes" => &mut self.handshakes,
            "handshake-seconds" => &mut self.handshake_seconds,
            "head-seconds" => &mut self.head_seconds,
            "idle-seconds" => &mut self.idle_seconds,
            "body-seconds" => &mut self.body_seconds,
            "body-bytes-per-second" => &mut self.body_bytes_per_second,
            "body-most-seconds" => &mut self.body_most_seconds,
            "request-seconds" => &mut self.request_seconds,
            "write-seconds" => &mut self.write_seconds,
            "slow-milliseconds" => &mut self.slow_milliseconds,
            "requests" => &mut self.requests,
            "requests-per-second" => &mut self.requests_per_second,
            "burst" => &mut self.burst,
            "failures-per-second" => &mut self.failures_per_second,
            "megabytes" => &mut self.megabytes,
            _ => return None,
        })
    }

    /// The server's. Rates may be 0, for none; of the rest nothing works without one.
    pub(crate) fn into_limits(self) -> Result<kulya_server::Limits> {
        let usual = kulya_server::Limits::default();
        let some = |name: &str, given: Option<u32>, usual: usize| match given {
            Some(0) => Err(anyhow::anyhow!("limit {name} is 0: nobody would be served")),
            Some(number) => Ok(number as usize),
            None => Ok(usual),
        };
        let seconds = |name: &str, given: Option<u32>, usual: Duration| {
            Ok::<_, anyhow::Error>(Duration::from_secs(some(name, given, usual.as_secs() as usize)? as u64))
        };
        let burst = match (self.burst, self.requests_per_second) {
            (Some(burst), _) => burst,
            (None, Some(per_second)) => per_second.saturating_mul(2),
            (None, None) => usual.burst,
        };
        let address_percent = self.address_percent.unwrap_or(usual.address_percent);
        if !(1..=100).contains(&address_percent) {
            anyhow::bail!("limit address-percent is {address_percent}: give 1 to 100");
        }
        Ok(kulya_server::Limits {
            connections: some("connections", self.connections, usual.connections)?,
            address_percent,
            handshakes: some("handshakes", self.handshakes, usual.handshakes)?,
            handshake_time: seconds("handshake-seconds", self.handshake_seconds, usual.handshake_time)?,
            head_time: seconds("head-seconds", self.head_seconds, usual.head_time)?,
            idle_time: seconds("idle-seconds", self.idle_seconds, usual.idle_time)?,
            body_time: seconds("body-seconds", self.body_seconds, usual.body_time)?,
            body_bytes_per_second: self.body_bytes_per_second.unwrap_or(usual.body_bytes_per_second),
            body_most_time: seconds("body-most-seconds", self.body_most_seconds, usual.body_most_time)?,
            request_time: seconds("request-seconds", self.request_seconds, usual.request_time)?,
            write_time: seconds("write-seconds", self.write_seconds, usual.write_time)?,
            slow_time: self
                .slow_milliseconds
                .map_or(usual.slow_time, |time| Duration::from_millis(time.into())),
            requests: some("requests", self.requests, usual.requests)?,
            requests_per_second: self.requests_per_second.unwrap_or(usual.requests_per_second),
            burst,
            failures_per_second: self.failures_per_second.unwrap_or(usual.failures_per_second),
            bytes: some("megabytes", self.megabytes, address_space::request_bytes(usual.bytes) >> 20)?
                .saturating_mul(1 << 20),
        })
    }
}

impl Settings {
    /// The store's folder: flag or variable, else file, else the default.
    pub(crate) fn data(&self, given: Option<PathBuf>) -> PathBuf {
        given.or_else(|| self.data.clone()).unwrap_or_else(|| DEFAULT_DATA.into())
    }

    /// Whether the file says where the store is.
    pub(crate) fn names_data(&self) -> bool {
        self.data.is_some()
    }

    /// What a query may take, likewise.
    pub(crate) fn query_limits(&self, args: &SqlArgs) -> Result<QueryLimits> {
        let usual = QueryLimits::default();
        let size = |flag: &Option<String>, file: &Option<String>| {
            flag.as_ref().or(file.as_ref()).map(|text| bytes(text)).transpose()
        };
        let memory = match size(&args.memory, &self.sql.memory)? {
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            None => usual.memory_bytes,
        };
        if memory < MIN_QUERY_BYTES {
            bail!("--memory is less than a query needs: the least is {}MiB", MIN_QUERY_BYTES >> 20);
        }
        Ok(QueryLimits {
            memory_bytes: memory,
            spill_bytes: size(&args.spill, &self.sql.spill)?.unwrap_or(usual.spill_bytes),
            spill_folder: args.spill_folder.clone().or_else(|| self.sql.spill_folder.clone()),
        })
    }

    /// The registry's address, likewise.
    pub(crate) fn listen(&self, given: Option<SocketAddr>) -> SocketAddr {
        given.or(self.listen).unwrap_or(DEFAULT_LISTEN)
    }
}

/// Reads the named file, or the default one if it is there.
pub(crate) fn load(file: Option<&Path>) -> Result<Settings> {
    let path = match file {
        Some(path) => path,
        None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
        None => return Ok(Settings::default()),
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read settings {}", path.display()))?;
    parse(&text).with_context(|| format!("settings {}", path.display()))
}

fn parse(text: &str) -> Result<Settings> {
    // toml's own message spans lines and draws arrows; one line is promised
    let said = |e: toml::de::Error| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("line {line}: {}", e.message())
    };
    let reader = toml::Deserializer::parse(text).map_err(said)?;
    // a list in the place of a table would be taken for its settings in order
    Settings::deserialize(Strict::new(reader, Unknown::Refused)).map_err(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_one_wins() {
        let file = parse("data = \"/from/file\"\nlisten = \"127.0.0.1:1\"").unwrap();
        assert_eq!(file.data(None), Path::new("/from/file"));
        assert_eq!(file.data(Some("/from/flag".into())), Path::new("/from/flag"));
        assert_eq!(file.listen(None).port(), 1);
        assert_eq!(Settings::default().data(None), Path::new("kulya-data"));
        assert_eq!(Settings::default().listen(None).port(), 9092);
    }

    #[test]
    fn a_list_is_no_table() {
        for text in ["auth = [\"accounts\"]", "tls = []", "cdc = [[]]", "limits = [1]"] {
            let refused = parse(text).unwrap_err().to_string();
            assert!(refused.contains("sequence"), "{text}: {refused}");
        }
        let read =
            parse("[http]\nallowed-hosts = [\"a\"]\n[[cdc]]\nname = \"x\"\nurl = \"postgres://h/d\"\n")
                .unwrap();
        assert_eq!((read.http.allowed_hosts, read.cdc.len()), (vec!["a".to_owned()], 1));
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let refused = parse("data = \"x\"\nlisen = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(refused.contains("line 2") && refused.contains("lisen"), "{refused}");
    }
}
