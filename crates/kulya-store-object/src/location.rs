//! The location of a store, parsed from a URL: `s3://bucket/prefix`, `file:///directory`, `memory://`.

use crate::bucket::Bucket;
use crate::local_directory::LocalDirectory;
use crate::settings::Settings;
use kulya_store::{Error, Result};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::fmt;
use std::sync::Arc;
use url::Url;

/// An object storage and the prefix of a store in it.
#[derive(Clone)]
pub struct StoreLocation {
    /// The object storage.
    pub objects: Arc<dyn ObjectStore>,
    /// The prefix of the names of all objects of the store.
    pub prefix: Path,
}

impl StoreLocation {
    /// Returns a location in a local directory, which is created if it does not exist.
    ///
    /// # Errors
    /// `InvalidInput` when the directory cannot be created or read.
    pub fn directory(path: &std::path::Path) -> Result<Self> {
        let directory = LocalDirectory::open(path).map_err(|error| {
            Error::invalid(format!("directory {} cannot be used", path.display())).because(error)
        })?;
        Ok(Self { objects: Arc::new(directory), prefix: Path::default() })
    }

    /// Parses a URL. `variable` looks up the usual environment variables of AWS, credentials among them,
    /// which are never displayed.
    ///
    /// - `s3://bucket/prefix?region=…&endpoint=…`: S3, or a compatible service at an endpoint. Variables
    ///   supply what the URL leaves out (`AWS_REGION`, `AWS_ENDPOINT_URL`).
    /// - `file:///directory`: a local directory, created if it does not exist.
    /// - `memory://`: the memory of this process, empty on each call.
    ///
    /// # Errors
    /// `InvalidInput` when the URL is malformed, has another scheme, or its storage cannot be used.
    pub fn from_url(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let parsed = Url::parse(url.trim()).map_err(|error| invalid_url(url, "not a URL").because(error))?;
        match parsed.scheme() {
            "s3" => s3(&parsed, variable),
            "file" => {
                let path =
                    parsed.to_file_path().map_err(|()| invalid_url(url, "write it as file:///directory"))?;
                let directory = LocalDirectory::open(&path)
                    .map_err(|error| invalid_url(url, "the directory cannot be used").because(error))?;
                Ok(Self { objects: Arc::new(directory), prefix: Path::default() })
            }
            "memory" => Ok(Self { objects: Arc::new(InMemory::new()), prefix: Path::default() }),
            other => Err(invalid_url(url, &format!("{other} is not s3, file or memory"))),
        }
    }
}

impl StoreLocation {
    /// Returns whether a store exists here, without creating one.
    ///
    /// # Errors
    /// `Corrupt` when the prefix holds something else; `Unreachable` when the storage does not answer.
    pub async fn has_store(&self) -> Result<bool> {
        Bucket::new(Arc::clone(&self.objects), &self.prefix, Settings::new(0)).exists().await
    }
}

/// Displays the location without secrets.
impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_ref() {
            "" => write!(f, "{}", self.objects),
            prefix => write!(f, "{} at {prefix}", self.objects),
        }
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn invalid_url(url: &str, reason: &str) -> Error {
    Error::invalid(format!("invalid object storage URL {url:?}: {reason}"))
}

/// The environment variables that configure S3.
#[cfg(feature = "s3")]
const VARIABLES: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_ALLOW_HTTP",
];

#[cfg(feature = "s3")]
fn s3(url: &Url, variable: impl Fn(&str) -> Option<String>) -> Result<StoreLocation> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
    use object_store::{ClientOptions, RetryConfig};
    use std::time::Duration;

    let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
    let bucket = bucket.ok_or_else(|| invalid_url(url.as_str(), "write it as s3://bucket/prefix"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid(
            "credentials are not allowed in an s3 URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    }
    let prefix = Path::from_url_path(url.path().trim_matches('/'))
        .map_err(|error| invalid_url(url.as_str(), "invalid prefix").because(error))?;
    // the store retries itself, since it knows each request's meaning, and sets the timeouts
    let retry =
        RetryConfig { max_retries: 1, retry_timeout: Duration::from_secs(4), ..RetryConfig::default() };
    let mut options =
        ClientOptions::new().with_connect_timeout(Duration::from_secs(3)).with_timeout_disabled();
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(retry);
    let mut endpoint = None;
    for name in VARIABLES {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        if name.starts_with("AWS_ENDPOINT_URL") && name != "AWS_ENDPOINT_URL_STS" {
            endpoint = Some(value);
        } else if let Ok(key) = name.to_ascii_lowercase().parse::<Key>() {
            builder = builder.with_config(key, value);
        }
    }
    for (name, value) in url.query_pairs() {
        match &*name {
            "endpoint" => endpoint = Some(value.into_owned()),
            "region" => builder = builder.with_region(value),
            other => {
                return Err(invalid_url(
                    url.as_str(),
                    &format!("unknown parameter {other}: use endpoint or region"),
                ));
            }
        }
    }
    if let Some(endpoint) = endpoint {
        let is_plain = endpoint.starts_with("http://");
        builder = builder.with_endpoint(endpoint);
        options = options.with_allow_http(is_plain);
    }
    builder = builder.with_client_options(options);
    let store =
        builder.build().map_err(|error| invalid_url(url.as_str(), "invalid S3 settings").because(error))?;
    Ok(StoreLocation { objects: Arc::new(store), prefix })
}

#[cfg(not(feature = "s3"))]
fn s3(url: &Url, _: impl Fn(&str) -> Option<String>) -> Result<StoreLocation> {
    Err(invalid_url(url.as_str(), "this program was built without S3 support"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_parsed_or_rejected_with_a_reason() {
        let none = |_: &str| None;
        for (url, reason) in [
            ("nowhere", "not a URL"),
            ("gs://bucket", "not s3, file or memory"),
            ("file://elsewhere/folder", "file:///directory"),
        ] {
            let refused = StoreLocation::from_url(url, none).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        assert!(StoreLocation::from_url("memory://", none).is_ok());
    }

    #[cfg(feature = "s3")]
    #[test]
    fn an_s3_url_is_parsed_and_credentials_are_never_displayed() {
        let variable = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("the-key".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("the-secret".to_owned()),
            _ => None,
        };
        let url = "s3://bucket/some/where?endpoint=http://127.0.0.1:9&region=eu-west-1";
        let location = StoreLocation::from_url(url, variable).unwrap();
        assert_eq!(location.prefix, Path::from("some/where"));
        let displayed = format!("{location:?}");
        assert!(
            displayed.contains("bucket")
                && !displayed.contains("the-secret")
                && !displayed.contains("the-key"),
            "{displayed}"
        );
        for (url, reason) in [
            ("s3:///prefix", "s3://bucket/prefix"),
            ("s3://bucket/?colour=red", "use endpoint or region"),
            ("s3://key:secret@bucket/", "AWS_ACCESS_KEY_ID"),
        ] {
            let refused = StoreLocation::from_url(url, variable).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
            assert!(!refused.contains("secret@"), "{refused}");
        }
    }
}
