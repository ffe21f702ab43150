//! Why a request was not answered, or a change not made, in words for the operator.

use std::fmt;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

/// The body of every answer with an error status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    pub error: String,
}

/// A refusal's status and sentence: 4xx asks for another request, 5xx says weir cannot serve this one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    pub why: StatusCode,
    pub error: String,
}

impl Refused {
    pub fn new(why: StatusCode, error: impl fmt::Display) -> Self {
        Self { why, error: error.to_string() }
    }

    /// The request makes no sense.
    pub fn unreadable(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// It cannot be done now.
    pub fn unavailable(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}
