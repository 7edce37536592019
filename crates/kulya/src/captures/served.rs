//! The captures of `kulya serve`: each runs in a task of its own, is restarted after failures, and can be
//! paused, resumed and dropped over REST v2.

use crate::capture::run_capture;
use crate::output::format_error;
use crate::progress::CaptureProgress;
use crate::services::Services;
use anyhow::{Result, bail};
use async_trait::async_trait;
use kulya_cdc::signal::SignalError;
use kulya_cdc::{
    CaptureSettings, CaptureState, CaptureStatus, CdcError, CdcErrorKind, CdcResult, Control, DroppedCapture,
    SignalRecord, StopCondition, delete_captured_streams, drop_capture, forget_capture,
};
use kulya_server::{CaptureError, CaptureErrorKind, Captures, RemoveOptions};
use kulya_store::HealthStatus;
use kulya_store::supervision::{Component, Supervisor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Pause between two attempts to connect to a database.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
/// The time between two updates of a capture's component of the server's health.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// The captures of a server, by name.
pub(crate) struct ServedCaptures {
    captures: BTreeMap<String, Arc<ServedCapture>>,
    services: Services,
}

struct ServedCapture {
    name: String,
    settings: CaptureSettings,
    control: Control,
    /// Held while the capture is paused, resumed or dropped: one after the other.
    change: Mutex<()>,
}

impl ServedCaptures {
    /// Validates the captures of the settings file.
    ///
    /// # Errors
    /// Invalid settings, and two captures of one name.
    pub(crate) fn validate(sources: &[CaptureSettings]) -> Result<()> {
        let mut names = Vec::new();
        for source in sources {
            let name = source.store_settings()?.name;
            if names.contains(&name) {
                bail!("two [[cdc]] sections have the name {name}: give each database a name of its own");
            }
            names.push(name);
        }
        Ok(())
    }

    /// Starts the captures, each as a task that is restarted after a panic.
    ///
    /// # Errors
    /// Invalid settings.
    pub(crate) fn start(
        supervisor: &Supervisor,
        services: &Services,
        sources: Vec<CaptureSettings>,
        stop: &CancellationToken,
    ) -> Result<(Self, Vec<JoinHandle<()>>)> {
        let mut captures = BTreeMap::new();
        let mut tasks = Vec::new();
        for settings in sources {
            let name = settings.store_settings()?.name;
            let control = Control::unloaded(Arc::clone(&services.store), &name);
            let capture = ServedCapture { name: name.clone(), settings, control, change: Mutex::new(()) };
            let capture = Arc::new(capture);
            captures.insert(name.clone(), Arc::clone(&capture));
            let component = supervisor.component(format!("capture.{name}"));
            let (services, stop) = (services.clone(), stop.clone());
            tasks.push(supervisor.spawn_restarting(format!("capture.{name}.task"), move || {
                run(Arc::clone(&capture), component.clone(), services.clone(), stop.clone())
            }));
        }
        Ok((Self { captures, services: services.clone() }, tasks))
    }

    fn capture(&self, name: &str) -> Result<&Arc<ServedCapture>, CaptureError> {
        self.captures.get(name).ok_or_else(|| CaptureError::not_found(name))
    }
}

/// Runs a capture until `stop` is cancelled, and reports its health.
async fn run(capture: Arc<ServedCapture>, component: Component, services: Services, stop: CancellationToken) {
    let report_health = async {
        loop {
            report(&component, &capture.control.status());
            tokio::time::sleep(HEALTH_INTERVAL).await;
        }
    };
    tokio::select! {
        () = capture_until_stopped(&capture, &component, &services, &stop) => {}
        () = report_health => {}
    }
}

/// Captures until `stop` is cancelled. An unreachable database is retried without end; another error is
/// reported and stops this capture until it is resumed, not the server.
async fn capture_until_stopped(
    capture: &ServedCapture,
    component: &Component,
    services: &Services,
    stop: &CancellationToken,
) {
    let mut attempts = 0;
    loop {
        let stored = capture.control.status().records;
        let Err(error) = run_once(capture, component, services, stop).await else {
            // it was cancelled, or has only a snapshot to read
            tokio::select! {
                () = capture.control.resumed() => continue,
                () = stop.cancelled() => return,
            }
        };
        let is_retried = matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy);
        let error = format_error(&anyhow::Error::from(error));
        let has_progressed = capture.control.status().records > stored;
        attempts = if has_progressed { 1 } else { attempts + 1 };
        let next = match is_retried {
            true => "retrying",
            false => "the capture stopped: fix the cause, then resume it or restart the server",
        };
        eprintln!("{}: {error}; {next}", capture.name);
        component.set(HealthStatus::Degraded, format!("{error}; {next}"));
        if is_retried {
            capture.control.retrying(&error, attempts, RETRY_PAUSE);
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                () = capture.control.paused() => {}
                () = stop.cancelled() => return,
            }
        } else {
            tokio::select! {
                () = capture.control.resumed() => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

async fn run_once(
    capture: &ServedCapture,
    component: &Component,
    services: &Services,
    stop: &CancellationToken,
) -> CdcResult<()> {
    capture.control.load().await?;
    let progress = CaptureProgress::new(&capture.name).with_component(component.clone());
    let (settings, steering) = (capture.settings.clone(), (stop.clone(), capture.control.clone()));
    run_capture(services, settings, StopCondition::Cancelled, &progress, steering).await
}

/// Reports a status as the health of a component, with its numbers as counters.
fn report(component: &Component, status: &CaptureStatus) {
    match &status.state {
        CaptureState::Waiting { waiting_for, .. } => {
            component.set(HealthStatus::Degraded, format!("waiting for {waiting_for}"));
        }
        CaptureState::Retrying { error, .. } => {
            component.set(HealthStatus::Degraded, format!("{error}; retrying"));
        }
        CaptureState::Stopped { error: Some(error) } => {
            component.set(HealthStatus::Degraded, format!("{error}; the capture stopped"));
        }
        _ => component.set_healthy(),
    }
    let is_paused = status.state == CaptureState::Paused;
    let measures = [
        ("records", Some(status.records)),
        ("restarts", Some(status.restarts)),
        ("dead letters", Some(status.dead_letters)),
        ("paused", Some(u64::from(is_paused))),
        ("lag bytes", status.lag_bytes),
        ("lag seconds", status.lag_seconds),
        ("retained bytes", status.retained_bytes),
        ("spooled bytes", status.spooled_bytes),
    ];
    for (name, value) in measures {
        if let Some(value) = value {
            component.measure(name, value);
        }
    }
}

impl ServedCapture {
    fn value(&self) -> Value {
        to_value(&self.control.status())
    }

    async fn set_paused(&self, is_paused: bool) -> Result<Value, CaptureError> {
        let _change = self.change.lock().await;
        let changed = if is_paused { self.control.pause().await } else { self.control.resume().await };
        changed.map_err(capture_error)?;
        Ok(self.value())
    }
}

async fn remove(
    capture: &ServedCapture,
    services: &Services,
    options: RemoveOptions,
) -> CdcResult<DroppedCapture> {
    let ServedCapture { name, settings, control, .. } = capture;
    let store = &*services.store;
    let mut dropped = match options.store_only {
        true => forget_capture(name, store, Some(control)).await?,
        false => drop_capture(settings, store, Some(control)).await?,
    };
    if options.streams {
        let streams = settings.store_settings()?;
        dropped.streams = delete_captured_streams(&streams, store, &*services.registry).await?;
    }
    Ok(dropped)
}

fn to_value(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn capture_error(error: CdcError) -> CaptureError {
    let kind = match error.kind() {
        CdcErrorKind::Busy | CdcErrorKind::Fenced => CaptureErrorKind::Conflict,
        CdcErrorKind::Configuration | CdcErrorKind::Position => CaptureErrorKind::Invalid,
        CdcErrorKind::Unreachable => CaptureErrorKind::Unavailable,
        _ => CaptureErrorKind::Failed,
    };
    CaptureError { kind, message: format_error(&anyhow::Error::from(error)) }
}

#[async_trait]
impl Captures for ServedCaptures {
    async fn list(&self) -> Vec<Value> {
        self.captures.values().map(|capture| capture.value()).collect()
    }

    async fn status(&self, name: &str) -> Result<Value, CaptureError> {
        Ok(self.capture(name)?.value())
    }

    async fn pause(&self, name: &str) -> Result<Value, CaptureError> {
        self.capture(name)?.set_paused(true).await
    }

    async fn resume(&self, name: &str) -> Result<Value, CaptureError> {
        self.capture(name)?.set_paused(false).await
    }

    async fn signal(&self, name: &str, signal: &Value) -> Result<Value, CaptureError> {
        let capture = self.capture(name)?;
        let invalid =
            |error: SignalError| CaptureError { kind: CaptureErrorKind::Invalid, message: error.to_string() };
        let signal = SignalRecord::from_json(signal).map_err(invalid)?;
        capture.control.signal(signal).await.map_err(capture_error)?;
        Ok(capture.value())
    }

    async fn remove(&self, name: &str, options: RemoveOptions) -> Result<Value, CaptureError> {
        let capture = self.capture(name)?;
        let _change = capture.change.lock().await;
        let dropped = remove(capture, &self.services, options).await.map_err(capture_error)?;
        Ok(to_value(&dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let capture = |name: &str, database: &str| CaptureSettings {
            name: name.into(),
            url: format!("postgres://me@db/{database}"),
            ..Default::default()
        };
        ServedCaptures::validate(&[capture("a", "x"), capture("b", "x")]).unwrap();
        // the default name is that of the database
        for twice in [[capture("a", "x"), capture("a", "y")], [capture("", "x"), capture("x", "y")]] {
            let error = ServedCaptures::validate(&twice).unwrap_err().to_string();
            assert!(error.contains("two [[cdc]] sections have the name"), "{error}");
        }
    }

    #[test]
    fn status_is_reported_as_health() {
        let supervisor = Supervisor::default();
        let component = supervisor.component("capture.shop");
        let states = [
            (CaptureState::Streaming, HealthStatus::Healthy, 0),
            (CaptureState::Paused, HealthStatus::Healthy, 1),
            (CaptureState::Stopped { error: Some("lost".into()) }, HealthStatus::Degraded, 0),
            (CaptureState::Retrying { error: "lost".into(), attempt: 1, next: 0 }, HealthStatus::Degraded, 0),
            (CaptureState::Waiting { waiting_for: "a lock".into(), since: 0 }, HealthStatus::Degraded, 0),
            (CaptureState::Starting, HealthStatus::Healthy, 0),
        ];
        for (state, expected, is_paused) in states {
            let status = CaptureStatus { state, lag_bytes: Some(7), records: 9, ..Default::default() };
            report(&component, &status);
            let health = supervisor.health();
            let found = health.component("capture.shop").unwrap();
            assert_eq!(found.status, expected, "{status:?}");
            for counter in [("paused", is_paused), ("lag bytes", 7), ("records", 9)] {
                assert!(found.counters.contains(&counter), "{status:?}: {counter:?}");
            }
            assert!(found.counters.iter().all(|(name, _)| *name != "lag seconds"));
        }
    }
}
