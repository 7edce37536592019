//! `kulya cdc`: one database's changes, into the store of a folder or a server, or into a file.

use crate::args::CdcArgs;
use crate::open::{self, Address, House};
use crate::progress::CaptureProgress;
use crate::settings::Settings;
use crate::stop;
use anyhow::{Context, Result, bail};
use kulya_cdc::{CdcResult, PostgresSettings, RecordingSink, Sink, StoreSink, Surroundings, Until};
use kulya_registry_api::SchemaRegistry;
use kulya_store::clock::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(settings: Settings, args: CdcArgs) -> Result<()> {
    let mut source = choose(&settings.cdc, &args)?;
    if args.postgres_password_file.is_some() {
        source.password_file.clone_from(&args.postgres_password_file);
    }
    if let Ok(password) = std::env::var("KULYA_POSTGRES_PASSWORD") {
        source.password = password;
    }
    let source = with_password(source)?;
    let name = source.store_settings()?.name;
    let until = if args.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    let stop = stop::on_signal_of_a_service()?;
    let progress = CaptureProgress::new(&name);
    let began = Instant::now();
    if let Some(file) = &args.record {
        let mut sink = RecordingSink::open(file)?;
        capture(source, until, &mut sink, Arc::new(SystemClock), &progress, stop).await?;
    } else {
        let store = Address::of(args.place, &settings)?.store(true).await?;
        let house = open::on(store).await?;
        into_house(&house, source, until, &progress, stop).await?;
        house.store.close().await?;
    }
    progress.finish(began);
    Ok(())
}

/// The source with the password that its file holds.
pub(crate) fn with_password(mut source: PostgresSettings) -> Result<PostgresSettings> {
    if let Some(path) = &source.password_file {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read the password of {}", path.display()))?;
        source.password = text.trim_end_matches(['\r', '\n']).to_owned();
    }
    Ok(source)
}

/// Captures into a house's store, with its registry.
pub(crate) async fn into_house(
    house: &House,
    source: PostgresSettings,
    until: Until,
    progress: &CaptureProgress,
    stop: CancellationToken,
) -> CdcResult<()> {
    let registry: Arc<dyn SchemaRegistry> = Arc::clone(&house.registry) as _;
    let mut sink = StoreSink::new(Arc::clone(&house.store), registry, source.store_settings()?).await?;
    capture(source, until, &mut sink, Arc::clone(&house.clock), progress, stop).await
}

async fn capture(
    source: PostgresSettings,
    until: Until,
    sink: &mut dyn Sink,
    clock: Arc<dyn Clock>,
    progress: &CaptureProgress,
    stop: CancellationToken,
) -> CdcResult<()> {
    let show = |happening| progress.show(&happening);
    kulya_cdc::postgres::run(source, until, Surroundings { sink, clock, progress: &show, stop }).await
}

/// The database that flags, environment and file name together: a file's entry is chosen by name, or because it is the
/// only one; what a flag says goes over it.
fn choose(file: &[PostgresSettings], args: &CdcArgs) -> Result<PostgresSettings> {
    let named = args.name.as_ref().and_then(|name| file.iter().find(|entry| entry.name == *name));
    let mut chosen = match (named, &args.postgres, file) {
        (Some(entry), ..) => entry.clone(),
        (None, Some(_), _) => PostgresSettings::default(),
        (None, None, [only]) if args.name.is_none() => only.clone(),
        (None, None, []) => {
            bail!("no database is named: give --postgres URL, or a [[cdc]] section in kulya.toml")
        }
        (None, None, several) => {
            let names: Vec<_> = several.iter().map(|entry| entry.name.as_str()).collect();
            bail!("choose a database of the settings file by --name: it has {}", names.join(", "))
        }
    };
    let texts = [
        (&mut chosen.url, &args.postgres),
        (&mut chosen.name, &args.name),
        (&mut chosen.scope, &args.scope),
        (&mut chosen.stream, &args.stream),
        (&mut chosen.slot, &args.slot),
        (&mut chosen.publication, &args.publication),
    ];
    for (setting, given) in texts {
        if let Some(given) = given {
            setting.clone_from(given);
        }
    }
    if !args.tables.is_empty() {
        chosen.tables.clone_from(&args.tables);
    }
    chosen.segments = args.segments.unwrap_or(chosen.segments);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn chosen(file: &[&str], words: &[&str]) -> Result<PostgresSettings> {
        let entry = |name: &&str| PostgresSettings {
            url: format!("postgres://file/{name}"),
            name: (*name).to_owned(),
            segments: 4,
            ..Default::default()
        };
        let file: Vec<_> = file.iter().map(entry).collect();
        let args = Args::parse_from(["kulya", "cdc"].iter().chain(words));
        let Command::Cdc(args) = args.command else { panic!("it is cdc") };
        choose(&file, &args)
    }

    #[test]
    fn flags_go_over_the_file() {
        assert_eq!(chosen(&["a"], &[]).unwrap().url, "postgres://file/a");
        assert_eq!(chosen(&["a", "b"], &["--name", "b"]).unwrap().url, "postgres://file/b");
        let both =
            chosen(&["a"], &["--name", "a", "--postgres", "postgres://flag/x", "--table", "s.t"]).unwrap();
        assert_eq!(
            (both.url.as_str(), both.segments, both.tables),
            ("postgres://flag/x", 4, vec!["s.t".into()])
        );
        let alone = chosen(&["a"], &["--postgres", "postgres://flag/x"]).unwrap();
        assert_eq!((alone.url.as_str(), alone.segments), ("postgres://flag/x", 1));
        assert!(chosen(&[], &[]).unwrap_err().to_string().contains("--postgres URL"));
        assert!(chosen(&["a", "b"], &[]).unwrap_err().to_string().contains("a, b"));
        assert!(chosen(&["a"], &["--name", "c"]).unwrap_err().to_string().contains("--name: it has a"));
    }
}
