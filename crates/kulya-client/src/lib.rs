//! The schema registry over HTTP: any server that speaks REST v1, Kulya's or the Java one, behind the same
//! [`SchemaRegistry`] trait as the registry in process.

mod http;

pub use http::HttpRegistry;
#[cfg(doc)]
use kulya_codec::SchemaRegistry;
