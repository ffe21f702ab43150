//! A value as it was written, in the file or in a client's document, so that both are read by
//! the same readers. Invariant: nothing is interpreted here; numbers stay the text they were.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

#[derive(Debug)]
pub(super) struct Node {
    /// Where it stands in the file; 0..0 in a document, which has no places.
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Text(String),
    Integer { digits: String, radix: u32 },
    Float(String),
    Flag(bool),
    Date,
    List(Vec<Node>),
    Table(Table),
}

#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// Of the key itself.
    pub(super) span: Range<usize>,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Value {
    /// How an error names the value it refuses.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Integer { digits, radix } => {
                let prefix = match radix {
                    2 => "0b",
                    8 => "0o",
                    16 => "0x",
                    _ => "",
                };
                format!("{prefix}{digits}")
            }
            Self::Float(number) => number.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Date => "a date".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }
}

impl From<&DeTable<'_>> for Table {
    fn from(table: &DeTable<'_>) -> Self {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let key: &Spanned<std::borrow::Cow<'_, str>> = key;
            (key.get_ref().to_string(), Entry { span: key.span(), node: Node::from(value) })
        };
        Self { entries: table.iter().map(entry).collect() }
    }
}

impl From<&Spanned<DeValue<'_>>> for Node {
    fn from(spanned: &Spanned<DeValue<'_>>) -> Self {
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                Value::Integer { digits: number.as_str().to_owned(), radix: number.radix() }
            }
            DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(items) => Value::List(items.iter().map(Self::from).collect()),
            DeValue::Table(table) => Value::Table(Table::from(table)),
        };
        Self { span: spanned.span(), value }
    }
}

impl From<&serde_json::Map<String, serde_json::Value>> for Table {
    /// A key that is `null` is one that is not there: so a document says that it has no value.
    fn from(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        let entries = object
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), Entry { span: 0..0, node: Node::from(value) }))
            .collect();
        Self { entries }
    }
}

impl From<&serde_json::Value> for Node {
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Flag(*flag),
            Json::Number(number) if number.is_f64() => Value::Float(number.to_string()),
            Json::Number(number) => Value::Integer { digits: number.to_string(), radix: 10 },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Self::from).collect()),
            Json::Object(object) => Value::Table(Table::from(object)),
        };
        Self { span: 0..0, value }
    }
}
