//! A client of the change data captures of a server, over REST v2: [`HttpCaptures`]. What a status contains
//! is the caller's: this crate does not depend on change data capture.

use super::{ENCODED, HttpRegistry, RegistrySettings};
use kulya_registry_api::RegistryResult;
use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A client of a server's captures. The type `T` of a status is that of `kulya-cdc`, or any other that its
/// JSON fits. Requests are idempotent and retried as those of [`HttpRegistry`].
#[derive(Debug, Clone)]
pub struct HttpCaptures(HttpRegistry);

#[derive(Deserialize)]
struct List<T> {
    captures: Vec<T>,
}

impl HttpCaptures {
    /// Creates a client from settings. Connects at the first call.
    ///
    /// # Errors
    /// `InvalidInput` names the invalid setting.
    pub fn with_settings(settings: RegistrySettings) -> RegistryResult<Self> {
        HttpRegistry::with_settings(settings).map(Self)
    }

    /// Returns the status of all captures, in name order.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `Failed`.
    pub async fn list<T: DeserializeOwned>(&self) -> RegistryResult<Vec<T>> {
        let list: List<T> = self.0.call(self.0.request(Method::GET, "/v2/captures", "", &[])).await?;
        Ok(list.captures)
    }

    /// Returns the status of a capture.
    ///
    /// # Errors
    /// `NotFound`; as [`list`](Self::list).
    pub async fn status<T: DeserializeOwned>(&self, name: &str) -> RegistryResult<T> {
        self.send(Method::GET, name, "", &[]).await
    }

    /// Pauses a capture and returns its status; it may be running for a moment.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn pause<T: DeserializeOwned>(&self, name: &str) -> RegistryResult<T> {
        self.send(Method::POST, name, "/pause", &[]).await
    }

    /// Resumes a capture and returns its status.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn resume<T: DeserializeOwned>(&self, name: &str) -> RegistryResult<T> {
        self.send(Method::POST, name, "/resume", &[]).await
    }

    /// Gives a capture a signal, a JSON object with `id`, `type` and `data`, and returns its status. With an
    /// id it is executed once, however often it is sent.
    ///
    /// # Errors
    /// `InvalidInput` names the field that is malformed; as [`status`](Self::status).
    pub async fn signal<T: DeserializeOwned>(
        &self,
        name: &str,
        signal: &impl Serialize,
    ) -> RegistryResult<T> {
        let path = format!("/v2/captures/{}/signals", utf8_percent_encode(name, ENCODED));
        self.0.call(self.0.request(Method::POST, &path, "", &[]).json(signal)).await
    }

    /// Removes a capture that does not run, in the database too unless `store_only`, and with the streams of
    /// its tables if `streams`. Returns what was removed.
    ///
    /// # Errors
    /// `Incompatible` when it runs; `InvalidInput`; as [`status`](Self::status).
    pub async fn remove<T: DeserializeOwned>(
        &self,
        name: &str,
        store_only: bool,
        streams: bool,
    ) -> RegistryResult<T> {
        let flag = |is_set: bool| if is_set { "true" } else { "false" };
        let query = [("storeOnly", flag(store_only)), ("streams", flag(streams))];
        self.send(Method::DELETE, name, "", &query).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        name: &str,
        action: &str,
        query: &[(&str, &str)],
    ) -> RegistryResult<T> {
        let path = format!("/v2/captures/{}{action}", utf8_percent_encode(name, ENCODED));
        self.0.call(self.0.request(method, &path, "", query)).await
    }
}
