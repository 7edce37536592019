//! A client of the schema registry over HTTP: [`HttpRegistry`]. It implements `SchemaRegistry` with REST v1
//! (contract §1.3), and has a method for each operation of REST v1 that the trait does not have. Module
//! [`administration`] uses REST v2, which the Java registry does not have.

mod administration;
mod captures;
mod credentials;
mod error;
mod retry;
mod settings;

pub use captures::HttpCaptures;
pub use credentials::{AccessToken, Credentials, TokenSource};
use error::parse_error_body;
use retry::{Idempotency, RetryingClient};
pub use settings::RegistrySettings;

use async_trait::async_trait;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The characters to percent-encode in a path segment or a query value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of a schema registry over HTTP. Clones share the connections.
///
/// Failed requests are retried within the settings' [retry timeout](RegistrySettings::retry_timeout) if the
/// server has not processed them (connection refused; status 429 or 503 with `Retry-After`) or if they are
/// idempotent (lost response; status 429, 502, 503 or 504). Creating a group, changing its policy on a
/// condition, and importing are not idempotent.
#[derive(Debug, Clone)]
pub struct HttpRegistry(RetryingClient);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListGroups {
    groups: BTreeMap<String, GroupProperties>,
    continuation_token: String,
}

#[derive(Deserialize)]
struct Schemas {
    schemas: Vec<SchemaWithVersion>,
}

#[derive(Deserialize)]
struct History {
    history: Vec<HistoryRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodecTypes {
    codec_types: Vec<CodecType>,
}

#[derive(Deserialize)]
struct CanRead {
    compatible: bool,
}

#[derive(Deserialize)]
struct Valid {
    valid: bool,
}

#[derive(Deserialize)]
struct AddedTo {
    groups: BTreeMap<String, VersionInfo>,
}

impl HttpRegistry {
    /// Creates a client of the registry at a URL, without credentials and without retries. Connects at the
    /// first call.
    ///
    /// # Errors
    /// `InvalidInput` for an invalid URL.
    pub fn new(url: &str) -> RegistryResult<Self> {
        Self::with_settings(RegistrySettings::new(url))
    }

    /// Creates a client from settings. Connects at the first call.
    ///
    /// # Errors
    /// `InvalidInput` names the invalid setting.
    pub fn with_settings(settings: RegistrySettings) -> RegistryResult<Self> {
        RetryingClient::new(settings).map(Self)
    }

    /// Builds a request to a path below a group of REST v1.
    fn group_request(
        &self,
        method: Method,
        group: &GroupId,
        path: &str,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let group_name = utf8_percent_encode(&group.name, ENCODED);
        self.request(method, &format!("/v1/groups/{group_name}{path}"), &group.namespace, query)
    }

    fn request(&self, method: Method, path: &str, namespace: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = format!("{}{path}", self.0.base_url);
        let namespace = Some(("namespace", namespace)).filter(|_| !namespace.is_empty());
        for (number, (name, value)) in namespace.iter().chain(query).enumerate() {
            let separator = if number == 0 { '?' } else { '&' };
            url = format!("{url}{separator}{name}={}", utf8_percent_encode(value, ENCODED));
        }
        self.0.client.request(method, url)
    }

    /// Sends a request; returns a response of success or conflict, and the error of any other.
    async fn send(&self, request: RequestBuilder, idempotency: Idempotency) -> RegistryResult<Response> {
        let response = self.0.send(request, idempotency).await?;
        if response.status().is_success() || response.status() == StatusCode::CONFLICT {
            return Ok(response);
        }
        Err(self.error_of_response(response).await)
    }

    /// Sends an idempotent request without a response body.
    async fn execute(&self, request: RequestBuilder) -> RegistryResult<()> {
        let response = self.send(request, Idempotency::Idempotent).await?;
        if response.status() == StatusCode::CONFLICT {
            return Err(self.error_of_response(response).await);
        }
        Ok(())
    }

    /// Sends a deletion of REST v1, whose only conflict is that schemas refer to what is to be deleted.
    async fn delete(&self, request: RequestBuilder) -> RegistryResult<()> {
        let response = self.send(request, Idempotency::Idempotent).await?;
        if response.status() == StatusCode::CONFLICT {
            let error = self.error_of_response(response).await;
            return Err(RegistryError::new(RegistryErrorKind::Referenced, error.to_string()));
        }
        Ok(())
    }

    /// Converts a response without success.
    async fn error_of_response(&self, response: Response) -> RegistryError {
        let status = response.status();
        let kind = match status {
            StatusCode::NOT_FOUND => RegistryErrorKind::NotFound,
            StatusCode::CONFLICT => RegistryErrorKind::Incompatible,
            StatusCode::EXPECTATION_FAILED => RegistryErrorKind::FormatMismatch,
            StatusCode::PRECONDITION_FAILED => RegistryErrorKind::CodecUnknown,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => RegistryErrorKind::InvalidInput,
            StatusCode::UNAUTHORIZED => {
                let what = format!(
                    "authentication failed at the registry at {}: give valid credentials",
                    self.0.base_url
                );
                return RegistryError::new(RegistryErrorKind::InvalidInput, what);
            }
            StatusCode::FORBIDDEN => {
                let (base_url, path) = (&self.0.base_url, response.url().path().to_owned());
                let text = response.text().await.unwrap_or_default();
                let reason = match parse_error_body(&text) {
                    Some(error) => error.to_string(),
                    None if text.trim().is_empty() => "request the permission".to_owned(),
                    None => text.trim().to_owned(),
                };
                let what = format!("permission denied by the registry at {base_url} for {path}: {reason}");
                return RegistryError::new(RegistryErrorKind::Denied, what);
            }
            StatusCode::GONE => RegistryErrorKind::Gone,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => RegistryErrorKind::Unavailable,
            _ => RegistryErrorKind::Failed,
        };
        let path = response.url().path().to_owned();
        match response.text().await {
            Ok(text) if !text.trim().is_empty() => {
                parse_error_body(&text).unwrap_or_else(|| RegistryError::new(kind, text.trim()))
            }
            _ => RegistryError::new(
                kind,
                format!("the registry at {} responded with status {status} for {path}", self.0.base_url),
            ),
        }
    }

    /// Sends an idempotent request and parses the response.
    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> RegistryResult<T> {
        let response = self.send(request, Idempotency::Idempotent).await?;
        if response.status() == StatusCode::CONFLICT {
            return Err(self.error_of_response(response).await);
        }
        self.parse(response).await
    }

    async fn parse<T: DeserializeOwned>(&self, response: Response) -> RegistryResult<T> {
        let what = format!("invalid response from {} for {}", self.0.base_url, response.url().path());
        response.json().await.map_err(|e| RegistryError::new(RegistryErrorKind::Failed, what).because(e))
    }
}

/// Operations of REST v1 that the trait does not have.
impl HttpRegistry {
    /// Checks that the server responds.
    ///
    /// # Errors
    /// `Unavailable` when it does not; `InvalidInput` when authentication fails.
    pub async fn ping(&self) -> RegistryResult<()> {
        self.execute(self.request(Method::GET, "/ping", "", &[])).await
    }

    /// Returns a page of a namespace's groups, about `limit` of them after `token` (empty for the first
    /// page), and the token of the next page. The page after the last is empty.
    ///
    /// # Errors
    /// `Unavailable`, or the server's error.
    pub async fn groups_page(
        &self,
        namespace: &str,
        token: &str,
        limit: usize,
    ) -> RegistryResult<(Vec<(GroupId, GroupProperties)>, String)> {
        let limit = limit.to_string();
        let query = [("limit", limit.as_str()), ("continuationToken", token)];
        let query = if token.is_empty() { &query[..1] } else { &query[..] };
        let page: ListGroups = self.call(self.request(Method::GET, "/v1/groups", namespace, query)).await?;
        let groups = page.groups.into_iter().map(|(name, p)| (GroupId::new(namespace, name), p));
        Ok((groups.collect(), page.continuation_token))
    }

    /// Sets a group's compatibility policy; returns `false` when `from` is given and is not the current
    /// policy.
    ///
    /// # Errors
    /// `NotFound` for an unknown group; `Unavailable`.
    pub async fn update_compatibility(
        &self,
        group: &GroupId,
        to: Compatibility,
        from: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        // without a condition a repetition has the same effect
        let idempotency = if from.is_some() { Idempotency::NotIdempotent } else { Idempotency::Idempotent };
        let body = json!({ "compatibility": to, "previousCompatibility": from });
        let request = self.group_request(Method::PUT, group, "/compatibility", &[]).json(&body);
        Ok(self.send(request, idempotency).await?.status() != StatusCode::CONFLICT)
    }

    /// Checks whether a schema could be added, by the given policy or the group's.
    ///
    /// # Errors
    /// `NotFound` for an unknown group; `InvalidInput` for an invalid schema; `Unavailable`.
    pub async fn validate(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        compatibility: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        let body = json!({ "schemaInfo": schema, "compatibility": compatibility });
        let request = self.group_request(Method::POST, group, "/schemas/versions/validate", &[]).json(&body);
        Ok(self.call::<Valid>(request).await?.valid)
    }

    /// Deletes a schema by id. Its events can still be decoded.
    ///
    /// # Errors
    /// `NotFound` for an unknown group or id; `Referenced` when other schemas refer to it; `Unavailable`.
    pub async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        self.delete(self.group_request(Method::DELETE, group, &format!("/schemas/schema/{id}"), &[])).await
    }

    /// Returns a schema by type and version number; `format` is the full name, such as `Avro`.
    ///
    /// # Errors
    /// `NotFound` for an unknown group or version; `Unavailable`.
    pub async fn schema_by_version(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<SchemaInfo> {
        self.call(self.group_request(Method::GET, group, &version_path(format, type_name, version), &[]))
            .await
    }

    /// Deletes a schema by type and version number.
    ///
    /// # Errors
    /// `NotFound` for an unknown group or version; `Referenced` when other schemas refer to it;
    /// `Unavailable`.
    pub async fn delete_version(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<()> {
        self.delete(self.group_request(Method::DELETE, group, &version_path(format, type_name, version), &[]))
            .await
    }

    /// Returns the groups of a namespace that contain a schema, each with the schema's version.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Unavailable`.
    pub async fn added_to(
        &self,
        namespace: &str,
        schema: SchemaInfo,
    ) -> RegistryResult<BTreeMap<String, VersionInfo>> {
        let request = self.request(Method::POST, "/v1/schemas/addedTo", namespace, &[]).json(&schema);
        Ok(self.call::<AddedTo>(request).await?.groups)
    }
}

fn version_path(format: &str, type_name: &str, version: u32) -> String {
    let (format, type_name) = (utf8_percent_encode(format, ENCODED), utf8_percent_encode(type_name, ENCODED));
    format!("/schemas/format/{format}/type/{type_name}/versions/{version}")
}

fn type_query(type_name: Option<&str>) -> Vec<(&'static str, &str)> {
    type_name.map(|name| ("type", name)).into_iter().collect()
}

impl From<HttpRegistry> for Arc<dyn SchemaRegistry> {
    fn from(registry: HttpRegistry) -> Self {
        Arc::new(registry)
    }
}

#[async_trait]
impl SchemaRegistry for HttpRegistry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        let request = self.request(Method::POST, "/v1/groups", &group.namespace, &[]);
        let body = json!({ "groupName": group.name, "groupProperties": properties });
        Ok(self.send(request.json(&body), Idempotency::NotIdempotent).await?.status() != StatusCode::CONFLICT)
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        self.call(self.group_request(Method::GET, group, "", &[])).await
    }

    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        let (mut found, mut token) = (BTreeMap::new(), String::new());
        loop {
            let (groups, next) = self.groups_page(namespace, &token, 100).await?;
            if groups.is_empty() {
                return Ok(found.into_iter().collect());
            }
            found.extend(groups);
            token = next;
        }
    }

    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        self.delete(self.group_request(Method::DELETE, group, "", &[])).await
    }

    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.call(self.group_request(Method::POST, group, "/schemas", &[]).json(&schema)).await
    }

    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.call(self.group_request(Method::POST, group, "/schemas/versions/find", &[]).json(&schema)).await
    }

    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let found: Schemas =
            self.call(self.group_request(Method::GET, group, "/schemas", &type_query(type_name))).await?;
        Ok(found.schemas)
    }

    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let found: Schemas = self
            .call(self.group_request(Method::GET, group, "/schemas/versions", &type_query(type_name)))
            .await?;
        Ok(found.schemas)
    }

    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        self.call(self.group_request(Method::GET, group, &format!("/schemas/schema/{id}"), &[])).await
    }

    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        let request = self.group_request(Method::POST, group, "/schemas/versions/canRead", &[]).json(&schema);
        Ok(self.call::<CanRead>(request).await?.compatible)
    }

    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        Ok(self.call::<History>(self.group_request(Method::GET, group, "/history", &[])).await?.history)
    }

    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        let body = json!({ "versionInfo": version, "codecType": codec });
        self.call(self.group_request(Method::PUT, group, "/encodings", &[]).json(&body)).await
    }

    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        self.call(self.group_request(Method::GET, group, &format!("/encodings/{}", id.0), &[])).await
    }

    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        Ok(self
            .call::<CodecTypes>(self.group_request(Method::GET, group, "/codecTypes", &[]))
            .await?
            .codec_types)
    }

    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        self.execute(self.group_request(Method::POST, group, "/codecTypes", &[]).json(&codec)).await
    }
}
