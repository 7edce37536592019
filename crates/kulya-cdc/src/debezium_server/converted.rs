//! What Kulya makes of the settings: what it can do, what it cannot do and must therefore refuse, and what it
//! ignores with a warning.

use super::capture;
use super::choice::DatabaseKind;
use super::error::InvalidSettings;
use super::keys::{self, Effect, Handling, KnownKey};
use super::properties::Properties;
use super::settings::reader::{shown, shown_key};
use super::settings::{self, CONNECTOR_CLASS, DebeziumServerSettings};
use super::unsupported::{UnknownKey, Unsupported};
use crate::CaptureSettings;

/// Maximum number of unknown keys for which a near one is looked for.
const MAX_SUGGESTIONS: usize = 50;

/// The settings of a Debezium Server, and what Kulya makes of them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Converted {
    /// Everything that the properties say.
    pub settings: DebeziumServerSettings,
    /// Settings for the capture. They are complete only if nothing is refused.
    pub capture: CaptureSettings,
    /// What would change the events, or the protection of the connection: the capture must not start.
    pub refused: Vec<Unsupported>,
    /// What has no effect, with the same events.
    pub ignored: Vec<Unsupported>,
    /// Keys that Debezium does not document.
    pub unknown: Vec<UnknownKey>,
}

impl Converted {
    /// Returns the warnings, one line each.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let ignored = self.ignored.iter().map(ToString::to_string);
        ignored.chain(self.unknown.iter().map(ToString::to_string))
    }
}

impl DebeziumServerSettings {
    /// Reads the settings of a Debezium Server, and converts them as far as Kulya can do what they say.
    ///
    /// # Errors
    /// [`InvalidSettings`] for values that are missing or wrong, and would stop Debezium Server too.
    pub fn from_properties(properties: &Properties) -> Result<Converted, InvalidSettings> {
        let settings = settings::read(properties)?;
        let mut converted = Converted {
            settings,
            capture: CaptureSettings::default(),
            refused: Vec::new(),
            ignored: Vec::new(),
            unknown: Vec::new(),
        };
        converted.add_keys(properties);
        converted.add_sink();
        converted.capture = capture::convert(&converted.settings, &mut converted.refused);
        converted.add_database();
        Ok(converted)
    }

    /// Returns whether a key belongs to a Java class that the settings name.
    fn is_of_plugin(&self, key: &str) -> bool {
        let plugins = self.converters.iter().chain(&self.post_processors);
        let rest = key.strip_prefix("debezium.source.");
        plugins.into_iter().any(|plugin| {
            rest.and_then(|rest| rest.strip_prefix(&plugin.name)).is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

impl Converted {
    /// Adds what the table says of each key.
    fn add_keys(&mut self, properties: &Properties) {
        for (key, property) in properties.iter() {
            let Ok(value) = &property.value else { continue };
            match keys::find(key, Some(self.settings.database)) {
                Some(known) => self.add_known(key, value.trim(), known),
                None if self.settings.is_of_plugin(key) || properties.is_referenced(key) => {}
                None => self.add_unknown(key),
            }
        }
    }

    fn add_known(&mut self, key: &str, value: &str, known: &KnownKey) {
        let is_one_of = |values: &[&str]| values.iter().any(|other| other.eq_ignore_ascii_case(value));
        let (note, is_refused) = match known.handling {
            _ if value.is_empty() => return,
            Handling::Used(_) => return,
            Handling::Fixed { accepted, .. } if is_one_of(accepted) => return,
            Handling::Fixed { tolerated, note, .. } => (note, !is_one_of(tolerated)),
            Handling::NotNeeded(note) => (note, false),
            Handling::NotSupported(note) => (note, true),
        };
        let unsupported = Unsupported::new(&shown_key(key), shown(value, known.kind), without_markup(note));
        if is_refused && known.effect != Effect::Operation {
            self.refused.push(unsupported);
        } else {
            self.ignored.push(unsupported);
        }
    }

    fn add_unknown(&mut self, key: &str) {
        // a key of another connector is known, but of no use
        if keys::find(key, None).is_some() {
            let why = "not a key of this connector, ignored";
            self.ignored.push(Unsupported::new(&shown_key(key), None, why));
            return;
        }
        let nearest = (self.unknown.len() < MAX_SUGGESTIONS).then(|| keys::nearest(key)).flatten();
        self.unknown.push(UnknownKey { key: shown_key(key), nearest });
    }

    fn add_sink(&mut self) {
        let sink = &self.settings.sink;
        if sink.pravega.is_none() {
            let why = "events are written to Pravega or to a store of Kulya: set --data, --url or --record";
            self.refused.push(Unsupported::new("debezium.sink.type", Some(sink.kind.clone()), why));
        }
    }

    /// Adds a database that is not captured yet.
    fn add_database(&mut self) {
        if self.settings.database == DatabaseKind::Postgres {
            return;
        }
        if let Err(error) = self.capture.store_settings() {
            let class = self.settings.database.as_str().to_owned();
            self.refused.push(Unsupported::new(CONNECTOR_CLASS, Some(class), error.to_string()));
        }
    }
}

/// Removes the marks of Markdown from a note.
fn without_markup(note: &str) -> String {
    note.replace('`', "")
}
