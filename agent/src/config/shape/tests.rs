use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::de::value::Error;
use serde::de::{Deserializer, Error as _, Visitor};

use super::super::file::{
    AgentFile, AllowEntry, AuthEntry, DecryptionEntry, ForgeEntry, PolicyEntry, RefEntry, ReviewEntry, ServerEntry,
    SourceEntry, WebhookEntry,
};
use super::super::{Config, ConfigError};
use super::*;

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(&schema()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// What the schema says against a file; `None` when it is no YAML.
fn refusals(text: &str) -> Option<Vec<String>> {
    let json: serde_json::Value = serde_saphyr::from_str(text).ok()?;
    Some(VALIDATOR.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect())
}

/// The schema refuses nothing that the reader accepts, and knows the same keys.
pub(in crate::config) fn compare(text: &str, read: &Result<Config, ConfigError>) {
    let Some(refusals) = refusals(text) else { return };
    match read {
        Ok(_) => assert_eq!(refusals, [""; 0], "{text}"),
        Err(ConfigError::Invalid(findings)) => {
            let told = |message: &str| ["unknown field", "missing field"].iter().any(|told| message.contains(told));
            let told = findings.iter().any(|finding| told(&finding.message));
            assert!(!told || !refusals.is_empty(), "the schema accepts {text}");
        }
        Err(_) => {}
    }
}

/// Tells the keys that a type's `Deserialize` knows.
struct Keys<'k>(&'k mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("only the keys were wanted"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn same_keys<'de, T: serde::Deserialize<'de>>(shape: &'static Shape) {
    let mut read = Vec::new();
    assert!(T::deserialize(Keys(&mut read)).is_err());
    let declared: Vec<&str> = shape.fields().map(|field| field.name).collect();
    assert_eq!(declared, read, "{}", shape.name);
}

#[test]
fn every_key_that_is_read_is_declared() {
    same_keys::<AgentFile>(&AGENT);
    same_keys::<ServerEntry>(&SERVER);
    same_keys::<PolicyEntry>(&POLICY);
    same_keys::<AllowEntry>(&ALLOW);
    same_keys::<SourceEntry>(&SOURCE);
    same_keys::<WebhookEntry>(&WEBHOOK);
    same_keys::<DecryptionEntry>(&DECRYPTION);
    same_keys::<RefEntry>(&REF);
    same_keys::<AuthEntry>(&AUTH);
    same_keys::<ForgeEntry>(&FORGE);
    same_keys::<ReviewEntry>(&REVIEW);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_committed_schema_is_current() {
    let path = root().join("schemas/agent.schema.json");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, schema()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == schema(), "{} is stale: run the tests with UPDATE_SCHEMAS=1", path.display());
}

#[test]
fn the_manifests_configuration_fits() {
    let files = std::fs::read_dir(root().join("deploy/manifests")).unwrap().map(|file| file.unwrap().path());
    let texts: Vec<String> = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let [config] = texts.iter().filter(|text| text.contains("agent.yml: |")).collect::<Vec<_>>()[..] else {
        panic!("one of the manifests holds an agent.yml");
    };
    let object: serde_json::Value = serde_saphyr::from_str(config).unwrap();
    let config = object["data"]["agent.yml"].as_str().unwrap();
    assert_eq!(refusals(config).unwrap(), [""; 0]);
}

#[test]
fn what_this_version_cannot_do_is_refused() {
    let fits = |keys: &str| {
        let text = format!("sources: [{{name: a, url: ./a{keys}}}]");
        refusals(&text).unwrap().is_empty()
    };
    assert!(fits(""));
    assert!(fits(", verify: null, ref: {branch: main}, auth: {tokenFile: t}"));
    assert!(fits(", auth: {usernameFile: u, passwordFile: p}, review: {enabled: false, label: x}"));
    for keys in [
        ", verify: {mode: head}",
        ", ref: {}",
        ", ref: {branch: a, tag: b}",
        ", auth: {usernameFile: u}",
        ", auth: {tokenFile: t, passwordFile: p}",
        ", forge: {type: github}",
        ", intervall: 30s",
        ", interval: 30",
    ] {
        assert!(!fits(keys), "{keys}");
    }
    assert!(!refusals("sources: []").unwrap().is_empty());
}
