//! Changing the document of a plan, and making the plan that it then tells of.

use serde_json::{Map, Value};
use weir_api::{Refusal, Refused};

use crate::control::{
    config::{ConfigErrors, no_such_port, parse_document},
    plan::Plan,
};

/// Why a patch is refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("{0}")]
    NoSuchPort(ConfigErrors),
    #[error("{0}")]
    Invalid(ConfigErrors),
}

impl PatchError {
    pub fn why(&self) -> Refusal {
        match self {
            Self::NoSuchPort(_) => Refusal::Unknown,
            Self::Invalid(_) => Refusal::Invalid,
        }
    }
}

impl From<PatchError> for Refused {
    fn from(error: PatchError) -> Self {
        Self::new(error.why(), error)
    }
}

impl Plan {
    /// The plan that a merge patch on `self.document(known)` makes of this one. What the document
    /// does not tell stays as it is; whether a new port's interface exists is not asked here.
    pub fn patch(&self, patch: &Value, known: &[String]) -> Result<Self, PatchError> {
        let Value::Object(patch) = patch else {
            let wrong = "is no JSON object";
            let valid = "valid: what is to change, such as {\"ports\": {\"v1\": {\"weight\": 4}}}";
            return Err(PatchError::Invalid(ConfigErrors::argument("patch", wrong, valid)));
        };
        let mut document = match self.document(known) {
            Value::Object(document) => document,
            _ => Map::new(),
        };
        check_named(patch, &document)?;
        merge(&mut document, patch);
        parse_document(&document, self, known).map_err(PatchError::Invalid)
    }
}

/// A new port is one that is given a role: a slip in a name is not.
fn check_named(
    patch: &Map<String, Value>,
    document: &Map<String, Value>,
) -> Result<(), PatchError> {
    let there = |name: &str| document.get("ports").is_some_and(|p| p.get(name).is_some());
    let Some(Value::Object(ports)) = patch.get("ports") else { return Ok(()) };
    let missing = ports
        .iter()
        .filter(|(name, port)| {
            let slip = match port {
                Value::Object(port) => port.get("role").is_none_or(Value::is_null),
                other => other.is_null(),
            };
            slip && !there(name)
        })
        .map(|(name, _)| no_such_port(name));
    missing.reduce(ConfigErrors::and).map_or(Ok(()), |errors| Err(PatchError::NoSuchPort(errors)))
}

/// RFC 7396.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let slot = target.entry(key.as_str()).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(slot) = slot {
                    merge(slot, patch);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}
