//! The parts of a setting's declaration, and the macro that declares a section's settings.
//!
//! [`settings!`] makes three things from a declaration: a field of the section's struct, with the
//! setting's type; its default; and a row of [`Section::SETTINGS`], from which all the rest is derived:
//! reading, documents, differences, options, pages.

use serde_json::Value as Json;

use toml::{Spanned, de::DeValue};

use crate::{Host, problem::Fault};

/// A value as it is written, and its place. Numbers stay text.
pub type Node<'i> = Spanned<DeValue<'i>>;

weir_core::choices! {
    /// What a changed setting requires.
    Effect {
        /// It is changed while traffic flows
        Live = "live",
        /// The port is taken out and in again
        Reattach = "reattach",
        /// The same, but only the file can change it
        Reload = "reload",
        /// It takes effect at weir's next start
        Restart = "restart",
    }
}

impl Effect {
    /// Whether a command, or a client's patch, can change it.
    pub fn by_patch(self) -> bool {
        matches!(self, Self::Live | Self::Reattach)
    }

    pub fn reattaches(self) -> bool {
        matches!(self, Self::Reattach | Self::Reload)
    }
}

/// The declaration of a setting, whatever its type.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The key in files, documents and commands.
    pub key: &'static str,
    /// The key with its section: `container.timeout`.
    pub path: &'static str,
    pub effect: Effect,
    /// A sentence; `{range}` and `{names}` stand for the valid values.
    pub help: &'static str,
    /// What applies while it has no value; empty: nothing.
    pub unset: &'static str,
    /// A value, as a file writes it; empty: the default.
    pub example: &'static str,
    pub kind: fn() -> Kind,
    pub default: fn() -> Json,
    /// From a command's argument to a document's value.
    pub of_text: fn(&str) -> Result<Json, String>,
}

/// The valid values of a setting.
#[derive(Clone, Debug)]
pub struct Kind {
    /// For an option's value: `RATE|none`.
    pub value_name: &'static str,
    /// `a whole number from 1 to 1000`
    pub valid: String,
    /// `1 to 1000`, if it is bounded.
    pub range: String,
    /// `eager, fixed or adaptive`, if it is a choice.
    pub names: String,
}

impl Kind {
    pub(crate) fn new(value_name: &'static str, valid: impl Into<String>) -> Self {
        let (range, names) = (String::new(), String::new());
        Self { value_name, valid: valid.into(), range, names }
    }
}

impl Declaration {
    /// The sentence, with the valid values filled in.
    pub fn help(&self) -> String {
        let kind = (self.kind)();
        self.help.replace("{range}", &kind.range).replace("{names}", &kind.names)
    }

    /// The default in words; `None`: there is none.
    pub fn default_text(&self) -> Option<String> {
        match (self.default)() {
            Json::Null => Some(self.unset.to_owned()),
            Json::Array(items) if items.is_empty() => Some(self.unset.to_owned()),
            value => Some(self.shown(&value)),
        }
        .filter(|text| !text.is_empty())
    }

    pub fn example(&self) -> String {
        match self.example {
            // JSON's strings, numbers and flags have the same syntax in TOML.
            "" => (self.default)().to_string(),
            example => example.to_owned(),
        }
    }

    /// The sentence as the help of an option.
    pub fn option_help(&self) -> String {
        match self.default_text() {
            Some(default) => format!("{} [default: {default}]", self.help()),
            None => self.help(),
        }
    }

    /// A document's value as people write it.
    pub fn shown(&self, value: &Json) -> String {
        match value {
            Json::Null if self.unset.is_empty() => "none".to_owned(),
            // A single word is shown here; a longer text belongs into a help text.
            Json::Null if self.unset.chars().all(char::is_alphabetic) => self.unset.to_owned(),
            Json::Null => "default".to_owned(),
            Json::String(text) => text.clone(),
            Json::Array(items) if items.is_empty() => "none".to_owned(),
            Json::Array(items) => {
                items.iter().map(|item| self.shown(item)).collect::<Vec<_>>().join(",")
            }
            value => value.to_string(),
        }
    }
}

/// A setting of the section `S`.
#[derive(Debug)]
pub struct Setting<S: 'static> {
    pub about: Declaration,
    /// Sets it to the written value; with faults, it stays as it was.
    pub read: fn(&mut S, &Node<'_>, &Context<'_>) -> Result<(), Vec<Fault>>,
    /// The value in the document's form.
    pub json: fn(&S) -> Json,
    pub copy: fn(&S, &mut S),
}

/// A struct of settings: a `[section]` of the file, or a `[[port]]`.
pub trait Section: Clone + Default + 'static {
    const NAME: &'static str;
    /// The subject of its settings, in a sentence.
    const ABOUT: &'static str;

    const SETTINGS: &'static [Setting<Self>];

    fn declaration(key: &str) -> Option<&'static Declaration> {
        Self::SETTINGS.iter().map(|row| &row.about).find(|setting| setting.key == key)
    }

    /// A contradiction within a section: the setting at fault, and why.
    fn contradiction(&self) -> Option<(&'static str, Fault)> {
        None
    }
}

/// What settings are checked against besides their ranges.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    pub host: &'c Host,
    /// The cores of the workers.
    pub workers: &'c [usize],
}

/// See the module. Fields in brackets are no settings. A `range` has the type
/// [`Value::Range`](crate::value::Value::Range) of its setting.
macro_rules! settings {
    (
        #[doc = $about:literal]
        $(#[$attribute:meta])*
        $visibility:vis $section:ident in $name:literal $(, checked by $check:path)? {
            $([$($(#[$plain_doc:meta])* $plain:ident: $plain_type:ty = $plain_default:expr,)+])?
            $(
                $field:ident: $type:ty {
                    key: $key:literal,
                    default: $default:expr,
                    $(range: $range:expr,)?
                    effect: $effect:ident,
                    help: $help:expr,
                    $(unset: $unset:expr,)?
                    $(example: $example:literal,)?
                }
            )+
        }
    ) => {
        #[doc = $about]
        $(#[$attribute])*
        #[derive(Clone, PartialEq, Debug)]
        $visibility struct $section {
            $($($(#[$plain_doc])* pub $plain: $plain_type,)+)?
            $(#[doc = $help] pub $field: $type,)+
        }

        impl Default for $section {
            fn default() -> Self {
                Self {
                    $($($plain: $plain_default,)+)?
                    $($field: $default,)+
                }
            }
        }

        impl $crate::setting::Section for $section {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about.trim_ascii();

            const SETTINGS: &'static [$crate::setting::Setting<Self>] = &[$(
                $crate::setting::Setting {
                    about: $crate::setting::Declaration {
                        key: $key,
                        path: concat!($name, ".", $key),
                        effect: $crate::setting::Effect::$effect,
                        help: $help,
                        unset: concat!("" $(, $unset)?),
                        example: concat!("" $(, $example)?),
                        kind: || <$type as $crate::value::Value>::kind(&{ $($range)? }),
                        default: || {
                            let default: $type = $default;
                            $crate::value::json(&default)
                        },
                        of_text: <$type as $crate::value::Value>::of_text,
                    },
                    read: |section, node, context| {
                        section.$field = $crate::value::Value::read(node, &{ $($range)? }, context)?;
                        Ok(())
                    },
                    json: |section| $crate::value::json(&section.$field),
                    copy: |from, to| to.$field.clone_from(&from.$field),
                },
            )+];

            $(
                fn contradiction(&self) -> Option<(&'static str, $crate::problem::Fault)> {
                    $check(self)
                }
            )?
        }
    };
}
pub(crate) use settings;
