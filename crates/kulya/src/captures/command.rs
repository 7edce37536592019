//! `kulya capture`: lists captures, shows their status, pauses, resumes and drops them, by a server or in a
//! store.

use super::{signal, text};
use crate::address::Address;
use crate::args::{CaptureArgs, CaptureCommand};
use crate::capture::with_password;
use crate::output::{print_json, print_line};
use crate::services::{Services, open_services, open_store};
use crate::settings::Settings;
use anyhow::{Result, bail};
use kulya_cdc::{
    CaptureSettings, CaptureStatus, Control, DroppedCapture, SignalRecord, delete_captured_streams,
    drop_capture, forget_capture, stored_captures,
};
use kulya_client::{Credentials, HttpCaptures, RegistrySettings, RemoteSettings};
use kulya_registry_api::RegistryErrorKind;
use kulya_store::StreamStore;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) async fn run(settings: Settings, args: CaptureArgs) -> Result<()> {
    let CaptureArgs { store, json: as_json, command } = args;
    let address = Address::resolve(store, &settings)?;
    if let Address::Server(remote) = &address {
        let captures = HttpCaptures::with_settings(http_settings(remote.clone()))?;
        if is_run_by(&captures, &command).await? {
            return run_on_server(&captures, command, as_json).await;
        }
    }
    let services = open_services(open_store(address, false).await?).await?;
    run_on_store(&services, &settings, command, as_json).await?;
    Ok(services.store.close().await?)
}

/// Returns whether a command is for the server itself, and not for a capture that another process runs on the
/// server's store.
async fn is_run_by(captures: &HttpCaptures, command: &CaptureCommand) -> Result<bool> {
    let Some(name) = command.name() else { return Ok(true) };
    match captures.status::<CaptureStatus>(name).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == RegistryErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Runs a command by the server that runs the captures.
async fn run_on_server(captures: &HttpCaptures, command: CaptureCommand, as_json: bool) -> Result<()> {
    match command {
        CaptureCommand::List => print_list(&captures.list().await?, as_json),
        CaptureCommand::Status { name } => print_status(&captures.status(&name).await?, as_json),
        CaptureCommand::Pause { name } => print_state(&captures.pause(&name).await?, as_json),
        CaptureCommand::Resume { name } => print_state(&captures.resume(&name).await?, as_json),
        CaptureCommand::Signal { name, kind, tables, condition, surrogate_key, data, id } => {
            let data = data.unwrap_or_else(|| signal::data(&tables, condition, surrogate_key));
            let signal = signal::record(id, kind, data);
            print_signalled(&captures.signal(&name, &signal).await?, &signal, true, as_json)
        }
        CaptureCommand::Drop { database: Some(_), .. } => {
            bail!("--database is that of the server's settings file: omit it, or give the store by --data")
        }
        CaptureCommand::Drop { name, store_only, streams, .. } => {
            print_dropped(&captures.remove(&name, store_only, streams).await?, as_json)
        }
    }
}

fn http_settings(remote: RemoteSettings) -> RegistrySettings {
    let RemoteSettings { url, ca_pem, token, basic, retry_timeout, .. } = remote;
    let credentials = match (token, basic) {
        (Some(token), _) => Credentials::Token(token),
        (None, Some((user, password))) => Credentials::Basic { user, password },
        (None, None) => Credentials::Anonymous,
    };
    RegistrySettings { ca_pem, credentials, retry_timeout, ..RegistrySettings::new(url) }
}

/// Runs a command on what a store has of the captures, which may run in other processes.
async fn run_on_store(
    services: &Services,
    settings: &Settings,
    command: CaptureCommand,
    as_json: bool,
) -> Result<()> {
    let store = &services.store;
    match command {
        CaptureCommand::List => {
            let mut statuses = Vec::new();
            for capture in stored_captures(&**store).await? {
                statuses.push(Control::open(Arc::clone(store), capture.name).await?.status());
            }
            print_list(&statuses, as_json)
        }
        CaptureCommand::Status { name } => {
            print_status(&control(store, settings, &name).await?.status(), as_json)
        }
        CaptureCommand::Pause { name } => {
            let control = control(store, settings, &name).await?;
            control.pause().await?;
            print_state(&control.status(), as_json)
        }
        CaptureCommand::Resume { name } => {
            let control = control(store, settings, &name).await?;
            control.resume().await?;
            print_state(&control.status(), as_json)
        }
        CaptureCommand::Signal { name, kind, tables, condition, surrogate_key, data, id } => {
            let data = data.unwrap_or_else(|| signal::data(&tables, condition, surrogate_key));
            let signal = signal::record(id, kind, data);
            let control = control(store, settings, &name).await?;
            let is_added = control.signal(signal.clone()).await?;
            print_signalled(&control.status(), &signal, is_added, as_json)
        }
        CaptureCommand::Drop { name, database, database_password_file, store_only, streams } => {
            let mut dropped = match store_only {
                true => forget_capture(&name, &**store, None).await?,
                false => {
                    let source = source(settings, &name, database.clone(), database_password_file.as_ref())?;
                    drop_capture(&source, &**store, None).await?
                }
            };
            if streams {
                let written = source(settings, &name, database, None)?.store_settings()?;
                dropped.streams = delete_captured_streams(&written, &**store, &*services.registry).await?;
            }
            print_dropped(&dropped, as_json)
        }
    }
}

/// Returns the control of a capture that the store or the settings file has: a name may be mistyped.
async fn control(store: &Arc<dyn StreamStore>, settings: &Settings, name: &str) -> Result<Control> {
    let is_stored = stored_captures(&**store).await?.iter().any(|capture| capture.name == name);
    if !is_stored && configured(settings, name).is_none() {
        bail!("capture {name} does not exist: kulya capture list shows all");
    }
    Ok(Control::open(Arc::clone(store), name).await?)
}

/// Returns the capture of the settings file that has a name, which is by default that of the database.
fn configured<'a>(settings: &'a Settings, name: &str) -> Option<&'a CaptureSettings> {
    settings.cdc.iter().find(|source| source.store_settings().is_ok_and(|stored| stored.name == name))
}

/// Returns the settings of a capture to drop.
fn source(
    settings: &Settings,
    name: &str,
    database: Option<String>,
    password_file: Option<&PathBuf>,
) -> Result<CaptureSettings> {
    let mut source = match (configured(settings, name), &database) {
        (Some(source), _) => source.clone(),
        (None, Some(_)) => CaptureSettings { name: name.to_owned(), ..CaptureSettings::default() },
        (None, None) => bail!(
            "no database of capture {name} is known: give --database URL, or --store-only if it no longer exists"
        ),
    };
    if let Some(database) = database {
        source.url = database;
    }
    with_password(source, password_file)
}

fn print_list(statuses: &[CaptureStatus], as_json: bool) -> Result<()> {
    if as_json {
        return statuses.iter().try_for_each(print_json);
    }
    text::print_table(statuses);
    Ok(())
}

fn print_status(status: &CaptureStatus, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(status);
    }
    text::print_status(status);
    Ok(())
}

fn print_state(status: &CaptureStatus, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(status);
    }
    print_line!("{}: {}", status.name, status.state.as_str());
    Ok(())
}

fn print_signalled(
    status: &CaptureStatus,
    signal: &SignalRecord,
    is_added: bool,
    as_json: bool,
) -> Result<()> {
    if as_json {
        return print_json(status);
    }
    match is_added {
        true => print_line!("{}: signal {} given", status.name, signal.kind),
        false => print_line!("{}: a signal with the id {} was given before", status.name, signal.id),
    }
    Ok(())
}

fn print_dropped(dropped: &DroppedCapture, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(dropped);
    }
    let DroppedCapture { name, slot, publication, position, streams } = dropped;
    let removed = [("replication slot", slot), ("publication", publication), ("position", position)];
    let removed = removed.iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
    let streams = streams.iter().map(|stream| format!("stream {stream}"));
    let removed = removed.chain(streams).collect::<Vec<_>>().join(", ");
    match removed.is_empty() {
        true => print_line!("{name}: nothing to remove"),
        false => print_line!("{name}: removed {removed}"),
    }
    Ok(())
}
