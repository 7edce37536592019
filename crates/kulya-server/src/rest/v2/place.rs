//! A place of REST v2: its path and method, who answers there, and what is said of it in the document. The router and the
//! document are made of the same list, so nothing is served that is not described.

use super::Served;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

/// What an answer or a request holds.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Nothing,
    /// JSON of this schema of the document.
    Json(&'static str),
    /// A JSON text of this schema on each line.
    Lines(&'static str),
    /// Server-sent events whose data are of this schema.
    Events(&'static str),
    Text,
    Bytes,
}

/// A parameter of the query, or a header.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// `string`, `integer` or `boolean`.
    pub(super) kind: &'static str,
    pub(super) required: bool,
    pub(super) what: &'static str,
    /// What JSON Schema says beside the kind, as a JSON object.
    pub(super) bounds: &'static str,
}

/// An id, or a number of items.
pub(super) const U32: &str = r#"{"minimum":0,"maximum":4294967295}"#;
/// A name of the store's.
pub(super) const NAME: &str =
    r#"{"minLength":1,"maxLength":255,"pattern":"^(?!\\.{1,2}$)[A-Za-z0-9.\\-]+$"}"#;
/// Bytes in hexadecimal digits.
pub(super) const HEX: &str = r#"{"minLength":2,"pattern":"^([0-9a-fA-F]{2})+$"}"#;

impl Parameter {
    pub(super) const fn text(name: &'static str, what: &'static str) -> Self {
        Self { name, kind: "string", required: false, what, bounds: "{}" }
    }

    pub(super) const fn number(name: &'static str, what: &'static str) -> Self {
        Self { name, kind: "integer", required: false, what, bounds: r#"{"minimum":0}"# }
    }

    pub(super) const fn flag(name: &'static str, what: &'static str) -> Self {
        Self { name, kind: "boolean", required: false, what, bounds: "{}" }
    }

    pub(super) const fn bounded(self, bounds: &'static str) -> Self {
        Self { bounds, ..self }
    }

    pub(super) const fn needed(self) -> Self {
        Self { required: true, ..self }
    }
}

pub(super) const NAMESPACE: Parameter =
    Parameter::text("namespace", "the group's namespace; left out for the default one");
pub(super) const LIMIT: Parameter =
    Parameter::number("limit", "the most items of the page: 100 when it is left out, 10000 at most")
        .bounded(U32);
pub(super) const AFTER: Parameter =
    Parameter::text("after", "what the page before gave as its `next`; left out for the first page");

/// A place.
pub(super) struct Place {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) handler: MethodRouter<Served>,
    /// The operation's name, for programs.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: Vec<Parameter>,
    pub(super) headers: Vec<Parameter>,
    pub(super) takes: Content,
    /// Statuses of success, what each means and holds.
    pub(super) answers: Vec<(u16, &'static str, Content)>,
    /// Statuses of refusal, beside 400.
    pub(super) refuses: &'static [u16],
}

impl Place {
    pub(super) fn new<H, T>(method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Served>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("we use methods that HTTP has");
        Self {
            method,
            path,
            handler: on(filter, handler),
            name: "",
            summary: "",
            query: Vec::new(),
            headers: Vec::new(),
            takes: Content::Nothing,
            answers: Vec::new(),
            refuses: &[],
        }
    }

    pub(super) fn named(self, name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, ..self }
    }

    pub(super) fn query(self, query: &[Parameter]) -> Self {
        Self { query: query.to_vec(), ..self }
    }

    pub(super) fn headers(self, headers: &[Parameter]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    pub(super) fn takes(self, takes: Content) -> Self {
        Self { takes, ..self }
    }

    pub(super) fn answers(mut self, status: u16, what: &'static str, content: Content) -> Self {
        self.answers.push((status, what, content));
        self
    }

    pub(super) fn refuses(self, refuses: &'static [u16]) -> Self {
        Self { refuses, ..self }
    }

    /// The names in the path's braces.
    pub(super) fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
