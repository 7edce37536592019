//! The settings file, `kulya.toml`: defaults that environment variables and flags override.

use crate::address_space;
use crate::args::{AccessLogFormat, SqlArgs};
use crate::units::parse_size;
use anyhow::{Context, Result, bail};
use kulya_auth::resource::ResourceNames;
use kulya_cdc::CaptureSettings;
use kulya_server::strict::{StrictDeserializer, UnknownFields};
use kulya_sql::QueryLimits;
use kulya_store_embedded::Options;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is read unless `--config` names one.
const DEFAULT_FILE: &str = "kulya.toml";
/// Smallest log file, in bytes; smaller ones would be mostly overhead.
const MIN_LOG_FILE_BYTES: u64 = 65_536;
const DEFAULT_DATA: &str = "kulya-data";
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);
/// Smallest memory limit of a query, in bytes: the program's own memory counts too.
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
    /// The store: a folder or a URL.
    data: Option<PathBuf>,
    /// The address to listen on.
    listen: Option<SocketAddr>,
    /// The separate address of the health endpoints.
    pub(crate) health_listen: Option<SocketAddr>,
    /// Tuning of a store in a folder.
    #[serde(default)]
    pub(crate) store: Store,
    /// The file of the audit log: changes and denied requests.
    pub(crate) audit_log: Option<PathBuf>,
    /// The format of the access log.
    #[serde(default)]
    pub(crate) access_log: Option<AccessLogFormat>,
    /// The file of the access log; standard error without one.
    pub(crate) access_log_file: Option<PathBuf>,
    /// Reverse proxies whose X-Forwarded-For is trusted.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// The server's certificate.
    #[serde(default)]
    pub(crate) tls: Tls,
    /// Authentication.
    #[serde(default)]
    pub(crate) auth: Auth,
    /// Requests from browsers.
    #[serde(default)]
    pub(crate) http: Http,
    /// Limits of the server.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Limits of queries.
    #[serde(default)]
    sql: Sql,
    /// The databases whose changes `kulya serve` captures.
    #[serde(default)]
    pub(crate) cdc: Vec<CaptureSettings>,
}

/// Tuning of a store in a folder; every value has a default.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Store {
    /// Bytes of a log file before the next one is started. Disk space is freed by whole files.
    log_file_bytes: Option<u64>,
    /// Milliseconds between two runs of maintenance (retention, compaction).
    maintenance_interval_ms: Option<u64>,
}

impl Store {
    /// Returns the embedded store's components.
    ///
    /// # Errors
    /// Values that are too small.
    pub(crate) fn components(self) -> Result<Options> {
        let default = Options::default();
        let log_file_bytes = self.log_file_bytes.unwrap_or(default.log_file_bytes);
        let interval =
            self.maintenance_interval_ms.map_or(default.maintenance_interval, Duration::from_millis);
        if log_file_bytes < MIN_LOG_FILE_BYTES || interval.is_zero() {
            anyhow::bail!(
                "store.log-file-bytes is {MIN_LOG_FILE_BYTES} or more, store.maintenance-interval-ms is 1 or more"
            );
        }
        Ok(Options { log_file_bytes, maintenance_interval: interval, ..default })
    }
}

/// TLS: files in PEM, reloaded when they change.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Tls {
    /// The server's certificate chain.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key.
    pub(crate) private_key: Option<PathBuf>,
}

/// Requests from browsers: allowed Host headers and origins.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Http {
    /// Allowed Host headers beside localhost; if there are any, others are rejected.
    #[serde(default)]
    pub(crate) allowed_hosts: Vec<String>,
    /// Allowed origins (CORS).
    #[serde(default)]
    pub(crate) allowed_origins: Vec<String>,
}

/// Limits of a query of `kulya sql`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sql {
    /// Memory, such as `1GiB`.
    memory: Option<String>,
    /// Disk space for spilled data, such as `16GiB`.
    spill: Option<String>,
    /// The folder for spilled data.
    spill_folder: Option<PathBuf>,
}

/// Authentication. With neither accounts nor a key set there is none.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Auth {
    /// The account file; reloaded when it changes.
    pub(crate) accounts: Option<PathBuf>,
    /// The issuer's key set: a file, or an https URL.
    pub(crate) jwks: Option<String>,
    /// For that URL: the certificate authority in PEM, if this machine does not trust it.
    pub(crate) jwks_ca: Option<PathBuf>,
    /// The issuer of tokens (`iss`).
    pub(crate) issuer: Option<String>,
    /// The audience of tokens (`aud`).
    pub(crate) audience: Option<String>,
    /// Clock skew, in seconds, that is tolerated in tokens.
    pub(crate) leeway_seconds: Option<u64>,
    /// The claim that contains a token's permissions.
    pub(crate) acl_claim: Option<String>,
    /// Whether a token without that claim has the permissions of the account that its `sub` names.
    #[serde(default)]
    pub(crate) subject_is_account: bool,
    /// The names of resources in permissions.
    #[serde(default)]
    pub(crate) resources: Resources,
}

/// The names of the parts of a resource.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Resources {
    domain: Option<String>,
    namespace: Option<String>,
    group: Option<String>,
}

impl From<Resources> for ResourceNames {
    fn from(Resources { domain, namespace, group }: Resources) -> Self {
        let default = Self::default();
        Self {
            domain: domain.unwrap_or(default.domain),
            namespace: namespace.unwrap_or(default.namespace),
            group: group.unwrap_or(default.group),
        }
    }
}

/// Limits of the server; every value has a default.
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
    /// The names of all limits, for messages.
    pub(crate) const NAMES: &str = "connections, address-percent, handshakes, handshake-seconds, head-seconds, idle-seconds, body-seconds, body-bytes-per-second, body-most-seconds, request-seconds, write-seconds, slow-milliseconds, requests, requests-per-second, burst, failures-per-second, megabytes";

    /// Returns a limit by its name in the file.
    pub(crate) fn by_name(&mut self, name: &str) -> Option<&mut Option<u32>> {
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

    /// Returns the server's limits. A rate of 0 is no limit; the others must not be 0.
    ///
    /// # Errors
    /// A value out of its range.
    pub(crate) fn into_limits(self) -> Result<kulya_server::Limits> {
        let default = kulya_server::Limits::default();
        let positive = |name: &str, value: Option<u32>, default: usize| match value {
            Some(0) => Err(anyhow::anyhow!("limit {name} is 0: no request would be served")),
            Some(number) => Ok(number as usize),
            None => Ok(default),
        };
        let seconds = |name: &str, value: Option<u32>, default: Duration| {
            Ok::<_, anyhow::Error>(Duration::from_secs(
                positive(name, value, default.as_secs() as usize)? as u64
            ))
        };
        let burst = match (self.burst, self.requests_per_second) {
            (Some(burst), _) => burst,
            (None, Some(per_second)) => per_second.saturating_mul(2),
            (None, None) => default.burst,
        };
        let address_percent = self.address_percent.unwrap_or(default.address_percent);
        if !(1..=100).contains(&address_percent) {
            anyhow::bail!("limit address-percent is {address_percent}: must be 1 to 100");
        }
        Ok(kulya_server::Limits {
            connections: positive("connections", self.connections, default.connections)?,
            address_percent,
            handshakes: positive("handshakes", self.handshakes, default.handshakes)?,
            handshake_time: seconds("handshake-seconds", self.handshake_seconds, default.handshake_time)?,
            head_time: seconds("head-seconds", self.head_seconds, default.head_time)?,
            idle_time: seconds("idle-seconds", self.idle_seconds, default.idle_time)?,
            body_time: seconds("body-seconds", self.body_seconds, default.body_time)?,
            body_bytes_per_second: self.body_bytes_per_second.unwrap_or(default.body_bytes_per_second),
            max_body_time: seconds("body-most-seconds", self.body_most_seconds, default.max_body_time)?,
            request_time: seconds("request-seconds", self.request_seconds, default.request_time)?,
            write_time: seconds("write-seconds", self.write_seconds, default.write_time)?,
            slow_time: self
                .slow_milliseconds
                .map_or(default.slow_time, |time| Duration::from_millis(time.into())),
            requests: positive("requests", self.requests, default.requests)?,
            requests_per_second: self.requests_per_second.unwrap_or(default.requests_per_second),
            burst,
            failures_per_second: self.failures_per_second.unwrap_or(default.failures_per_second),
            bytes: positive("megabytes", self.megabytes, address_space::request_bytes(default.bytes) >> 20)?
                .saturating_mul(1 << 20),
        })
    }
}

impl Settings {
    /// Returns the settings of one capture, into the store at `data` or the default one.
    pub(crate) fn of_capture(source: CaptureSettings, data: Option<PathBuf>) -> Self {
        Self { data, cdc: vec![source], ..Self::default() }
    }

    /// Returns the store: `flag`, else the file's, else the default.
    pub(crate) fn data(&self, flag: Option<PathBuf>) -> PathBuf {
        flag.or_else(|| self.data.clone()).unwrap_or_else(|| DEFAULT_DATA.into())
    }

    /// Whether the file names a store.
    pub(crate) fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// Returns the limits of a query, likewise.
    ///
    /// # Errors
    /// A value that is no size, or too little memory.
    pub(crate) fn query_limits(&self, args: &SqlArgs) -> Result<QueryLimits> {
        let default = QueryLimits::default();
        let size = |flag: &Option<String>, file: &Option<String>| {
            flag.as_ref().or(file.as_ref()).map(|text| parse_size(text)).transpose()
        };
        let memory = match size(&args.memory, &self.sql.memory)? {
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            None => default.memory_bytes,
        };
        if memory < MIN_QUERY_BYTES {
            bail!("--memory is less than a query needs: the minimum is {}MiB", MIN_QUERY_BYTES >> 20);
        }
        Ok(QueryLimits {
            memory_bytes: memory,
            spill_bytes: size(&args.spill, &self.sql.spill)?.unwrap_or(default.spill_bytes),
            spill_folder: args.spill_folder.clone().or_else(|| self.sql.spill_folder.clone()),
        })
    }

    /// Returns the address to listen on, likewise.
    pub(crate) fn listen(&self, flag: Option<SocketAddr>) -> SocketAddr {
        flag.or(self.listen).unwrap_or(DEFAULT_LISTEN)
    }
}

/// Reads `file`, else the default file if it exists.
///
/// # Errors
/// An unreadable file, and the first setting that is wrong.
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
    // one line instead of toml's own message with an excerpt
    let one_line = |e: toml::de::Error| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("line {line}: {}", e.message())
    };
    let reader = toml::Deserializer::parse(text).map_err(one_line)?;
    // serde would take a list in place of a table for its settings in order
    Settings::deserialize(StrictDeserializer::new(reader, UnknownFields::Reject)).map_err(one_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_the_file() {
        let file = parse("data = \"/from/file\"\nlisten = \"127.0.0.1:1\"").unwrap();
        assert_eq!(file.data(None), Path::new("/from/file"));
        assert_eq!(file.data(Some("/from/flag".into())), Path::new("/from/flag"));
        assert_eq!(file.listen(None).port(), 1);
        assert_eq!(Settings::default().data(None), Path::new("kulya-data"));
        assert_eq!(Settings::default().listen(None).port(), 9092);
    }

    #[test]
    fn list_in_place_of_a_table_is_rejected() {
        for text in ["auth = [\"accounts\"]", "tls = []", "cdc = [[]]", "limits = [1]"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("sequence"), "{text}: {error}");
        }
        let read =
            parse("[http]\nallowed-hosts = [\"a\"]\n[[cdc]]\nname = \"x\"\nurl = \"postgres://h/d\"\n")
                .unwrap();
        assert_eq!((read.http.allowed_hosts, read.cdc.len()), (vec!["a".to_owned()], 1));
    }

    #[test]
    fn unknown_setting_is_reported_with_its_line() {
        let error = parse("data = \"x\"\nlisen = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("lisen"), "{error}");
    }
}
