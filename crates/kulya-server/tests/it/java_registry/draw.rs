//! Random requests of REST v1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_testkit::SeededRng;
use serde_json::{Value, json};

/// Generates random requests.
pub(super) struct Client(SeededRng);

/// One request: method, path with query, and body.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) operation: &'static str,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// The credentials, where they matter.
    pub(super) authorization: Option<String>,
    /// Whether a member of the body was removed or has a wrong type.
    pub(super) is_wrong: bool,
}

impl Request {
    pub(super) fn new(operation: &'static str, method: &'static str, path: String) -> Self {
        Self { operation, method, path, body: None, authorization: None, is_wrong: false }
    }
}

const GROUPS: [&str; 3] = ["g", "a%2Fb", "other%20one"];
const FORMATS: [&str; 5] = ["Avro", "Json", "Protobuf", "Custom", "Any"];
const TYPES: [&str; 8] = ["User", "a.b.User", "", "union", "E", "M", "p.M", "Other"];
const CODECS: [&str; 4] = ["", "application/x-gzip", "snappy", "mine"];
const AVRO: [&str; 14] = [
    r#"{"type":"record","name":"User","fields":[{"name":"name","type":"string"}]}"#,
    r#"{"type":"record","name":"User","fields":[{"name":"name","type":"string"},{"name":"age","type":"int","default":0}]}"#,
    r#"{"type":"record","name":"User","fields":[{"name":"name","type":"string"},{"name":"age","type":"int"}]}"#,
    r#"{"type":"record","name":"User","fields":[{"name":"name","type":["null","string"],"default":null}]}"#,
    r#"{"type":"record","name":"User","namespace":"a.b","fields":[{"name":"id","type":"long"}]}"#,
    r#"{"type":"record","name":"User","namespace":"a.b","fields":[{"name":"id","type":"int"}],"doc":"ids"}"#,
    r#"{"type":"record","name":"User","namespace":"a.b","fields":[{"name":"id","type":"double"}]}"#,
    r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
    r#"{"type":"enum","name":"E","symbols":["A"]}"#,
    r#"{"type":"fixed","name":"Other","size":4}"#,
    r#"[{"type":"record","name":"User","fields":[{"name":"name","type":"string"}]},{"type":"enum","name":"E","symbols":["A"]}]"#,
    r#""string""#,
    r#"{"type":"record","name":"User"}"#,
    "no schema at all",
];
const JSON: [&str; 6] = [
    r#"{"type":"object","properties":{"name":{"type":"string"}}}"#,
    r#"{"properties":{"name":{"type":"string"}},"type":"object"}"#,
    r#"{"type":"object","properties":{"name":{"type":"integer"}},"required":["name"]}"#,
    "{}",
    "[]",
    "true",
];
/// Descriptor sets: message `M` of no package, message `M` of package `p` with a field, none, and no set.
const PROTOBUF: [&[u8]; 4] = [
    b"\x0a\x0e\x0a\x07m.proto\x22\x03\x0a\x01M",
    b"\x0a\x1f\x0a\x07q.proto\x12\x01p\x22\x11\x0a\x01M\x12\x0c\x0a\x01f\x18\x01 \x01(\x05R\x01f",
    b"",
    b"\xff\xff\xff",
];

impl Client {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed))
    }

    /// Returns a random number of requests below the maximum.
    pub(super) fn patience(&mut self, most: u64) -> u64 {
        self.0.u64_below(most)
    }

    fn format(&mut self) -> Value {
        let format = if self.0.one_in(2) { "Avro" } else { self.0.pick(&FORMATS) };
        match format {
            "Custom" => {
                json!({ "serializationFormat": "Custom", "fullTypeName": self.0.pick(&["mine", "yours"]) })
            }
            named if self.0.one_in(2) => json!({ "serializationFormat": named, "fullTypeName": named }),
            named => json!({ "serializationFormat": named }),
        }
    }

    fn policy(&mut self) -> Value {
        let till = |rng: &mut SeededRng| json!({ "type": rng.pick(&TYPES), "serializationFormat": "Avro", "version": rng.u64_below(3), "id": rng.u64_below(4) });
        match self.0.u64_below(12) {
            0 | 1 => json!({ "policy": "AllowAny" }),
            2 => json!({ "policy": "DenyAll" }),
            3 => json!({ "policy": "Backward" }),
            4 => json!({ "policy": "BackwardTransitive" }),
            5 => json!({ "policy": "Forward" }),
            6 => json!({ "policy": "ForwardTransitive", "advanced": null }),
            7 => json!({ "policy": "Full" }),
            8 => json!({ "policy": "FullTransitive" }),
            9 => {
                let backward = json!({ "name": "BackwardTill", "versionInfo": till(&mut self.0) });
                json!({ "policy": "Advanced", "advanced": { "backwardPolicy": { "backwardPolicy": backward } } })
            }
            10 => {
                let forward = json!({ "name": "ForwardTill", "versionInfo": till(&mut self.0) });
                let backward = json!({ "name": "Backward" });
                json!({ "policy": "Advanced", "advanced": {
                    "backwardPolicy": { "backwardPolicy": backward }, "forwardPolicy": { "forwardPolicy": forward } } })
            }
            _ => self.0.pick(&[0, 1, 2]).into_wrong_policy(),
        }
    }

    fn properties(&mut self) -> Value {
        match self.0.u64_below(4) {
            0 => json!({ "owner": "us" }),
            1 => json!({ "owner": "us", "team": "them" }),
            _ => json!({}),
        }
    }

    fn schema(&mut self) -> Value {
        let format = self.format();
        let data = match format["serializationFormat"].as_str().unwrap_or_default() {
            "Avro" => self.0.pick(&AVRO).as_bytes(),
            "Json" => self.0.pick(&JSON).as_bytes(),
            "Protobuf" => self.0.pick(&PROTOBUF),
            _ => self.0.pick(&[&b"anything"[..], b"", b"\x00\xff"]),
        };
        // a type that matches, more often than not
        let type_name = match (format["serializationFormat"].as_str(), self.0.u64_below(3)) {
            (Some("Avro"), 1..) => self.0.pick(&["User", "", "a.b.User"]),
            (Some("Protobuf"), 1..) => self.0.pick(&["M", "p.M", ""]),
            _ => self.0.pick(&TYPES),
        };
        json!({
            "type": type_name,
            "serializationFormat": format,
            "schemaData": STANDARD.encode(data),
            "properties": self.properties(),
        })
    }

    fn version(&mut self) -> Value {
        json!({
            "type": self.0.pick(&TYPES),
            "serializationFormat": self.0.pick(&["Avro", "Json", "Custom", "mine"]),
            "version": self.0.u64_below(3),
            "id": self.0.u64_below(4),
        })
    }

    /// Generates a request about a namespace, sometimes an invalid one.
    pub(super) fn request(&mut self, namespace: &str) -> Request {
        let mut request = self.right_request(namespace);
        // the Java server hangs on an invalid request for an encoding
        if let Some(body) = request.body.as_mut().filter(|_| request.operation != "encodingId")
            && self.0.one_in(10)
        {
            self.spoil(body);
            request.is_wrong = true;
        }
        request
    }

    /// Removes a member of a value, at any depth, or changes its type.
    fn spoil(&mut self, value: &mut Value) {
        let Value::Object(members) = value else {
            *value = self.0.pick(&[0, 1, 2]).into_any_kind();
            return;
        };
        let names: Vec<String> = members.keys().cloned().collect();
        let Some(name) = names.get(self.0.index(names.len())) else { return };
        match (members.get_mut(name), self.0.u64_below(3)) {
            (_, 0) => drop(members.remove(name)),
            (Some(member), 1) => *member = Value::Null,
            (Some(member), _) => self.spoil(member),
            (None, _) => {}
        }
    }

    /// Generates the creation of a group, for the start of a history.
    pub(super) fn creation(&mut self, namespace: &str) -> Request {
        loop {
            let request = self.right_request(namespace);
            if request.operation == "createGroup" {
                return request;
            }
        }
    }

    fn right_request(&mut self, namespace: &str) -> Request {
        let group = self.0.pick(&GROUPS);
        // the Java server does not find a name with a slash by this path
        let base = if self.0.one_in(if group.contains("%2F") { 40 } else { 3 }) {
            format!("/v1/namespace/{namespace}/groups")
        } else {
            "/v1/groups".to_owned()
        };
        let is_in_path = base.contains("namespace");
        let query = |more: String| match (is_in_path, more.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!("?{more}"),
            (false, true) => format!("?namespace={namespace}"),
            (false, false) => format!("?namespace={namespace}&{more}"),
        };
        let request =
            |operation, method, path: String, body| Request { body, ..Request::new(operation, method, path) };
        let of_type = if self.0.one_in(2) { format!("type={}", self.0.pick(&TYPES)) } else { String::new() };
        let none = query(String::new());
        let of_version = {
            let (format, name) = (
                self.0.pick(&["Avro", "Json", "Protobuf", "mine"]),
                self.0.pick(&["User", "a.b.User", "E", "M"]),
            );
            format!("{base}/{group}/schemas/format/{format}/type/{name}/versions/{}{none}", self.0.u64_below(3))
        };
        match self.0.u64_below(40) {
            0..6 => {
                let properties = json!({
                    "serializationFormat": self.format(),
                    "compatibility": self.policy(),
                    "allowMultipleTypes": self.0.one_in(2),
                    "properties": self.properties(),
                });
                let name = group.replace("%2F", "/").replace("%20", " ");
                let body = json!({ "groupName": name, "groupProperties": properties });
                request("createGroup", "POST", format!("{base}{none}"), Some(body))
            }
            6 => request("listGroups", "GET", format!("{base}{none}"), None),
            7 => request("group", "GET", format!("{base}/{group}{none}"), None),
            8 => request("deleteGroup", "DELETE", format!("{base}/{group}{none}"), None),
            9 => request("history", "GET", format!("{base}/{group}/history{none}"), None),
            10 | 11 => {
                let mut body = json!({ "compatibility": self.policy() });
                if self.0.one_in(3) {
                    body["previousCompatibility"] = self.policy();
                }
                request(
                    "updateCompatibility",
                    "PUT",
                    format!("{base}/{group}/compatibility{none}"),
                    Some(body),
                )
            }
            12 | 13 => request("latest", "GET", format!("{base}/{group}/schemas{}", query(of_type)), None),
            14..23 => {
                request("addSchema", "POST", format!("{base}/{group}/schemas{none}"), Some(self.schema()))
            }
            23 => {
                request("versions", "GET", format!("{base}/{group}/schemas/versions{}", query(of_type)), None)
            }
            24 | 25 => request(
                "find",
                "POST",
                format!("{base}/{group}/schemas/versions/find{none}"),
                Some(self.schema()),
            ),
            26 | 27 => {
                let mut body = json!({ "schemaInfo": self.schema() });
                if !self.0.one_in(3) {
                    body["compatibility"] = self.policy();
                }
                request(
                    "validate",
                    "POST",
                    format!("{base}/{group}/schemas/versions/validate{none}"),
                    Some(body),
                )
            }
            28 | 29 => request(
                "canRead",
                "POST",
                format!("{base}/{group}/schemas/versions/canRead{none}"),
                Some(self.schema()),
            ),
            30 => request(
                "schema",
                "GET",
                format!("{base}/{group}/schemas/schema/{}{none}", self.0.u64_below(4)),
                None,
            ),
            31 => request(
                "deleteSchema",
                "DELETE",
                format!("{base}/{group}/schemas/schema/{}{none}", self.0.u64_below(4)),
                None,
            ),
            32 => request("schemaByVersion", "GET", of_version, None),
            33 => request("deleteByVersion", "DELETE", of_version, None),
            34 | 35 => {
                let body = json!({ "versionInfo": self.version(), "codecType": self.0.pick(&CODECS) });
                request("encodingId", "PUT", format!("{base}/{group}/encodings{none}"), Some(body))
            }
            36 => {
                request("encoding", "GET", format!("{base}/{group}/encodings/{}{none}", self.0.u64_below(3)), None)
            }
            37 => request("codecs", "GET", format!("{base}/{group}/codecTypes{none}"), None),
            38 => {
                let body = json!({ "name": self.0.pick(&CODECS[1..]), "properties": self.properties() });
                request("addCodec", "POST", format!("{base}/{group}/codecTypes{none}"), Some(body))
            }
            _ => {
                let path = format!("/v1/schemas/addedTo?namespace={namespace}");
                request("addedTo", "POST", path, Some(self.schema()))
            }
        }
    }
}

trait WrongPolicy {
    fn into_wrong_policy(self) -> Value;
    fn into_any_kind(self) -> Value;
}

impl WrongPolicy for i32 {
    fn into_any_kind(self) -> Value {
        match self {
            0 => json!({ "something": "else" }),
            1 => json!("a text"),
            _ => json!([1]),
        }
    }

    fn into_wrong_policy(self) -> Value {
        match self {
            0 => json!({ "policy": "backward" }),
            1 => json!({ "policy": "Advanced", "advanced": {} }),
            _ => {
                json!({ "policy": "Advanced", "advanced": { "backwardPolicy": { "backwardPolicy": { "name": "Forward" } } } })
            }
        }
    }
}
