//! `kulya cdc`: change data capture of one database, into a store or a file.

use crate::address::Address;
use crate::args::CdcArgs;
use crate::progress::CaptureProgress;
use crate::services::{Services, open_services, open_store};
use crate::settings::Settings;
use crate::shutdown;
use anyhow::{Context, Result, bail};
use kulya_cdc::table_filter::TableFilter;
use kulya_cdc::{
    CaptureSettings, CdcResult, Control, RecordingSink, RunContext, Sink, StopCondition, StoreSink,
};
use kulya_registry_api::SchemaRegistry;
use kulya_store::clock::{Clock, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(settings: Settings, args: CdcArgs) -> Result<()> {
    let source = select_source(&settings.cdc, &args)?;
    let is_postgres = source.url.starts_with("postgres");
    let file = if is_postgres { &args.postgres_password_file } else { &args.mysql_password_file };
    let mut source = with_password(source, file.as_ref())?;
    let name = source.store_settings()?.name;
    let until = if args.until_caught_up { StopCondition::CaughtUp } else { StopCondition::Cancelled };
    let stop = shutdown::on_service_signal()?;
    let progress = CaptureProgress::new(&name);
    let started = Instant::now();
    if let Some(file) = &args.record {
        let mut sink = RecordingSink::open(file)?;
        let control = Control::new(&name, SystemClock);
        run_into(&mut sink, source, until, Arc::new(SystemClock), &progress, (stop, control)).await?;
    } else {
        let address = Address::resolve(args.store, &settings)?;
        source.spool_folder = source.spool_folder.or_else(|| address.spool_folder());
        let services = open_services(open_store(address, true).await?).await?;
        let control = Control::open(Arc::clone(&services.store), &name).await?;
        if control.is_paused() {
            bail!("capture {name} is paused: run kulya capture resume {name}");
        }
        run_capture(&services, source, until, &progress, (stop, control)).await?;
        services.store.close().await?;
    }
    progress.finish(started);
    Ok(())
}

/// Sets the password: that of the environment, else that of a file, else that of the source's own password
/// file.
///
/// # Errors
/// An unreadable file.
pub(crate) fn with_password(mut source: CaptureSettings, file: Option<&PathBuf>) -> Result<CaptureSettings> {
    let is_postgres = source.url.starts_with("postgres");
    let variable = if is_postgres { "KULYA_POSTGRES_PASSWORD" } else { "KULYA_MYSQL_PASSWORD" };
    if file.is_some() {
        source.password_file = file.cloned();
    }
    if let Ok(password) = std::env::var(variable) {
        source.password = password;
    }
    read_password_file(source)
}

/// Reads the source's password from its password file, if it has one.
///
/// # Errors
/// An unreadable file.
pub(crate) fn read_password_file(mut source: CaptureSettings) -> Result<CaptureSettings> {
    if let Some(path) = &source.password_file {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read the password file {}", path.display()))?;
        source.password = text.trim_end_matches(['\r', '\n']).to_owned();
    }
    Ok(source)
}

/// Captures a database's changes into a store, with schemas in its registry.
///
/// # Errors
/// What the database, the store or the registry report.
pub(crate) async fn run_capture(
    services: &Services,
    source: CaptureSettings,
    until: StopCondition,
    progress: &CaptureProgress,
    (stop, control): (CancellationToken, Control),
) -> CdcResult<()> {
    let registry: Arc<dyn SchemaRegistry> = Arc::clone(&services.registry) as _;
    let mut sink = StoreSink::new(Arc::clone(&services.store), registry, source.store_settings()?).await?;
    run_into(&mut sink, source, until, Arc::clone(&services.clock), progress, (stop, control)).await
}

async fn run_into(
    sink: &mut dyn Sink,
    source: CaptureSettings,
    until: StopCondition,
    clock: Arc<dyn Clock>,
    progress: &CaptureProgress,
    (stop, control): (CancellationToken, Control),
) -> CdcResult<()> {
    let report = |event| progress.report(&event);
    let control = Some(control);
    kulya_cdc::run(source, until, RunContext { sink, clock, on_progress: &report, cancel: stop, control })
        .await
}

/// Selects the source of the settings file by `--name`, or the only one, and applies the flags to it.
///
/// # Errors
/// No source at all, or several without `--name`.
fn select_source(file: &[CaptureSettings], args: &CdcArgs) -> Result<CaptureSettings> {
    let named = args.name.as_ref().and_then(|name| file.iter().find(|entry| entry.name == *name));
    let url = args.mysql.as_ref().or(args.postgres.as_ref());
    let mut source = match (named, url, file) {
        (Some(entry), ..) => entry.clone(),
        (None, Some(_), _) => CaptureSettings::default(),
        (None, None, [only]) if args.name.is_none() => only.clone(),
        (None, None, []) => {
            bail!("no database given: use --postgres URL or --mysql URL, or a [[cdc]] section in kulya.toml")
        }
        (None, None, several) => {
            let names: Vec<_> = several.iter().map(|entry| entry.name.as_str()).collect();
            bail!("select a database of the settings file by --name: it has {}", names.join(", "))
        }
    };
    if let Some(url) = url {
        source.url.clone_from(url);
    }
    let overrides = [
        (&mut source.name, &args.name),
        (&mut source.scope, &args.scope),
        (&mut source.stream, &args.stream),
        (&mut source.slot, &args.slot),
        (&mut source.publication, &args.publication),
    ];
    for (setting, flag) in overrides {
        if let Some(flag) = flag {
            setting.clone_from(flag);
        }
    }
    if !args.tables.is_empty() {
        source.tables.clone_from(&args.tables);
        source.table_filter = TableFilter::default();
    }
    source.server_id = args.server_id.or(source.server_id);
    source.snapshot_mode = args.snapshot_mode.unwrap_or(source.snapshot_mode);
    source.segments = args.segments.unwrap_or(source.segments);
    source.format.encoding = args.encoding.unwrap_or(source.format.encoding);
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;
    use kulya_cdc::debezium::Encoding;

    fn selected(file: &[&str], words: &[&str]) -> Result<CaptureSettings> {
        let entry = |name: &&str| CaptureSettings {
            url: format!("postgres://file/{name}"),
            name: (*name).to_owned(),
            segments: 4,
            ..Default::default()
        };
        let file: Vec<_> = file.iter().map(entry).collect();
        let args = Args::parse_from(["kulya", "cdc"].iter().chain(words));
        let Command::Cdc(args) = args.command else { panic!("not kulya cdc") };
        select_source(&file, &args)
    }

    #[test]
    fn flags_override_the_file() {
        assert_eq!(selected(&["a"], &[]).unwrap().url, "postgres://file/a");
        assert_eq!(selected(&["a", "b"], &["--name", "b"]).unwrap().url, "postgres://file/b");
        let both =
            selected(&["a"], &["--name", "a", "--postgres", "postgres://flag/x", "--table", "s.t"]).unwrap();
        assert_eq!(
            (both.url.as_str(), both.segments, both.tables),
            ("postgres://flag/x", 4, vec!["s.t".into()])
        );
        let encoded = selected(&["a"], &["--encoding", "avro"]).unwrap();
        assert_eq!(encoded.format.encoding, Encoding::Avro);
        let alone = selected(&["a"], &["--postgres", "postgres://flag/x"]).unwrap();
        assert_eq!((alone.url.as_str(), alone.segments), ("postgres://flag/x", 1));
        assert!(selected(&[], &[]).unwrap_err().to_string().contains("--postgres URL"));
        assert!(selected(&["a", "b"], &[]).unwrap_err().to_string().contains("a, b"));
        assert!(selected(&["a"], &["--name", "c"]).unwrap_err().to_string().contains("--name: it has a"));
    }
}
