//! A value as it was written, in the file or in a client's document, so that the same readers read
//! both. Invariant: nothing is interpreted here; numbers stay text.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

#[derive(Debug)]
pub struct Node {
    /// Its place in the file; 0..0 in a document, which has no places.
    pub(crate) span: Range<usize>,
    pub value: Written,
}

#[derive(Debug)]
pub enum Written {
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
pub struct Table {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    /// The place of the key itself.
    pub(crate) span: Range<usize>,
    pub(crate) node: Node,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }
}

impl Written {
    /// How an error shows the refused value.
    pub(crate) fn shown(&self) -> String {
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
            DeValue::String(text) => Written::Text(text.to_string()),
            DeValue::Integer(number) => {
                Written::Integer { digits: number.as_str().to_owned(), radix: number.radix() }
            }
            DeValue::Float(number) => Written::Float(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Written::Flag(*flag),
            DeValue::Datetime(_) => Written::Date,
            DeValue::Array(items) => Written::List(items.iter().map(Self::from).collect()),
            DeValue::Table(table) => Written::Table(Table::from(table)),
        };
        Self { span: spanned.span(), value }
    }
}

impl From<&serde_json::Map<String, serde_json::Value>> for Table {
    fn from(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        let entries = object
            .iter()
            .map(|(key, value)| (key.clone(), Entry { span: 0..0, node: Node::from(value) }))
            .collect();
        Self { entries }
    }
}

impl From<&serde_json::Value> for Node {
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Written::Null,
            Json::Bool(flag) => Written::Flag(*flag),
            Json::Number(number) if number.is_f64() => Written::Float(number.to_string()),
            Json::Number(number) => Written::Integer { digits: number.to_string(), radix: 10 },
            Json::String(text) => Written::Text(text.clone()),
            Json::Array(items) => Written::List(items.iter().map(Self::from).collect()),
            Json::Object(object) => Written::Table(Table::from(object)),
        };
        Self { span: 0..0, value }
    }
}
