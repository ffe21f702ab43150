//! Why a request was not answered, or a change not made, in words for the operator.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of every answer with an error status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    pub error: String,
}

/// The kind of a refusal; its value is the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request makes no sense.
    Unreadable = 400,
    /// There is no such port, interface or path.
    Unknown = 404,
    /// The path does not support this method.
    Method = 405,
    /// Another client uses the requested resource.
    Busy = 409,
    TooLong = 413,
    /// The body is of another type than a patch.
    Type = 415,
    /// The result would be no valid configuration.
    Invalid = 422,
    /// An error inside weir.
    Broken = 500,
    /// It cannot be done now.
    Unavailable = 503,
    /// The change is still going on.
    Unfinished = 504,
}

/// A refusal and its sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    pub why: Refusal,
    pub error: String,
}

impl Refused {
    pub fn new(why: Refusal, error: impl fmt::Display) -> Self {
        Self { why, error: error.to_string() }
    }

    pub fn unavailable(error: impl fmt::Display) -> Self {
        Self::new(Refusal::Unavailable, error)
    }
}

impl Refusal {
    const ALL: [Self; 10] = [
        Self::Unreadable,
        Self::Unknown,
        Self::Method,
        Self::Busy,
        Self::TooLong,
        Self::Type,
        Self::Invalid,
        Self::Broken,
        Self::Unavailable,
        Self::Unfinished,
    ];

    pub fn status(self) -> u16 {
        self as u16
    }

    /// The refusal of a status; a status that weir does not use counts as `Broken`.
    pub fn of_status(status: u16) -> Self {
        Self::ALL.into_iter().find(|why| why.status() == status).unwrap_or(Self::Broken)
    }

    /// Whether the client must change the request.
    pub fn is_of_the_question(self) -> bool {
        (400..500).contains(&self.status())
    }
}
