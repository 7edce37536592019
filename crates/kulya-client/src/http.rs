//! One call of REST v1 for each of the trait's (contract §1.3); [`administration`] speaks v2.

mod administration;

use async_trait::async_trait;
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// What stands for itself in a path segment or a query value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A registry that has not answered by then does not answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A registry at a URL.
#[derive(Debug, Clone)]
pub struct HttpRegistry {
    base: String,
    client: Client,
}

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

fn invalid(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

impl HttpRegistry {
    /// A registry at `http://host:port`. Spaces around the URL are dropped, and `tcp://` means `http://`, as the
    /// Flink connector's options are written. Connects at the first call.
    pub fn new(url: &str) -> RegistryResult<Self> {
        let trimmed = url.trim();
        let url = match trimmed.strip_prefix("tcp://") {
            Some(rest) => format!("http://{rest}"),
            None => trimmed.to_owned(),
        };
        let parsed = Url::parse(&url).map_err(|e| {
            invalid(format!("registry URL {trimmed:?} is wrong: write http://host:port")).because(e)
        })?;
        match parsed.scheme() {
            "http" => {}
            "https" | "tls" => {
                return Err(invalid(format!("registry URL {trimmed}: TLS is not supported yet")));
            }
            _ => return Err(invalid(format!("registry URL {trimmed:?} is wrong: write http://host:port"))),
        }
        let client = Client::builder().timeout(TIMEOUT).build();
        let client = client.map_err(|e| {
            RegistryError::new(RegistryErrorKind::Failed, "cannot make an HTTP client").because(e)
        })?;
        Ok(Self { base: parsed.as_str().trim_end_matches('/').to_owned(), client })
    }

    /// A request to a place of a group: `parts` are path segments behind the group's.
    fn at(&self, method: Method, group: &GroupId, place: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let group_name = utf8_percent_encode(&group.name, ENCODED);
        self.request(method, &format!("/v1/groups/{group_name}{place}"), &group.namespace, query)
    }

    fn request(&self, method: Method, path: &str, namespace: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = format!("{}{path}", self.base);
        let namespace = Some(("namespace", namespace)).filter(|_| !namespace.is_empty());
        for (number, (name, value)) in namespace.iter().chain(query).enumerate() {
            let mark = if number == 0 { '?' } else { '&' };
            url = format!("{url}{mark}{name}={}", utf8_percent_encode(value, ENCODED));
        }
        self.client.request(method, url)
    }

    async fn send(&self, request: RequestBuilder) -> RegistryResult<Response> {
        let response = request.send().await.map_err(|e| {
            let what = format!(
                "the registry at {} does not answer: is it running, and is the URL right?",
                self.base
            );
            RegistryError::new(RegistryErrorKind::Unavailable, what).because(e)
        })?;
        if response.status().is_success() || response.status() == StatusCode::CONFLICT {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    async fn refusal(&self, response: Response) -> RegistryError {
        let status = response.status();
        let kind = match status {
            StatusCode::NOT_FOUND => RegistryErrorKind::NotFound,
            StatusCode::CONFLICT => RegistryErrorKind::Incompatible,
            StatusCode::EXPECTATION_FAILED => RegistryErrorKind::FormatMismatch,
            StatusCode::PRECONDITION_FAILED => RegistryErrorKind::CodecUnknown,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => RegistryErrorKind::InvalidInput,
            StatusCode::GONE => RegistryErrorKind::Gone,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => RegistryErrorKind::Unavailable,
            _ => RegistryErrorKind::Failed,
        };
        let path = response.url().path().to_owned();
        match response.text().await {
            Ok(text) if !text.trim().is_empty() => {
                administration::told(&text).unwrap_or_else(|| RegistryError::new(kind, text.trim()))
            }
            _ => {
                RegistryError::new(kind, format!("the registry at {} answers {status} for {path}", self.base))
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, request: RequestBuilder) -> RegistryResult<T> {
        let response = self.send(request).await?;
        if response.status() == StatusCode::CONFLICT {
            return Err(self.refusal(response).await);
        }
        self.read(response).await
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> RegistryResult<T> {
        let what = format!("the answer of {} for {} cannot be read", self.base, response.url().path());
        response.json().await.map_err(|e| RegistryError::new(RegistryErrorKind::Failed, what).because(e))
    }
}

fn of_type(type_name: Option<&str>) -> Vec<(&'static str, &str)> {
    type_name.map(|name| ("type", name)).into_iter().collect()
}

#[async_trait]
impl SchemaRegistry for HttpRegistry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        let request = self.request(Method::POST, "/v1/groups", &group.namespace, &[]);
        let body = json!({ "groupName": group.name, "groupProperties": properties });
        Ok(self.send(request.json(&body)).await?.status() != StatusCode::CONFLICT)
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        self.get(self.at(Method::GET, group, "", &[])).await
    }

    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        let (mut found, mut token) = (BTreeMap::new(), String::new());
        loop {
            let query = [("limit", "100"), ("continuationToken", token.as_str())];
            let query = if token.is_empty() { &query[..1] } else { &query[..] };
            let page: ListGroups =
                self.get(self.request(Method::GET, "/v1/groups", namespace, query)).await?;
            if page.groups.is_empty() {
                return Ok(found.into_iter().map(|(name, p)| (GroupId::new(namespace, name), p)).collect());
            }
            found.extend(page.groups);
            token = page.continuation_token;
        }
    }

    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        self.send(self.at(Method::DELETE, group, "", &[])).await.map(drop)
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
        self.send(self.at(Method::POST, group, "/codecTypes", &[]).json(&codec)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_as_flink_writes_them_or_refused() {
        assert_eq!(HttpRegistry::new(" tcp://localhost:9092 ").unwrap().base, "http://localhost:9092");
        assert_eq!(HttpRegistry::new("http://h:1/").unwrap().base, "http://h:1");
        for (bad, says) in
            [("nonsense", "http://host:port"), ("ftp://h", "http://host:port"), ("https://h", "TLS")]
        {
            let refused = HttpRegistry::new(bad).unwrap_err().to_string();
            assert!(refused.contains(says) && refused.contains(bad), "{refused}");
        }
    }
}
