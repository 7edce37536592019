//! The schema registry over REST v1 (contract §1.3): [`HttpRegistry`]. One call for each of the trait's, and one for each
//! operation that the trait does not have. [`administration`] speaks v2, which the Java registry has not.

mod administration;
mod asking;
mod login;
mod settings;

use asking::{Asking, Repeated};
pub use login::{FreshToken, Login, TokenSource};
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

/// What stands for itself in a path segment or a query value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A registry at a URL.
///
/// What a server has not done, or does the same way twice, is asked again for as long as the settings'
/// [patience](RegistrySettings::patience): a connection that was refused, an answer that says when to come again, and, but
/// for making a group and changing its rule, whose second answer would be another one, an answer that was lost.
#[derive(Debug, Clone)]
pub struct HttpRegistry(Asking);

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
    /// A registry at a URL, asked once by nobody in particular. Connects at the first call.
    pub fn new(url: &str) -> RegistryResult<Self> {
        Self::with(RegistrySettings::new(url))
    }

    /// A registry by its settings. Connects at the first call.
    ///
    /// # Errors
    /// `InvalidInput` names what cannot be used.
    pub fn with(settings: RegistrySettings) -> RegistryResult<Self> {
        Asking::new(settings).map(Self)
    }

    /// A request to a place of a group: `parts` are path segments behind the group's.
    fn at(&self, method: Method, group: &GroupId, place: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let group_name = utf8_percent_encode(&group.name, ENCODED);
        self.request(method, &format!("/v1/groups/{group_name}{place}"), &group.namespace, query)
    }

    fn request(&self, method: Method, path: &str, namespace: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = format!("{}{path}", self.0.base);
        let namespace = Some(("namespace", namespace)).filter(|_| !namespace.is_empty());
        for (number, (name, value)) in namespace.iter().chain(query).enumerate() {
            let mark = if number == 0 { '?' } else { '&' };
            url = format!("{url}{mark}{name}={}", utf8_percent_encode(value, ENCODED));
        }
        self.0.client.request(method, url)
    }

    async fn send(&self, request: RequestBuilder, repeated: Repeated) -> RegistryResult<Response> {
        let response = self.0.send(request, repeated).await?;
        if response.status().is_success() || response.status() == StatusCode::CONFLICT {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// A call that gives nothing, and is the same when it is repeated.
    async fn tell(&self, request: RequestBuilder) -> RegistryResult<()> {
        let response = self.send(request, Repeated::Same).await?;
        if response.status() == StatusCode::CONFLICT {
            return Err(self.refusal(response).await);
        }
        Ok(())
    }

    async fn refusal(&self, response: Response) -> RegistryError {
        let status = response.status();
        let kind = match status {
            StatusCode::NOT_FOUND => RegistryErrorKind::NotFound,
            StatusCode::CONFLICT => RegistryErrorKind::Incompatible,
            StatusCode::EXPECTATION_FAILED => RegistryErrorKind::FormatMismatch,
            StatusCode::PRECONDITION_FAILED => RegistryErrorKind::CodecUnknown,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => RegistryErrorKind::InvalidInput,
            StatusCode::UNAUTHORIZED => {
                let what = format!("the registry at {} does not know us: give a login", self.0.base);
                return RegistryError::new(RegistryErrorKind::InvalidInput, what);
            }
            StatusCode::FORBIDDEN => {
                let (base, path) = (&self.0.base, response.url().path().to_owned());
                let text = response.text().await.unwrap_or_default();
                let why = match administration::told(&text) {
                    Some(told) => told.to_string(),
                    None if text.trim().is_empty() => "ask for the right".to_owned(),
                    None => text.trim().to_owned(),
                };
                let what = format!("the registry at {base} does not allow us this at {path}: {why}");
                return RegistryError::new(RegistryErrorKind::Denied, what);
            }
            StatusCode::GONE => RegistryErrorKind::Gone,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => RegistryErrorKind::Unavailable,
            _ => RegistryErrorKind::Failed,
        };
        let path = response.url().path().to_owned();
        match response.text().await {
            Ok(text) if !text.trim().is_empty() => {
                administration::told(&text).unwrap_or_else(|| RegistryError::new(kind, text.trim()))
            }
            _ => RegistryError::new(
                kind,
                format!("the registry at {} answers {status} for {path}", self.0.base),
            ),
        }
    }

    async fn get<T: DeserializeOwned>(&self, request: RequestBuilder) -> RegistryResult<T> {
        let response = self.send(request, Repeated::Same).await?;
        if response.status() == StatusCode::CONFLICT {
            return Err(self.refusal(response).await);
        }
        self.read(response).await
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> RegistryResult<T> {
        let what = format!("the answer of {} for {} cannot be read", self.0.base, response.url().path());
        response.json().await.map_err(|e| RegistryError::new(RegistryErrorKind::Failed, what).because(e))
    }
}

/// The operations of REST v1 that the trait does not have.
impl HttpRegistry {
    /// Whether somebody answers.
    pub async fn ping(&self) -> RegistryResult<()> {
        self.tell(self.request(Method::GET, "/ping", "", &[])).await
    }

    /// A page of a namespace's groups: about `limit`, behind `token` (empty for the first), and the token of the next. The page
    /// behind the last is empty.
    pub async fn groups_page(
        &self,
        namespace: &str,
        token: &str,
        limit: usize,
    ) -> RegistryResult<(Vec<(GroupId, GroupProperties)>, String)> {
        let limit = limit.to_string();
        let query = [("limit", limit.as_str()), ("continuationToken", token)];
        let query = if token.is_empty() { &query[..1] } else { &query[..] };
        let page: ListGroups = self.get(self.request(Method::GET, "/v1/groups", namespace, query)).await?;
        let groups = page.groups.into_iter().map(|(name, p)| (GroupId::new(namespace, name), p));
        Ok((groups.collect(), page.continuation_token))
    }

    /// Changes a group's rule; `false` when `from` is given and is not the rule that it has.
    pub async fn update_compatibility(
        &self,
        group: &GroupId,
        to: Compatibility,
        from: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        // what is set from anything is set the same way twice
        let repeated = if from.is_some() { Repeated::Different } else { Repeated::Same };
        let body = json!({ "compatibility": to, "previousCompatibility": from });
        let request = self.at(Method::PUT, group, "/compatibility", &[]).json(&body);
        Ok(self.send(request, repeated).await?.status() != StatusCode::CONFLICT)
    }

    /// Whether a schema could be added, by a rule or by the group's.
    pub async fn validate(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        by: Option<Compatibility>,
    ) -> RegistryResult<bool> {
        let body = json!({ "schemaInfo": schema, "compatibility": by });
        let request = self.at(Method::POST, group, "/schemas/versions/validate", &[]).json(&body);
        Ok(self.get::<Valid>(request).await?.valid)
    }

    /// Removes a schema by its id. Events that have it can still be read.
    pub async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        self.tell(self.at(Method::DELETE, group, &format!("/schemas/schema/{id}"), &[])).await
    }

    /// A schema by its type and its number among those of the type; `format` is the full name, such as `Avro`.
    pub async fn schema_by_version(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<SchemaInfo> {
        self.get(self.at(Method::GET, group, &by_version(format, type_name, version), &[])).await
    }

    /// Removes a schema by its type and its number among those of the type.
    pub async fn delete_version(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<()> {
        self.tell(self.at(Method::DELETE, group, &by_version(format, type_name, version), &[])).await
    }

    /// The groups of a namespace that have this very schema, each with its version.
    pub async fn added_to(
        &self,
        namespace: &str,
        schema: SchemaInfo,
    ) -> RegistryResult<BTreeMap<String, VersionInfo>> {
        let request = self.request(Method::POST, "/v1/schemas/addedTo", namespace, &[]).json(&schema);
        Ok(self.get::<AddedTo>(request).await?.groups)
    }
}

fn by_version(format: &str, type_name: &str, version: u32) -> String {
    let (format, type_name) = (utf8_percent_encode(format, ENCODED), utf8_percent_encode(type_name, ENCODED));
    format!("/schemas/format/{format}/type/{type_name}/versions/{version}")
}

fn of_type(type_name: Option<&str>) -> Vec<(&'static str, &str)> {
    type_name.map(|name| ("type", name)).into_iter().collect()
}

#[async_trait]
impl SchemaRegistry for HttpRegistry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        let request = self.request(Method::POST, "/v1/groups", &group.namespace, &[]);
        let body = json!({ "groupName": group.name, "groupProperties": properties });
        Ok(self.send(request.json(&body), Repeated::Different).await?.status() != StatusCode::CONFLICT)
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        self.get(self.at(Method::GET, group, "", &[])).await
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
        self.tell(self.at(Method::DELETE, group, "", &[])).await
    }

    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.get(self.at(Method::POST, group, "/schemas", &[]).json(&schema)).await
    }

    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.get(self.at(Method::POST, group, "/schemas/versions/find", &[]).json(&schema)).await
    }

    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let found: Schemas = self.get(self.at(Method::GET, group, "/schemas", &of_type(type_name))).await?;
        Ok(found.schemas)
    }

    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let found: Schemas =
            self.get(self.at(Method::GET, group, "/schemas/versions", &of_type(type_name))).await?;
        Ok(found.schemas)
    }

    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        self.get(self.at(Method::GET, group, &format!("/schemas/schema/{id}"), &[])).await
    }

    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        let request = self.at(Method::POST, group, "/schemas/versions/canRead", &[]).json(&schema);
        Ok(self.get::<CanRead>(request).await?.compatible)
    }

    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        Ok(self.get::<History>(self.at(Method::GET, group, "/history", &[])).await?.history)
    }

    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        let body = json!({ "versionInfo": version, "codecType": codec });
        self.get(self.at(Method::PUT, group, "/encodings", &[]).json(&body)).await
    }

    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        self.get(self.at(Method::GET, group, &format!("/encodings/{}", id.0), &[])).await
    }

    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        Ok(self.get::<CodecTypes>(self.at(Method::GET, group, "/codecTypes", &[])).await?.codec_types)
    }

    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        self.tell(self.at(Method::POST, group, "/codecTypes", &[]).json(&codec)).await
    }
}
