//! A capture, configured by a builder: [`Capture`].

use crate::control::Control;
use crate::debezium::connector::Connector;
use crate::mysql::source::MysqlSource;
use crate::postgres::PostgresSource;
use crate::settings::SourceKind;
use crate::transform::{Transformations, TransformingSink};
use crate::{CaptureSettings, CdcResult, Progress, RunContext, Sink, StopCondition, StoreSink, engine};
use kulya_registry_api::SchemaRegistry;
use kulya_store::StreamStore;
use kulya_store::clock::{Clock, SystemClock};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The capture of one PostgreSQL database: [`run`] with its settings and defaults.
///
/// ```no_run
/// use kulya_cdc::prelude::*;
/// # async fn example() -> CdcResult<()> {
/// let mut sink = RecordingSink::open("changes.jsonl")?;
/// let capture = Capture::new("postgres://me:secret@localhost:5432/shop").name("shop").tables(["public.*"]);
/// capture.until_caught_up().run(&mut sink).await?;
/// # Ok(()) }
/// ```
pub struct Capture {
    settings: CaptureSettings,
    stop_condition: StopCondition,
    clock: Arc<dyn Clock>,
    on_progress: Box<dyn Fn(Progress) + Send + Sync>,
    cancel: CancellationToken,
    control: Option<Control>,
}

impl Capture {
    /// Captures the database at `postgres://user:password@host:port/database`, all tables, until it is
    /// cancelled.
    pub fn new(url: impl Into<String>) -> Self {
        Self::from(CaptureSettings { url: url.into(), ..CaptureSettings::default() })
    }

    /// Sets the password, for a URL without one.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.settings.password = password.into();
        self
    }

    /// Sets the name: Debezium's `topic.prefix`, under which the position is stored. Default: the database's
    /// name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets the patterns of captured tables, as `schema.table` with `*` for any text.
    #[must_use]
    pub fn tables(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.tables = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scope of the streams that [`run_into_store`](Self::run_into_store) writes. Default: the name.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.settings.scope = scope.into();
        self
    }

    /// Sets the template of the streams' names, with `{prefix}`, `{schema}` and `{table}`, for
    /// [`run_into_store`](Self::run_into_store). Default: `{prefix}.{schema}.{table}`.
    #[must_use]
    pub fn stream_template(mut self, template: impl Into<String>) -> Self {
        self.settings.stream = template.into();
        self
    }

    /// Ends the run when all changes are stored that were committed before streaming started.
    #[must_use]
    pub fn until_caught_up(mut self) -> Self {
        self.stop_condition = StopCondition::CaughtUp;
        self
    }

    /// Ends the run cleanly when the token is cancelled. Stored changes are not captured again by the next
    /// run.
    #[must_use]
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }

    /// Returns the token that ends the run.
    pub(crate) fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Sets the control by which others observe and pause the capture.
    #[must_use]
    pub fn controlled_by(mut self, control: Control) -> Self {
        self.control = Some(control);
        self
    }

    /// Calls a function with each progress notification.
    #[must_use]
    pub fn on_progress(mut self, callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Box::new(callback);
        self
    }

    /// Sets the clock for the events' processing time, `ts_ms`. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Into<Arc<dyn Clock>>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Captures into a sink: first a snapshot of the rows, if the sink has no position yet, and then the log.
    /// Cancel-safe: each commit to the sink is atomic.
    ///
    /// # Errors
    /// As [`run`].
    pub async fn run(self, sink: &mut dyn Sink) -> CdcResult<()> {
        let Self { settings, stop_condition, clock, on_progress, cancel, control } = self;
        let context = RunContext { sink, clock, on_progress: &*on_progress, cancel, control };
        run(settings, stop_condition, context).await
    }

    /// Captures into a [`StoreSink`] with these settings: one stream and one group of the registry per table.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`StoreSink::new`] and [`run`].
    pub async fn run_into_store(
        self,
        store: impl Into<Arc<dyn StreamStore>>,
        registry: impl Into<Arc<dyn SchemaRegistry>>,
    ) -> CdcResult<()> {
        let mut sink = StoreSink::new(store, registry, self.settings.store_settings()?).await?;
        self.run(&mut sink).await
    }
}

/// Captures a database: first a snapshot of its rows, if the sink has no position yet, and then its log.
///
/// A database or store that does not respond is tried again without end, with exponential backoff of at most
/// ten seconds, once it has responded or a position is stored. While the capture is paused by its control, it
/// has no connection; the run goes on when it is resumed. Cancel-safe: each commit to the sink is atomic.
///
/// # Errors
/// `Configuration` for invalid settings or an unsuitable database; `Unreachable` when the database does not
/// respond at the very first; `Busy` when another process keeps the replication slot; `Position` when the
/// stored position is not valid in the database; the errors of the sink.
pub async fn run(
    settings: CaptureSettings,
    stop_condition: StopCondition,
    context: RunContext<'_>,
) -> CdcResult<()> {
    let transformations = Transformations::new(&settings.transforms, &settings.format)?;
    if transformations.is_empty() {
        return run_source(settings, stop_condition, context).await;
    }
    let RunContext { sink, clock, on_progress, cancel, control } = context;
    let mut sink = TransformingSink { sink, transformations };
    let context = RunContext { sink: &mut sink, clock, on_progress, cancel, control };
    run_source(settings, stop_condition, context).await
}

async fn run_source(
    settings: CaptureSettings,
    stop_condition: StopCondition,
    mut context: RunContext<'_>,
) -> CdcResult<()> {
    let control = context.control.get_or_insert_default().clone();
    match settings.kind()? {
        SourceKind::Postgres => {
            let mut target = settings.postgres_target()?;
            control.describe(&target.settings.name, Connector::Postgresql.name());
            target.control = control;
            let events = target.settings.events(Connector::Postgresql, &run_id(&*context.clock));
            let mode = target.settings.snapshot_mode;
            engine::run(&PostgresSource::new(target, events), mode, stop_condition, context).await
        }
        SourceKind::MySql => {
            let target = settings.mysql_target()?;
            let mode = target.settings.snapshot_mode;
            let source = MysqlSource::new(target, run_id(&*context.clock), control);
            engine::run(&source, mode, stop_condition, context).await
        }
    }
}

/// Returns an id of a run in the form of a UUID: the time of its start.
fn run_id(clock: &dyn Clock) -> String {
    let nanos = format!("{:032x}", clock.since_epoch().as_nanos());
    let part = |range: std::ops::Range<usize>| nanos.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

/// Captures with these settings until it is cancelled.
impl From<CaptureSettings> for Capture {
    fn from(settings: CaptureSettings) -> Self {
        Self {
            settings,
            stop_condition: StopCondition::Cancelled,
            clock: SystemClock.into(),
            on_progress: Box::new(|_| ()),
            cancel: CancellationToken::new(),
            control: None,
        }
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("settings", &self.settings)
            .field("stop_condition", &self.stop_condition)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CdcErrorKind, RecordingSink};
    use kulya_registry::Registry;
    use kulya_store::memory::MemoryStore;

    #[tokio::test]
    async fn settings_are_validated_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = RecordingSink::open(folder.path().join("log")).unwrap();
        let error = Capture::new("mysql://db/shop").run(&mut sink).await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Configuration);

        let store = MemoryStore::new();
        let registry = Registry::new(store.clone(), SystemClock).unwrap();
        let capture = Capture::new("postgres://me@db/shop").tables(["orders"]);
        let error = capture.run_into_store(store.clone(), registry).await.unwrap_err();
        assert!(error.to_string().contains("schema.table"), "{error}");
        assert_eq!(store.scopes().await.unwrap(), []);
    }

    #[test]
    fn builder_sets_what_a_settings_file_does() {
        let capture = Capture::new("postgres://me@db/d")
            .password("secret")
            .name("shop")
            .tables(["public.orders", "public.users"])
            .scope("raw")
            .stream_template("{table}");
        let store = capture.settings.store_settings().unwrap();
        assert_eq!((&*store.name, &*store.scope, &*store.stream_template), ("shop", "raw", "{table}"));
        assert_eq!(capture.settings.tables, ["public.orders", "public.users"]);
        assert!(!format!("{capture:?}").contains("secret"));
    }
}
